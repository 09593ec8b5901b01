"""Workers that are stopped, killed, or taken for dead, and those who come after them."""

import signal

import pytest
from made_up import COMPLETE, NUMBERS, TWO, Killed, Training, told
from optuna.trial import TrialState

from fnmask.sweep.recovery import requeue_lost
from fnmask.sweep.study import ATTEMPT, OUTCOME, RETRY_OF
from fnmask.tracking.mlflow_run import MlflowTracker
from fnmask.tracking.mlflow_store import MlflowStore


def test_a_preempted_trial_is_queued_again_and_run_by_the_next_call(begin_sweep, work):
    def learn(config, epoch):
        signal.raise_signal(signal.SIGTERM)
        return 8

    begun = begin_sweep(*NUMBERS)
    training = Training(learn)
    assert work(begun, training=training) == "interrupted"
    assert told(begun)[0] == ("FAIL", "interrupted", "interrupted", "KILLED")
    assert begun.study.trials[1].state == TrialState.WAITING
    again = begin_sweep(*NUMBERS)
    resumed = Training()
    assert work(again, training=resumed) == "finished"
    assert resumed.ran[0] == training.ran[0], "the same number"
    assert again.store.runs(again.parent_run_id)[1].tag("retry_of") == "0"
    assert again.study.trials[1].user_attrs[ATTEMPT] == 0, "which was not its fault"


def test_the_first_ctrl_c_lets_the_running_trial_finish(begin_sweep, work):
    def learn(config, epoch):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return 8

    begun = begin_sweep(*NUMBERS)
    assert work(begun, learn) == "interrupted"
    assert told(begun) == [COMPLETE]


def test_the_second_ctrl_c_cuts_it_short(begin_sweep, work):
    def learn(config, epoch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return 8

    begun = begin_sweep(*NUMBERS)
    assert work(begun, learn) == "interrupted"
    assert [row[1] for row in told(begun)] == ["interrupted", "queued"]


def test_the_trial_of_a_killed_worker_is_run_again(begin_sweep, work, die):
    def learn(config, epoch):
        raise Killed

    begun = begin_sweep(*TWO)
    die(begun, learn)
    assert told(begun) == [("RUNNING", "running", "running", "RUNNING")]
    begun = begin_sweep(*TWO)
    training = Training()
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.25, 0.5]
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]
    runs = begun.store.runs(begun.parent_run_id)
    assert [run.tag("retry_of") for run in runs] == ["", "0", ""]
    attributes = begun.study.trials[1].user_attrs
    assert (attributes[RETRY_OF], attributes[ATTEMPT]) == (0, 1)


def test_a_worker_that_is_killed_before_its_run_was_opened(begin_sweep, work, die, monkeypatch):
    def open_nothing(*given, **named):
        raise Killed

    begun = begin_sweep(*TWO)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "start_run", open_nothing)
        die(begun)
    assert work(begun) == "finished"
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", None, None), COMPLETE, COMPLETE]


@pytest.mark.parametrize("right", [4, 8], ids=["infeasible", "complete"])
def test_a_result_that_was_told_before_its_run_was_closed(begin_sweep, work, die, monkeypatch, right):
    def finish_nothing(*given, **named):
        raise Killed

    words = (*TWO, "study.constraints={val/recall/road: '>= 0.5'}")
    begun = begin_sweep(*words)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "finish", finish_nothing)
        die(begun, lambda config, epoch: right)
    outcome = "infeasible" if right == 4 else "complete"
    assert told(begun) == [("COMPLETE", outcome, "running", "RUNNING")]
    begun = begin_sweep(*words)
    training = Training()
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.5], "the first one has its result"
    begun.close("finished")
    assert told(begun) == [("COMPLETE", outcome, outcome, "FINISHED"), COMPLETE]


def test_a_worker_that_is_killed_between_the_word_and_the_result(begin_sweep, work, die):
    begun = begin_sweep(*TWO)
    tell = begun.study.tell

    def tell_nothing(*given, **named):
        raise Killed

    begun.study.tell = tell_nothing
    die(begun)
    begun.study.tell = tell
    assert begun.study.trials[0].user_attrs[OUTCOME] == "complete"
    assert work(begun) == "finished"
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]


def test_a_run_that_cannot_be_closed_now_is_closed_with_the_sweep(begin_sweep, work, monkeypatch, caplog):
    def finish_nothing(*given, **named):
        raise OSError("the server is away")

    begun = begin_sweep(*TWO)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "finish", finish_nothing)
        assert work(begun) == "finished"
    assert "The run of trial 0 could not be closed: OSError: the server is away" in caplog.text
    begun.close("finished")
    assert told(begun) == [COMPLETE] * 2


def test_a_worker_that_was_taken_for_dead_gives_its_result_up(begin_sweep, work):
    begun = begin_sweep(*TWO)
    interfered = []

    def learn(config, epoch):
        if not interfered:
            # What another machine does after nine missed heartbeats.
            interfered.append(begun.study.trials[0])
            begun.study.tell(0, state=TrialState.FAIL)
            requeue_lost(begun.study, interfered[0], 2)
        return 8

    assert work(begun, learn) == "finished"
    begun.close("finished")
    # Its settings have been run by whoever took the copy, here the same worker.
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]
