"""Which code, which versions and which machine a run came from."""

import functools
import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fnmask

PACKAGES = ("fnmask", "tensorflow", "keras", "segmentation-models", "hydra-core", "optuna", "mlflow", "numpy")

_UNKNOWN = "unknown"

# Parts of the package that read, search or show: another version of them trains the same.
_COMPUTE_NOTHING = ("compare", "inference", "sweep", "tracking")


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
def code_digest() -> str:
    """SHA-256 of the package's own source, as far as it computes anything that is trained or measured."""
    hashed = hashlib.sha256()
    folder = Path(fnmask.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder)
        if place.parts[0] not in _COMPUTE_NOTHING:
            hashed.update(place.as_posix().encode() + path.read_bytes())
    return hashed.hexdigest()


@functools.cache
def lineage_tags(folder: Path) -> dict[str, str]:
    """Tags that name the code of a run: `fnmask.commit`, `fnmask.code`, and the two tags that MLflow's own pages show.

    Args:
        folder: any folder inside the work tree whose commit counts.

    Returns:
        Texts by tag name; MLflow's commit tag is left out when the commit is unknown.
    """
    revision = code_revision(folder)
    # The program's name only: its arguments may hold a database address with a password.
    tags = {
        "fnmask.commit": revision,
        "fnmask.code": code_digest()[:16],
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
    }
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
        # In a session of its own: Ctrl-C asks the sweep to stop, and would end git without an answer.
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=False, env=environment, start_new_session=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
