"""A sweep that begins or is joined: whose machine it is on, what reaches a control, and what is written once."""

import functools

import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from benchmarks.dummy import begin_dummy, compose, words_of
from fnmask.binding import ConfigError
from fnmask.sweep.begin import join
from fnmask.sweep.controls import localize
from fnmask.sweep.plan import make_plan
from fnmask.sweep.storage import PatientStorage, _waiting, quietly
from fnmask.sweep.study import MACHINE


@pytest.fixture
def words(tmp_path):
    return words_of(tmp_path, f"sqlite:///{tmp_path / 'mlruns' / 'optuna.db'}", 3, tracking="none")


def join_dummy(words):
    _, composer = compose(words)
    return join(make_plan(composer, words, with_options=False), composer)


ELSEWHERE = {"host": "elsewhere", "machine": "another kernel", "pid": 1, "started": "0"}


def test_a_worker_joins_on_the_machine_where_the_sweep_was_begun(words):
    begun = begin_dummy(words)
    assert join_dummy(words).rules == begun.rules


def test_a_worker_on_another_machine_is_refused_sqlite_and_told_what_to_use(words):
    begin_dummy(words).study.set_user_attr(MACHINE, ELSEWHERE)
    with pytest.raises(ConfigError, match="at work by process 1 on elsewhere, and SQLite is for one machine") as caught:
        join_dummy(words)
    assert "study.storage=postgresql+psycopg2://" in str(caught.value)


def test_a_sweep_that_is_at_work_elsewhere_is_refused(words):
    study = begin_dummy(words).study
    study.set_user_attr(MACHINE, ELSEWHERE)
    with quietly():
        trial = study.ask()
    trial.set_user_attr("fnmask:worker", ELSEWHERE)
    with pytest.raises(ConfigError, match="SQLite is for one machine"):
        begin_dummy(words)
    # Between two trials as well.
    study.tell(trial, 0.5)
    with pytest.raises(ConfigError, match="SQLite is for one machine"):
        begin_dummy(words)


def test_a_project_that_has_moved_is_taken_over(words):
    begin_dummy(words).study.set_user_attr(MACHINE, ELSEWHERE)
    begun = begin_dummy(words)
    assert begun.study.user_attrs[MACHINE]["host"] != "elsewhere"


def test_what_differs_on_a_machine_reaches_its_controls():
    written = ("root=/a", "dataset.root=/a/data", "trainer.epochs=3", "loss=plain")
    here = ("root=/a", "dataset.root=/a/data", "loss=soften_fn", "trainer.epochs=3", "dataset.root=/b/data", "root=/b")
    found = localize(written, here)
    assert [text for text in found if text.startswith("loss")] == ["loss=plain"]
    # Of a key that is given twice the last word wins.
    assert dict(text.split("=") for text in found) == {
        "root": "/b",
        "dataset.root": "/b/data",
        "trainer.epochs": "3",
        "loss": "plain",
    }


def test_a_trial_whose_queueing_was_not_answered_is_not_queued_again(words, monkeypatch):
    """The database took it and then went away: whoever waits and does it again would have it run twice."""
    begun = begin_dummy(words)
    take = RDBStorage._create_new_trial

    @functools.wraps(take)
    def take_and_leave(self, *given, **named):
        take(self, *given, **named)
        raise StorageInternalError("commit") from OperationalError("COMMIT", {}, Exception("gone"))

    monkeypatch.setattr(PatientStorage, "_create_new_trial", _waiting(take_and_leave))
    with pytest.raises(StorageInternalError):
        begun.study.enqueue_trial({"loss.alpha": 0.5})
    assert [trial.state for trial in begun.study.trials] == [TrialState.WAITING]
