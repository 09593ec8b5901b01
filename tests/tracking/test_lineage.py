"""Commit and versions."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from fnmask.tracking import lineage
from fnmask.tracking.lineage import code_digest, code_revision, lineage_params, lineage_tags


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


def test_the_source_counts_as_far_as_it_computes(tmp_path, monkeypatch):
    import fnmask

    for place in ("compare/page.py", "engine/step.py", "fit.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("a = 1")
    monkeypatch.setattr(fnmask, "__file__", str(tmp_path / "__init__.py"))

    def digest():
        code_digest.cache_clear()
        return code_digest()

    try:
        before = digest()
        (tmp_path / "compare" / "page.py").write_text("a = 2")
        assert digest() == before
        (tmp_path / "engine" / "step.py").write_text("a = 2")
        assert digest() != before
    finally:
        code_digest.cache_clear()


def test_ctrl_c_of_the_sweep_does_not_reach_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sends it to the whole group of processes."""
    (tmp_path / "git").write_text("#!/bin/sh\nps -o pgid= -p $$\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    told = lineage._git(tmp_path, "rev-parse")
    assert told is not None
    assert int(told) != os.getpgid(0)
