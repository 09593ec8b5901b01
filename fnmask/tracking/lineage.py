"""Which code, which versions and which machine a run came from."""

import functools
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("fnmask", "tensorflow", "keras", "segmentation-models", "hydra-core", "optuna", "mlflow", "numpy")

_UNKNOWN = "unknown"


def code_revision(folder: Path) -> str:
    """The git commit of a folder, with `-dirty` behind it when tracked files differ from that commit.

    Args:
        folder: any folder inside the work tree.

    Returns:
        40 hexadecimal digits, perhaps with `-dirty`; `"unknown"` without git, outside a repository, or before the
        first commit.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return _UNKNOWN
    # Untracked files are not counted: the runs' own output would make every run look dirty.
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changes else commit


@functools.cache
def lineage_tags(folder: Path) -> dict[str, str]:
    """Tags that name the code of a run: `fnmask.commit`, and the two tags that MLflow's own pages show.

    Args:
        folder: any folder inside the work tree whose commit counts.

    Returns:
        Texts by tag name; MLflow's commit tag is left out when the commit is unknown.
    """
    revision = code_revision(folder)
    # The program's name only: its arguments may hold a database address with a password.
    tags = {"fnmask.commit": revision, "mlflow.source.name": Path(sys.argv[0]).name or "python"}
    if revision != _UNKNOWN:
        tags["mlflow.source.git.commit"] = revision.removesuffix("-dirty")
    return tags


@functools.cache
def lineage_params() -> dict[str, str]:
    """Versions and machine as flat parameters `lineage.<what>`, the same for all runs of one process.

    Returns:
        `lineage.python`, `lineage.platform`, `lineage.cpu_count` and `lineage.<package>` for each of `PACKAGES`;
        a package that is not installed has the value `"not installed"`.
    """
    params = {
        "lineage.python": platform.python_version(),
        "lineage.platform": platform.platform(),
        "lineage.cpu_count": str(os.cpu_count()),
    }
    for package in PACKAGES:
        try:
            params[f"lineage.{package}"] = version(package)
        except PackageNotFoundError:
            params[f"lineage.{package}"] = "not installed"
    return params


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command, or None when it fails or git is missing."""
    # GIT_DIR and its like, set inside a git hook, would point the command at another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
