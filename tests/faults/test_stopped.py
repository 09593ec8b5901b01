"""Ctrl-C and SIGTERM: what was begun is finished or queued again."""

import signal
from collections import Counter

import pytest
from sweeping import BUDGET, JOBLIB, QUICKSTART, Running, check_books, load_trials, run_sweep, sqlite, train_command

from fnmask.sweep.study import RETRY_OF, outcome_of

pytestmark = pytest.mark.slow


def outcomes(root):
    return Counter(outcome_of(trial) for trial in load_trials("quickstart", sqlite(root)))


def begin(root, *words):
    """A sweep in the middle of its second trial."""
    sweep = Running(train_command(root, *QUICKSTART, *words), root)
    sweep.wait_for("[complete]")
    sweep.wait_for("epoch", times=sweep.text.count("epoch") + 1)
    return sweep


def finish(root, *words):
    code, text = run_sweep(root, *QUICKSTART, *words)
    assert code == 0, text
    return check_books(root, "quickstart", sqlite(root), budget=BUDGET)


def test_the_first_ctrl_c_finishes_the_running_trial(tmp_path):
    sweep = begin(tmp_path)
    sweep.press_ctrl_c()
    assert sweep.end() == 130, sweep.text
    assert "The running trial will be finished. Press Ctrl-C again" in sweep.text
    assert set(outcomes(tmp_path)) == {"complete"}, sweep.text
    assert set(finish(tmp_path)) == {"complete"}


def test_the_second_ctrl_c_stops_at_once_and_queues_the_trial(tmp_path):
    sweep = begin(tmp_path)
    sweep.press_ctrl_c()
    sweep.wait_for("Press Ctrl-C again")
    sweep.press_ctrl_c()
    assert sweep.end() == 130, sweep.text
    left = outcomes(tmp_path)
    assert left["interrupted"] == 1
    assert left["queued"] == 1
    finished = finish(tmp_path)
    assert finished["interrupted"] == 1
    retried = [trial for trial in load_trials("quickstart", sqlite(tmp_path)) if RETRY_OF in trial.user_attrs]
    assert [outcome_of(trial) for trial in retried] == ["complete"]


def test_sigterm_queues_the_trial(tmp_path):
    sweep = begin(tmp_path)
    sweep.send(signal.SIGTERM)
    assert sweep.end() == 130, sweep.text
    assert outcomes(tmp_path)["queued"] == 1
    finish(tmp_path)


def test_ctrl_c_finishes_the_running_trials_of_every_worker(tmp_path):
    sweep = begin(tmp_path, *JOBLIB)
    sweep.press_ctrl_c()
    assert sweep.end() == 130, sweep.text
    assert set(outcomes(tmp_path)) == {"complete"}, sweep.text
    assert set(finish(tmp_path)) == {"complete"}


def test_a_second_ctrl_c_stops_every_worker(tmp_path):
    sweep = begin(tmp_path, *JOBLIB)
    sweep.press_ctrl_c()
    sweep.wait_for("Press Ctrl-C again")
    sweep.press_ctrl_c()
    assert sweep.end() == 130, sweep.text
    assert not outcomes(tmp_path)["running"]
    finish(tmp_path, *JOBLIB)
