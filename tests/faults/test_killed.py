"""kill -9 of workers and sweepers in the middle of an epoch; afterwards every trial counts once."""

import os
import signal
import time
from pathlib import Path

import pytest
from sweeping import BUDGET, JOBLIB, QUICKSTART, Running, check_books, run_sweep, sqlite, train_command

pytestmark = pytest.mark.slow


def is_alive(pid):
    """Whether the process runs; where nobody collects a dead one, its entry stays, without a command."""
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and bool(command.read_bytes())


def test_of_a_worker(tmp_path):
    sweep = Running(train_command(tmp_path, *QUICKSTART, *JOBLIB), tmp_path)
    sweep.wait_for("[complete]")
    sweep.wait_for("epoch", times=sweep.text.count("epoch") + 1)
    os.kill(sweep.children()[-1], signal.SIGKILL)
    assert sweep.end() == 0, sweep.text
    assert "A worker died" in sweep.text
    outcomes = check_books(tmp_path, "quickstart", sqlite(tmp_path), budget=BUDGET)
    assert outcomes["lost"] >= 1


def test_of_the_sweeper_whose_workers_go_on(tmp_path, database):
    sweep = Running(train_command(tmp_path, *QUICKSTART, *JOBLIB, storage=database), tmp_path)
    sweep.wait_for("[complete]")
    workers = sweep.children()
    sweep.send(signal.SIGKILL)
    sweep.process.wait()
    assert workers
    # A second call finds them at work, and works beside them.
    code, text = run_sweep(tmp_path, *QUICKSTART, storage=database)
    assert code == 0, text
    check_books(tmp_path, "quickstart", database, budget=BUDGET)
    # Nobody waits for their results, and they must not wait to be asked.
    deadline_s = time.monotonic() + 60
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def test_of_both(tmp_path, database):
    sweep = Running(train_command(tmp_path, *QUICKSTART, *JOBLIB, storage=database), tmp_path)
    sweep.wait_for("[complete]", times=2)
    sweep.wait_for("epoch", times=sweep.text.count("epoch") + 1)
    sweep.kill_all()
    code, text = run_sweep(tmp_path, *QUICKSTART, *JOBLIB, storage=database)
    assert code == 0, text
    assert "trials were finished by an earlier call." in text
    outcomes = check_books(tmp_path, "quickstart", database, budget=BUDGET)
    assert outcomes["lost"] >= 1


def test_two_sweeps_of_one_study_at_once(tmp_path):
    sweeps = [Running(train_command(tmp_path, *QUICKSTART), tmp_path) for _ in range(2)]
    codes = [sweep.end() for sweep in sweeps]
    assert sorted(codes) == [0, 2], [sweep.text for sweep in sweeps]
    refused = sweeps[codes.index(2)].text
    assert f"study.name: 'quickstart' is being run by process {sweeps[codes.index(0)].process.pid} on " in refused
    assert "fnmask worker --study quickstart" in refused
    check_books(tmp_path, "quickstart", sqlite(tmp_path), budget=BUDGET)
