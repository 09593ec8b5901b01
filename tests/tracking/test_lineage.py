"""Commit and versions."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from fnmask.tracking.lineage import code_revision, lineage_params, lineage_tags


def git(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_revision_is_the_commit(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert code_revision(repository) == commit
    (repository / "output.log").write_text("an untracked file does not count")
    assert code_revision(repository) == commit
    (repository / "a.txt").write_text("2")
    assert code_revision(repository) == f"{commit}-dirty"
    assert lineage_tags(repository)["mlflow.source.git.commit"] == commit


def test_revision_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert code_revision(tmp_path) == "unknown"
    assert "mlflow.source.git.commit" not in lineage_tags(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert code_revision(tmp_path) == "unknown"


def test_source_name_leaves_out_the_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/train.py", "study.storage=postgresql://me:secret@host/db"])
    assert lineage_tags(tmp_path)["mlflow.source.name"] == "train.py"


def test_versions() -> None:
    params = lineage_params()
    assert params["lineage.python"] == platform.python_version()
    assert params["lineage.mlflow"].startswith("3.")
    assert set(map(type, params.values())) == {str}
