"""Databases, servers and disks that go away while trials run. The trials train nothing; all else is real."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from sweeping import CHECKOUT, Running, check_books, environment, load_trials, sqlite

from fnmask.sweep.study import outcome_of

pytestmark = pytest.mark.slow

DUMMY = Path(__file__).parent / "dummy_workers.py"


def start_dummy(root, storage, n_trials, *, n_workers=2, epoch_s=0.1, **changes):
    """Workers of a sweep whose trials sleep, forked from one process that ends when they all have."""
    command = [sys.executable, str(DUMMY), str(root), storage, str(n_trials), str(n_workers), str(epoch_s)]
    return Running(command, root, **changes)


def wait_for_trials(storage, number, sweep):
    deadline_s = time.monotonic() + 120
    while True:
        try:
            done = sum(trial.state.is_finished() for trial in load_trials("dummy", storage))
        except (KeyError, SQLAlchemyError):  # not begun yet
            done = 0
        if done >= number:
            return
        assert sweep.process.poll() is None, sweep.text
        assert time.monotonic() < deadline_s, sweep.text
        time.sleep(0.2)


def test_postgres_is_restarted_under_load(tmp_path, server, database):
    sweep = start_dummy(tmp_path, database, 60, n_workers=4)
    for number, mode in ((6, "fast"), (20, "immediate"), (35, "fast")):
        wait_for_trials(database, number, sweep)
        server.restart(mode)
    assert sweep.end() == 0, sweep.text
    check_books(tmp_path, "dummy", database, budget=60)


@contextmanager
def tracking_server(root, port):
    """A real MLflow server."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--backend-store-uri",
        f"sqlite:///{root / 'served.db'}",
        "--artifacts-destination",
        str(root / "served"),
    ]
    with (root / "server.log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1"], stdout=log, stderr=log, env=environment(), cwd=root, start_new_session=True
        )
        try:
            deadline_s = time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                    break
                except OSError:
                    assert time.monotonic() < deadline_s, (root / "server.log").read_text()
                    time.sleep(0.3)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_the_mlflow_server_is_away_for_half_a_minute(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    with tracking_server(tmp_path, port):
        sweep = start_dummy(tmp_path, sqlite(tmp_path), 16, MLFLOW_TRACKING_URI=uri)
        wait_for_trials(sqlite(tmp_path), 4, sweep)
    time.sleep(30)
    assert sweep.process.poll() is None, sweep.text
    with tracking_server(tmp_path, port):
        assert sweep.end() == 0, sweep.text
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        outcomes = check_books(tmp_path, "dummy", sqlite(tmp_path), budget=16)
    # Nothing failed: whoever had something to write waited.
    assert set(outcomes) == {"complete"}


def test_the_disk_is_full_while_an_artifact_is_written(tmp_path):
    # The files of runs lie on a small disk of their own; the databases do not.
    disk = tmp_path / "mlruns" / "fnmask"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(160 * 1024))
        sweep = start_dummy(tmp_path, sqlite(tmp_path), 30, n_workers=1, epoch_s=0.0)
        assert sweep.end() == 3, sweep.text
        left = Counter(outcome_of(trial) for trial in load_trials("dummy", sqlite(tmp_path)))
        assert left["complete"] > 0
        assert left["failed:crash"] == 3
        reasons = {trial.user_attrs.get("fnmask:reason", "") for trial in load_trials("dummy", sqlite(tmp_path))}
        assert any("No space left on device" in reason for reason in reasons)
        ballast.unlink()
        again = start_dummy(tmp_path, sqlite(tmp_path), 30, n_workers=1, epoch_s=0.0)
        assert again.end() == 0, again.text
        assert check_books(tmp_path, "dummy", sqlite(tmp_path), budget=30)["failed:crash"] == 3
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_two_hundred_workers_are_killed_at_random(storage, tmp_path, request):
    url = sqlite(tmp_path) if storage == "sqlite" else request.getfixturevalue("database")
    n_trials, n_kills = (1000, 200) if storage == "sqlite" else (250, 50)
    script = str(Path(__file__).parent / "kill_points.py")
    command = [sys.executable, script, str(tmp_path), url, str(n_trials), str(n_kills), "0"]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=1500, check=False, env=environment(), cwd=CHECKOUT
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    left = json.loads(ended.stdout)
    assert left["kills"] == n_kills
    outcomes = check_books(tmp_path, "dummy", url, budget=n_trials)
    assert outcomes["lost"] > 0
    # What the study has taken it keeps.
    complete = {number for number, outcome, *_ in left["trials"] if outcome == "complete"}
    assert set(left["ledger"]) <= complete
    assert len(left["ledger"]) == len(set(left["ledger"]))
