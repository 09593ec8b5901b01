"""Where a command finds the runs of the project that it is called in."""

from pathlib import Path

DATABASE_NAME = "mlflow.db"


def find_root(start: Path) -> Path | None:
    """The project root: the folder itself or its nearest parent that holds `mlflow.db`, or None."""
    folders = [start.resolve(), *start.resolve().parents]
    return next((folder for folder in folders if (folder / DATABASE_NAME).is_file()), None)
