"""Optuna's own pages on a study of ours."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from fnmask.sweep.space_reader import read_space
from fnmask.sweep.storage import open_storage, quietly, storage_url
from fnmask.sweep.study import LABEL, open_study

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None, reason="the extra `dashboard` is not installed"
)


@contextmanager
def dashboard(storage):
    """A function that gets a page of the real program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = Path(sys.executable).with_name("optuna-dashboard")
    process = subprocess.Popen(
        [str(program), storage, "--port", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def get(path):
        deadline_s = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                    return answer.read()
            except urllib.error.HTTPError:
                raise
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline_s
                time.sleep(0.1)

    try:
        yield get
    finally:
        process.kill()
        process.wait()


def test_it_shows_objectives_settings_and_variants(tmp_path):
    url = storage_url(f"sqlite:///{tmp_path / 'optuna.db'}", tmp_path)
    storage = open_storage(url, heartbeat_s=1, on_stale=lambda *_: None)
    directions = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"}
    study = open_study(storage, name="road", directions=directions, fingerprint={})
    space = read_space({"loss.alpha": "choice(0.25,0.5)"}, when={}, class_names=tuple)
    with quietly():
        trial = study.ask()
    space.suggest(trial)
    trial.set_user_attr(LABEL, "soften_fn road")
    study.tell(trial, [1.5, -0.5])

    with dashboard(str(url)) as get:
        (summary,) = json.loads(get("/api/studies"))["study_summaries"]
        assert summary["study_name"] == "road"
        shown = json.loads(get(f"/api/studies/{summary['study_id']}"))
        assert b"<html" in get("/dashboard/")
    assert shown["objective_names"] == list(directions)
    (found,) = shown["trials"]
    assert found["values"] == [1.5, -0.5]
    assert [setting["name"] for setting in found["params"]] == ["loss.alpha"]
    assert {"key": "fnmask:variant", "value": "soften_fn road"} in found["user_attrs"]
