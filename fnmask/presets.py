"""Where the presets (`conf/`, `sweeps/`) and the project root lie, in a checkout and in an installed copy."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def conf_dir() -> Path:
    """Folder of the config groups; `sweeps/` is one of them."""
    installed = _PACKAGE / "_presets" / "conf"
    return installed if installed.is_dir() else _PACKAGE.parent / "conf"


def project_root() -> Path:
    """Folder that holds `mlflow.db` and `mlruns/`: the checkout, or the current folder for an installed copy."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / "conf" / "config.yaml").is_file() else Path.cwd()
