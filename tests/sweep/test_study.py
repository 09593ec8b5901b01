"""The study against a real SQLite storage: order, retries, resume, refusals."""

import subprocess
import sys

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.schema import StudyConfig
from fnmask.sweep.space import parse_space
from fnmask.sweep.study import (
    CONTROL,
    MATRIX,
    OUTCOME,
    OVERRIDES,
    REFERENCE,
    Control,
    StudyBusyError,
    ask_next,
    fail_lost_trials,
    failures_in_a_row,
    find_control_matrix,
    finished,
    only_process,
    open_study,
    outcome_of,
)

CONTROLS = (
    Control("plain", ("loss=plain", "seed=0"), "ref0"),
    Control("plain", ("loss=plain", "seed=1"), "ref1"),
    Control("class_downweight", ("loss=class_downweight", "seed=0"), "ref0"),
)
SPACE = parse_space({"seed": "choice(0,1)", "loss": "choice(a,b)"}, when={}, class_names=tuple)
GRID = tuple(SPACE.combinations())
FINGERPRINT = {"space": SPACE.describe(), "trainer.epochs": 3}


def config(**changes):
    settings = {
        "name": None,
        "n_trials": 9,
        "sampler": "tpe",
        "seed": 0,
        "directions": {"val/miou": "maximize"},
        "space": {},
        "when": {},
        "controls": {},
        "storage": None,
        "max_failures": 3,
        "dry_run": False,
    }
    return StudyConfig(**settings | changes)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database with its tables: making them takes longer than a test."""
    path = tmp_path_factory.mktemp("empty") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}")
    return path.read_bytes()


@pytest.fixture
def storage(tmp_path, empty_database):
    (tmp_path / "optuna.db").write_bytes(empty_database)
    return f"sqlite:///{tmp_path / 'optuna.db'}"


@pytest.fixture
def reopen(storage):
    """A function that opens the study as a new process would: nothing cached."""

    def open_again(*, fingerprint=FINGERPRINT, **changes):
        return open_study(config(**changes), name="study", storage=storage, fingerprint=fingerprint)

    return open_again


def run(study, trial, *, value=0.5, fail="", space=SPACE):
    """What the worker does with a trial, without the training. Returns what ran."""
    control = trial.user_attrs.get(CONTROL)
    what = tuple(trial.user_attrs[OVERRIDES]) if control else tuple(space.suggest(trial).items())
    trial.set_user_attr(OUTCOME, fail or "complete")
    if fail:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)
    return what


def drain(study, controls, grid, budget, tried=None):
    """Run trials to the end of the budget or of the grid; returns what ran, in order."""
    ran, tried = [], [] if tried is None else tried
    while len(finished(study)) < budget:
        trial = ask_next(study, controls, grid, tried)
        if trial is None:
            break
        ran.append(run(study, trial))
        tried.append(trial.params)
    return ran


def test_controls_come_first_then_every_grid_point_once(reopen):
    study = reopen(sampler="grid")
    ran = drain(study, CONTROLS, GRID, budget=99)
    assert ran[:3] == [control.overrides for control in CONTROLS]
    assert sorted(ran[3:]) == sorted(tuple(chosen.items()) for chosen in GRID)
    assert len(ran) == 3 + 4
    assert drain(reopen(sampler="grid"), CONTROLS, GRID, budget=99) == []


def test_a_failing_control_is_tried_again_before_anything_else(reopen):
    study = reopen()
    for _ in range(2):
        trial = ask_next(study, CONTROLS, None, [])
        assert run(study, trial, fail="failed:crash") == CONTROLS[0].overrides
    assert failures_in_a_row(study) == 2
    assert drain(study, CONTROLS, None, budget=4)[:3] == [control.overrides for control in CONTROLS]
    assert failures_in_a_row(study) == 0


def test_a_new_control_of_a_later_call_comes_next(reopen):
    study = reopen()
    drain(study, CONTROLS[:1], None, budget=3)
    trial = ask_next(study, CONTROLS, None, [])
    assert tuple(trial.user_attrs[OVERRIDES]) == CONTROLS[1].overrides


def test_budget_counts_finished_trials_alone(reopen):
    study = reopen()
    drain(study, CONTROLS, None, budget=4)
    run(study, ask_next(study, CONTROLS, None, []), fail="failed:nonfinite")
    assert len(finished(study)) == 4
    assert len(drain(reopen(), CONTROLS, None, budget=6)) == 2
    # A larger budget is no other study.
    assert len(drain(reopen(n_trials=20), CONTROLS, None, budget=8)) == 2


def test_a_grid_point_that_fails_is_left_for_the_next_call(reopen):
    study = reopen(sampler="grid")
    drain(study, CONTROLS, GRID, budget=3)
    tried = []
    trial = ask_next(study, CONTROLS, GRID, tried)
    failed = run(study, trial, fail="failed:crash")
    tried.append(trial.params)
    assert len(drain(study, CONTROLS, GRID, budget=99, tried=tried)) == 3
    assert drain(reopen(sampler="grid"), CONTROLS, GRID, budget=99) == [failed]


@pytest.mark.parametrize("begun", [0, 1, 4])
def test_a_killed_trial_is_lost_and_run_again(reopen, begun):
    study = reopen(sampler="grid")
    drain(study, CONTROLS, GRID, budget=begun)
    trial = ask_next(study, CONTROLS, GRID, [])
    if CONTROL not in trial.user_attrs:
        SPACE.suggest(trial)
    # The process ends here: nobody tells the study.
    study = reopen(sampler="grid")
    (left,) = [found for found in study.trials if found.state == TrialState.RUNNING]
    assert outcome_of(left) == "running"
    fail_lost_trials(study)
    assert study.trials[left.number].state == TrialState.FAIL
    assert outcome_of(study.trials[left.number]) == "lost"
    assert failures_in_a_row(study) == 0
    ran = drain(study, CONTROLS, GRID, budget=99)
    assert len(ran) == 7 - begun
    finished_points = [found.params for found in finished(study) if CONTROL not in found.user_attrs]
    assert sorted(map(str, finished_points)) == sorted(map(str, GRID))


def test_a_trial_that_was_enqueued_and_never_asked_for_is_run(reopen):
    study = reopen(sampler="grid")
    drain(study, CONTROLS, GRID, budget=3)
    study.enqueue_trial(dict(GRID[0]))
    ran = drain(reopen(sampler="grid"), CONTROLS, GRID, budget=99)
    assert sorted(ran) == sorted(tuple(chosen.items()) for chosen in GRID)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_resumed_sampler_goes_on_instead_of_starting_over(reopen, sampler):
    space = parse_space({"x": "interval(0,1)"}, when={}, class_names=tuple)
    proposed = []
    for _ in range(3):
        study = reopen(sampler=sampler)
        proposed += [run(study, ask_next(study, (), None, []), space=space) for _ in range(2)]
    assert len(set(proposed)) == 6


def test_the_same_seed_proposes_the_same(storage):
    space = parse_space({"x": "interval(0,1)"}, when={}, class_names=tuple)

    def propose(name, seed):
        study = open_study(config(seed=seed), name=name, storage=storage, fingerprint={})
        return [run(study, ask_next(study, (), None, []), space=space) for _ in range(3)]

    assert propose("a", 0) == propose("b", 0) != propose("c", 1)


def test_a_study_of_other_settings_is_refused_with_the_difference(reopen):
    drain(reopen(), CONTROLS, None, budget=2)
    other = {"space": {**FINGERPRINT["space"], "loss": "choice(a, c)"}, "seed": 3}
    with pytest.raises(ConfigError) as caught:
        reopen(fingerprint=other)
    was, now = FINGERPRINT["space"], other["space"]
    assert caught.value.faults == (
        "study.name: 'study' was begun with other settings:",
        "  seed: was 'absent', is 3",
        f"  space: was {was!r}, is {now!r}",
        "  trainer.epochs: was 3, is 'absent'",
        "Give study.name=ANOTHER to begin a new study, or the old settings to go on with 'study'.",
    )
    # Refusing left no trace: the old settings still fit.
    assert len(reopen().trials) == 2


def test_a_fingerprint_comes_back_from_the_database_as_it_went_in(reopen):
    odd = {"directions": {"b": "minimize", "a": "maximize"}, "sizes": (96, 96), "none": None, "rate": 1e-5}
    reopen(fingerprint=odd)
    reopen(fingerprint=odd)
    with pytest.raises(ConfigError, match="directions"):
        reopen(fingerprint={**odd, "directions": {"a": "maximize", "b": "minimize"}})


def test_several_directions_have_names(reopen):
    study = reopen(directions={"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"})
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["tradeoff/others_gain", "tradeoff/target_cost"]


def test_the_matrix_of_the_plain_control_of_the_same_reference(reopen):
    study = reopen()
    for control, matrix in zip(CONTROLS, ([[1, 0], [0, 1]], [[2, 0], [0, 2]], [[3, 0], [0, 3]]), strict=True):
        trial = ask_next(study, CONTROLS, None, [])
        trial.set_user_attr(MATRIX, np.array(matrix, np.int64).tolist())
        assert find_control_matrix(study, control.reference) != matrix, "not before it has finished"
        run(study, trial)
    study = reopen()
    assert find_control_matrix(study, "ref0") == [[1, 0], [0, 1]]
    assert find_control_matrix(study, "ref1") == [[2, 0], [0, 2]]
    assert find_control_matrix(study, "ref2") is None


def test_a_failed_control_has_no_matrix(reopen):
    study = reopen()
    trial = ask_next(study, CONTROLS, None, [])
    assert trial.user_attrs[REFERENCE] == "ref0"
    trial.set_user_attr(MATRIX, [[1]])
    run(study, trial, fail="failed:crash")
    assert find_control_matrix(study, "ref0") is None


def test_failures_in_a_row_leave_out_the_lost_and_the_interrupted(reopen):
    study = reopen()
    for outcome in ("failed:crash", "interrupted", "failed:nonfinite"):
        run(study, ask_next(study, (), None, []), fail=outcome)
    ask_next(study, (), None, [])
    fail_lost_trials(study)
    assert failures_in_a_row(study) == 2
    run(study, ask_next(study, (), None, []))
    assert failures_in_a_row(study) == 0


def test_outcomes_of_trials(reopen):
    study = reopen()
    study.enqueue_trial({"seed": 0})
    assert outcome_of(study.trials[0]) == "queued"
    run(study, study.ask(), fail="failed:memory")
    assert outcome_of(study.trials[0]) == "failed:memory"


def test_a_second_process_is_refused_while_the_first_holds_the_lock(tmp_path):
    lock = tmp_path / "mlruns" / ".study.lock"
    hold = (
        "import sys, pathlib; from fnmask.sweep.study import only_process\n"
        "with only_process(pathlib.Path(sys.argv[1]), 'study'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        refusal = rf"^study\.name: 'study' is being run by process {other.pid}\. Wait for it, or give study\.name="
        with pytest.raises(StudyBusyError, match=refusal), only_process(lock, "study"):
            pass
        with only_process(tmp_path / "mlruns" / ".another.lock", "another"):
            pass
        other.kill()
        other.wait()
    # The lock goes with the process that held it, however it ended.
    with only_process(lock, "study"):
        pass


def test_optuna_says_nothing_below_a_warning(reopen):
    reopen()
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
