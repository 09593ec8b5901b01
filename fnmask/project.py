"""Where a command finds the runs of the project that it is called in, and where a person sees them."""

import os
import re
from pathlib import Path

DATABASE_NAME = "mlflow.db"


def find_root(start: Path) -> Path | None:
    """The project root: the folder itself or its nearest parent that holds `mlflow.db`, or None."""
    folders = [start.resolve(), *start.resolve().parents]
    return next((folder for folder in folders if (folder / DATABASE_NAME).is_file()), None)


def report_dir(root: Path, study: str) -> Path:
    """Where the comparison of a study is written unless told otherwise: `mlruns/reports/<study>`."""
    return root / "mlruns" / "reports" / (re.sub(r"[^\w\-.]+", "_", study).strip(".") or "sweep")


def browse_text(view_link: str | None) -> str:
    """How to see the trials in MLflow's page: what to start, and the address of a sweep's own view, if it has one."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http:", "https:")):
        from fnmask.tracking.passwords import hide_in_text

        return f"Browse:  {hide_in_text(server).rstrip('/')}/{view_link or ''}"
    return "Browse:  mlflow ui" + (f", then http://127.0.0.1:5000/{view_link}" if view_link else "")
