"""A sweep at one moment, counted by hand from made-up trials at a fixed time."""

from datetime import datetime, timedelta

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from fnmask.sweep.snapshot import Running, take_snapshot
from fnmask.sweep.study import CONTROL, EPOCH, LABEL, OUTCOME

NOW = datetime(2025, 6, 1, 12, 0, 0)
MIOU = {"val/miou": "maximize"}
TWO = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"}


def make(state, *, values=None, outcome=None, label="", epoch=None, began_s=None, took_s=None, number=0) -> FrozenTrial:
    """A trial that began some seconds before NOW."""
    attributes = {OUTCOME: outcome, LABEL: label, EPOCH: epoch}
    trial = create_trial(
        state=TrialState.COMPLETE,
        values=values or [0.0],
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0, 1)},
        user_attrs={key: value for key, value in attributes.items() if value},
    )
    trial.number, trial.state = number, state
    if values is None:
        trial.values = None
    trial.datetime_start = None if began_s is None else NOW - timedelta(seconds=began_s)
    if took_s is not None:
        trial.datetime_start, trial.datetime_complete = NOW - timedelta(seconds=took_s), NOW
    elif not state.is_finished():
        trial.datetime_complete = None
    return trial


def complete(*values, label="", outcome="complete", took_s=60.0):
    return make(TrialState.COMPLETE, values=list(values), outcome=outcome, label=label, took_s=took_s)


def running(number=0, *, epoch=None, began_s=10.0, label="a"):
    return make(TrialState.RUNNING, number=number, epoch=epoch, began_s=began_s, label=label)


def snap(*trials, n_trials=10, directions=MIOU):
    return take_snapshot(trials, n_trials=n_trials, directions=directions, now=NOW)


def test_counts():
    found = snap(
        complete(0.5),
        complete(0.9, outcome="infeasible"),
        make(TrialState.PRUNED, outcome="pruned", took_s=20),
        make(TrialState.FAIL, outcome="failed:crash", took_s=1),
        make(TrialState.FAIL, outcome="failed:nonfinite", took_s=1),
        # Of these two the worker could not say how they ended.
        make(TrialState.FAIL, took_s=1),
        make(TrialState.FAIL, outcome="complete", took_s=1),
        make(TrialState.FAIL, outcome="interrupted", took_s=1),
        running(8),
        make(TrialState.WAITING),
        make(TrialState.WAITING),
    )
    assert (found.done, found.queued, found.pruned, found.failed, found.lost) == (3, 2, 1, 2, 3)
    assert (found.n_trials, len(found.running), found.front, found.hypervolume) == (10, 1, 1, None)


def test_the_best_keeps_to_the_constraints():
    found = snap(complete(0.5, label="a"), complete(0.7, label="b"), complete(0.9, label="c", outcome="infeasible"))
    assert found.best == ("b", (0.7,))
    assert snap(complete(0.5, label="a"), complete(0.7, label="b"), directions={"val/loss": "minimize"}).best == (
        *("a", (0.5,)),
    )


def test_nothing_yet():
    found = snap()
    assert (found.best, found.front, found.hypervolume, found.left_s, found.running) == (None, 0, None, None, ())
    assert snap(directions=TWO).hypervolume is None


def test_of_two_objectives_the_best_is_that_of_the_first_and_the_front_has_a_volume():
    control = complete(0.0, 5.0)
    control.user_attrs[CONTROL] = "class_downweight"
    trials = [complete(4.0, 3.0, label="a"), complete(2.0, 1.0, label="b"), complete(1.0, 2.0), control]
    found = snap(*trials, directions=TWO)
    assert found.best == ("a", (4.0, 3.0))
    # The third is worse than the second, the fourth than all; the worst of a control is a gain of 0 and a cost of 5.
    assert found.front == 2
    # 4 x 2 up to a cost of 3, and 2 x 2 more down to 1.
    assert found.hypervolume == 12.0
    # A bad trial moves nothing; and without a control there is nothing to measure down to.
    assert snap(*trials, complete(-50.0, 90.0), directions=TWO).hypervolume == 12.0
    assert snap(*trials[:3], directions=TWO).hypervolume is None


def test_a_running_trial():
    found = snap(running(3, epoch=[4, 10, 0.25], began_s=90, label="soften_fn road"), running(5, label=""))
    assert found.running == (Running(3, "soften_fn road", 4, 10, 0.25, 90.0), Running(5, "", 0, 0, None, 10.0))


def test_a_clock_that_went_back_does_not_count_below_zero():
    assert snap(running(began_s=-5)).running[0].elapsed_s == 0.0


@pytest.mark.parametrize(
    ("trials", "n_trials", "left_s"),
    [
        # Four of 60 s are left, by nobody.
        ([complete(0.5, took_s=60)], 5, 240),
        # The median of 40, 60 and 200 s.
        ([complete(0.5, took_s=took) for took in (40, 60, 200)], 5, 120),
        # Two workers: of 3 times 60 s, 10 and 30 s are gone.
        ([complete(0.5, took_s=60), complete(0.5, took_s=60), running(2), running(3, began_s=30)], 5, (180 - 40) / 2),
        # One that takes longer than the others has as good as nothing left.
        ([complete(0.5, took_s=60), running(1, began_s=500)], 2, 0),
        # Nothing finished: from the epochs of the running one, 30 s for 3 of 10 epochs.
        ([running(0, epoch=[3, 10, 0.1], began_s=30)], 2, 2 * 100 - 30),
        # Pruned trials count, failed ones do not.
        ([make(TrialState.PRUNED, took_s=20), make(TrialState.FAIL, outcome="failed:crash", took_s=1)], 3, 40),
        ([complete(0.5), complete(0.5)], 2, 0),
        ([running(0)], 2, None),
        ([make(TrialState.WAITING)], 2, None),
    ],
)
def test_time_left(trials, n_trials, left_s):
    assert snap(*trials, n_trials=n_trials).left_s == left_s
