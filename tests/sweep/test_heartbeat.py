"""Signs of life of a running trial."""

import sqlite3
import threading

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from fnmask.sweep.heartbeat import Heartbeat
from fnmask.sweep.storage import quietly


class Counting:
    """A storage that counts signs of life, and says when there were enough of them."""

    def __init__(self, *, enough=3, error=None):
        self.trials, self.enough, self.error, self.done = [], enough, error, threading.Event()

    def record_heartbeat(self, trial_id):
        self.trials.append(trial_id)
        if len(self.trials) >= self.enough:
            self.done.set()
        if self.error is not None:
            raise self.error


def test_signs_are_given_while_the_block_runs_and_not_after():
    storage = Counting()
    with Heartbeat(storage, 7, 0.01):
        assert storage.done.wait(60)
    given = len(storage.trials)
    assert set(storage.trials) == {7}
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert len(storage.trials) == given


def test_the_first_one_is_not_given_at_once():
    """The claim has given one already."""
    storage = Counting()
    with Heartbeat(storage, 7, 60):
        pass
    assert storage.trials == []


@pytest.mark.parametrize(
    "error",
    [
        optuna.exceptions.StorageInternalError("away"),
        OperationalError("update", {}, sqlite3.OperationalError("locked")),
    ],
)
def test_a_storage_that_is_away_for_a_while_ends_nothing(error):
    storage = Counting(error=error)
    with Heartbeat(storage, 7, 0.01):
        assert storage.done.wait(60)


def test_what_the_trial_raises_passes_through():
    with pytest.raises(ZeroDivisionError), Heartbeat(Counting(), 7, 0.01):
        raise ZeroDivisionError


def test_a_real_storage_sees_a_later_sign(reopen, database):
    study, storage = reopen()
    with quietly():
        trial = study.ask()
    storage.record_heartbeat(trial._trial_id)
    with sqlite3.connect(database) as connection:
        connection.execute("update trial_heartbeats set heartbeat = datetime('now', '-1 day')")
    assert storage._get_stale_trial_ids(study._study_id) == [trial._trial_id]
    with Heartbeat(storage, trial._trial_id, 0.01):
        while storage._get_stale_trial_ids(study._study_id):
            connection.execute("select 1")
    connection.close()
    assert storage._get_stale_trial_ids(study._study_id) == []
