"""Studies whose trials are claimed without a worker, and ended without a training."""

from optuna.trial import TrialState

from fnmask.sweep.claims import Claimed, Rules, claim_trial
from fnmask.sweep.machine import this_process
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import (
    CONTROL,
    OUTCOME,
    OVERRIDES,
    STOP,
    WORKER,
    Control,
)

CONTROLS = (
    Control("plain", ("loss=plain", "seed=0"), "ref0", {"seed": 0}),
    Control("plain", ("loss=plain", "seed=1"), "ref1", {"seed": 1}),
    Control("class_downweight", ("loss=class_downweight", "seed=0"), "ref0", {"seed": 0}),
)
SPACE = read_space({"seed": "choice(0,1)", "loss": "choice(a,b)"}, when={}, class_names=tuple)
GRID = tuple(SPACE.combinations())
NUMBERS = read_space({"x": "interval(0,1)"}, when={}, class_names=tuple)

HERE = this_process()
# No process on this machine can be asked about it.
ELSEWHERE = {**HERE, "host": "far", "machine": "another"}


def rules(**changes):
    settings = {
        "n_trials": 99,
        "controls": (),
        "grid": None,
        "n_combinations": None,
        "max_failures": 3,
        "max_retries": 2,
        "session": 1,
    }
    return Rules(**settings | changes)


OF_GRID = rules(controls=CONTROLS, grid=GRID)


def claim(study, by=OF_GRID, *, worker=HERE, space=SPACE):
    """What the worker is given: a trial, or the verdict."""
    stopped = study.user_attrs.get(STOP) == by.session
    claimed = claim_trial(study, study.storage_for_tests, by, worker, space.suggest, stopped=stopped)
    return claimed.trial if isinstance(claimed, Claimed) else claimed


def end(study, trial, fail=""):
    """What the worker does with a trial, without the training. Returns what ran."""
    what = tuple(trial.user_attrs[OVERRIDES]) if CONTROL in trial.user_attrs else tuple(trial.params.items())
    trial.set_user_attr(OUTCOME, fail or "complete")
    study.tell(trial, None if fail else 0.5, state=TrialState.FAIL if fail else None)
    return what


def run(study, by=OF_GRID, *, fail="", space=SPACE):
    return end(study, claim(study, by, space=space), fail)


def drain(study, by=OF_GRID):
    """Run trials to the end; returns what ran, in order, and the verdict."""
    ran = []
    while not isinstance(trial := claim(study, by), str):
        ran.append(end(study, trial))
    return ran, trial


def with_storage(study, storage):
    study.storage_for_tests = storage
    return study


def kill(study, number, process):
    """As if the worker of the trial had been this process."""
    study._storage.set_trial_user_attr(study.trials[number]._trial_id, WORKER, {**process, "fnmask:session": 1})


def study_trial(study):
    """The trial that is being run, to be told of."""
    import optuna

    (running,) = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    return optuna.trial.Trial(study, running._trial_id)
