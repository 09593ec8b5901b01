"""Which trial comes next, decided on a real SQLite storage: order, retries, resume, and when a sweep is over."""

import sqlite3
from dataclasses import replace

import pytest
from optuna.trial import TrialState

from fnmask.sweep.claims import Claimed, Rules, claim_trial, combination_key, failures_in_a_row, judge, tried
from fnmask.sweep.machine import this_process
from fnmask.sweep.recovery import is_queued_again, recover, requeue, requeue_lost
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import (
    ATTEMPT,
    BUDGET,
    CONTROL,
    HELD,
    OUTCOME,
    OVERRIDES,
    REFERENCE,
    RETRY_OF,
    STOP,
    WORKER,
    Control,
    begin_session,
    finished,
    outcome_of,
    stop_session,
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


@pytest.fixture
def study(reopen):
    return with_storage(*reopen())


@pytest.fixture
def again(reopen):
    """A function that opens the study as a new process would."""
    return lambda: with_storage(*reopen())


def with_storage(study, storage):
    study.storage_for_tests = storage
    return study


def kill(study, number, process):
    """As if the worker of the trial had been this process."""
    study._storage.set_trial_user_attr(study.trials[number]._trial_id, WORKER, {**process, "fnmask:session": 1})


def test_controls_come_first_then_every_grid_point_once(study, again):
    ran, verdict = drain(study)
    assert ran[:3] == [control.overrides for control in CONTROLS]
    assert sorted(ran[3:]) == sorted(tuple(chosen.items()) for chosen in GRID)
    # The budget of the rules is larger, but there is no more to run.
    assert (len(ran), verdict) == (3 + 4, "incomplete")
    assert drain(again()) == ([], "incomplete")
    assert drain(again(), replace(OF_GRID, n_trials=7)) == ([], "finished")


def test_a_control_is_given_its_own_values(study):
    claimed = claim_trial(study, study.storage_for_tests, OF_GRID, HERE, SPACE.suggest)
    assert claimed.chosen == {"seed": 0}
    attributes = claimed.trial.user_attrs
    assert (attributes[CONTROL], attributes[REFERENCE]) == ("plain", "ref0")
    assert attributes[WORKER] == {**HERE, "fnmask:session": 1}


def test_workers_beside_each_other_share_controls_and_grid(study):
    trials = [claim(study) for _ in range(7)]
    assert [trial.user_attrs.get(CONTROL) for trial in trials] == ["plain", "plain", "class_downweight", *[None] * 4]
    assert len({combination_key(trial.params) for trial in trials[3:]}) == 4
    assert claim(study) == "wait", "one of the seven may yet be lost"
    for trial in trials:
        end(study, trial)
    assert claim(study) == "incomplete"


def test_a_failing_control_is_tried_again_before_anything_else(study):
    for _ in range(2):
        assert run(study, fail="failed:crash") == CONTROLS[0].overrides
    assert failures_in_a_row(study.trials, OF_GRID) == 2
    assert [run(study) for _ in range(3)] == [control.overrides for control in CONTROLS]
    assert failures_in_a_row(study.trials, OF_GRID) == 0


def test_a_new_control_of_a_later_call_comes_next(study):
    begun = rules(controls=CONTROLS[:1])
    for _ in range(3):
        run(study, begun)
    assert run(study, replace(begun, controls=CONTROLS)) == CONTROLS[1].overrides


def test_budget_counts_finished_trials_alone(study, again):
    four = rules(n_trials=4)
    for _ in range(3):
        run(study, four)
    run(study, four, fail="failed:nonfinite")
    assert claim(study, four) != "finished"
    end(study, study_trial(study))
    assert (len(finished(study)), claim(study, four)) == (4, "finished")
    # A larger budget is no other study.
    ran, verdict = drain(again(), rules(n_trials=6))
    assert (len(ran), verdict) == (2, "finished")


def study_trial(study):
    """The trial that is being run, to be told of."""
    import optuna

    (running,) = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    return optuna.trial.Trial(study, running._trial_id)


def test_running_trials_count_as_well_until_they_fail(study):
    two = rules(n_trials=2)
    first, second = claim(study, two), claim(study, two)
    assert claim(study, two) == "wait"
    end(study, first)
    assert claim(study, two) == "wait"
    end(study, second, fail="failed:crash")
    end(study, claim(study, two))
    assert claim(study, two) == "finished"


def test_a_pruned_trial_counts(study):
    trial = claim(study, rules())
    study.tell(trial, state=TrialState.PRUNED)
    assert claim(study, rules(n_trials=1)) == "finished"


def test_a_stopped_session_begins_nothing(study):
    begin_session(study, {BUDGET: 9})
    stop_session(study, 1)
    assert claim(study) == "interrupted"
    # What was already finished is finished, and another call goes on.
    assert judge(study.trials, rules(n_trials=0, controls=()), stopped=True) == "finished"
    assert run(study, replace(OF_GRID, session=2)) == CONTROLS[0].overrides


def test_too_many_failures_in_a_row_stop_the_sweep_until_the_next_call(study, again):
    by = rules(max_failures=2)
    run(study, by, fail="failed:crash")
    run(study, by)
    run(study, by, fail="failed:memory")
    assert judge(study.trials, by) is None
    run(study, by, fail="failed:timeout")
    assert claim(study, by) == "stopped"
    study, by = again(), replace(by, session=2)
    assert failures_in_a_row(study.trials, by) == 0
    run(study, by)


def test_failures_in_a_row_leave_out_the_lost_and_the_interrupted(study, dead_process):
    for outcome in ("failed:crash", "interrupted", "failed:nonfinite"):
        run(study, rules(), fail=outcome)
    claim(study, rules(), worker=dead_process)
    assert recover(study, 2) == 1
    assert failures_in_a_row(study.trials, rules()) == 2
    run(study, rules())
    assert failures_in_a_row(study.trials, rules()) == 0


def test_a_trial_that_is_lost_with_every_worker_has_failed(study, dead_process):
    by = rules(max_failures=1, max_retries=2)
    for attempt in range(3):
        assert failures_in_a_row(study.trials, by) == 0
        assert claim(study, by, worker=dead_process).user_attrs.get(ATTEMPT, 0) == attempt
        assert recover(study, by.max_retries) == 1
    assert failures_in_a_row(study.trials, by) == 1
    assert claim(study, by) == "stopped"


def test_a_grid_point_that_fails_is_left_for_the_next_call_and_comes_last_there(study, again):
    for _ in range(3):
        run(study)
    failed = run(study, fail="failed:crash")
    run(study)
    rest = [tuple(chosen.items()) for chosen in GRID[2:]]
    assert failed == tuple(GRID[0].items())
    study, later = again(), replace(OF_GRID, session=2)
    assert drain(study, later) == ([*rest, failed], "incomplete")


def test_a_grid_of_failures_is_incomplete_once_the_last_one_has_ended(study):
    by = rules(grid=GRID[:2], max_failures=9)
    first, second = claim(study, by), claim(study, by)
    end(study, first, fail="failed:crash")
    assert claim(study, by) == "wait"
    end(study, second, fail="failed:crash")
    assert claim(study, by) == "incomplete"
    assert judge(study.trials, replace(by, session=2)) is None


def test_a_space_of_choices_that_has_all_been_tried_is_incomplete(study):
    by = rules(n_combinations=2, controls=CONTROLS[:1])
    space = read_space({"loss": "choice(a,b)"}, when={}, class_names=tuple)
    assert end(study, claim(study, by, space=space)) == CONTROLS[0].overrides
    study.enqueue_trial({"loss": "a"})
    run(study, by, space=space)
    assert judge(study.trials, by) is None
    study.enqueue_trial({"loss": "b"})
    trial = claim(study, by, space=space)
    assert judge(study.trials, by) == "wait"
    end(study, trial)
    assert judge(study.trials, by) == "incomplete"


@pytest.mark.parametrize("begun", [0, 1, 4])
def test_a_killed_trial_is_lost_and_run_again(study, again, dead_process, begun):
    for _ in range(begun):
        run(study)
    trial = claim(study, worker=dead_process)
    # The process ends here: nobody tells the study.
    study = again()
    assert outcome_of(study.trials[trial.number]) == "running"
    ran, _ = drain(study)
    lost = study.trials[trial.number]
    assert (lost.state, outcome_of(lost)) == (TrialState.FAIL, "lost")
    assert len(ran) == 7 - begun
    assert study.trials[trial.number + 1].user_attrs[RETRY_OF] == trial.number
    points = [found.params for found in finished(study) if CONTROL not in found.user_attrs]
    assert sorted(map(str, points)) == sorted(map(str, GRID))


def test_what_is_run_again_keeps_what_it_is_and_nothing_of_what_it_found(study, dead_process):
    trial = claim(study, worker=dead_process)
    trial.set_user_attr("fnmask:run_id", "r")
    recover(study, 2)
    copy = claim(study)
    assert {key: copy.user_attrs[key] for key in (CONTROL, OVERRIDES, REFERENCE, HELD, RETRY_OF, ATTEMPT)} == {
        CONTROL: "plain",
        OVERRIDES: ["loss=plain", "seed=0"],
        REFERENCE: "ref0",
        HELD: {"seed": 0},
        RETRY_OF: 0,
        ATTEMPT: 1,
    }
    assert "fnmask:run_id" not in copy.user_attrs


def test_numbers_of_a_lost_trial_are_tried_again_and_no_oftener_than_allowed(study, dead_process):
    proposed = []
    for _ in range(3):
        proposed.append(claim(study, rules(), worker=dead_process, space=NUMBERS).params)
        recover(study, 1)
    assert proposed[0] == proposed[1] != proposed[2]
    assert [trial.user_attrs.get(ATTEMPT, 0) for trial in study.trials[:3]] == [0, 1, 0]


def test_a_retry_is_of_the_first_one(study, dead_process):
    for number in (0, 1):
        assert claim(study, rules(), worker=dead_process).number == number
        recover(study, 2)
    assert [trial.user_attrs.get(RETRY_OF) for trial in study.trials] == [None, 0, 0]
    assert is_queued_again(study.trials, 0)
    assert is_queued_again(study.trials, 1)
    assert not is_queued_again(study.trials, 2)


def test_a_trial_of_a_living_process_is_left_alone(study):
    claim(study, rules())
    assert recover(study, 2) == 0
    assert study.trials[0].state == TrialState.RUNNING


def test_a_trial_whose_worker_told_and_left_while_it_was_looked_for(study, monkeypatch):
    trial = claim(study, rules())

    def tell_and_leave(process):
        end(study, trial)
        return True

    monkeypatch.setattr("fnmask.sweep.recovery.is_dead", tell_and_leave)
    assert recover(study, 2) == 0
    assert [outcome_of(found) for found in study.trials] == ["complete"]


def test_a_trial_that_no_worker_has_marked_was_never_begun(study):
    """Whoever sees it holds the lock that its process held when it was killed."""

    def killed(trial):
        trial.suggest_categorical("seed", [0, 1])
        raise SystemExit

    with pytest.raises(SystemExit):
        claim_trial(study, study.storage_for_tests, rules(), HERE, killed)
    begun = study.trials[0]
    assert (begun.state, WORKER in begun.user_attrs) == (TrialState.RUNNING, False)
    assert recover(study, 2) == 1
    assert claim(study, rules()).params["seed"] == begun.params["seed"]
    assert failures_in_a_row(study.trials, rules()) == 0


def test_one_that_was_given_no_value_yet_leaves_nothing_to_run_again(study):
    with quietly():
        study.ask()
    assert recover(study, 2) == 1
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


def test_of_a_process_on_another_machine_only_its_silence_tells(study, database):
    trial = claim(study, rules(), worker=ELSEWHERE)
    assert recover(study, 2) == 0
    # Nine heartbeats of 10 s are missed.
    with sqlite3.connect(database) as connection:
        connection.execute("update trial_heartbeats set heartbeat = datetime(heartbeat, '-89 seconds')")
    assert recover(study, 2) == 0
    with sqlite3.connect(database) as connection:
        connection.execute("update trial_heartbeats set heartbeat = datetime(heartbeat, '-10 seconds')")
    connection.close()
    recover(study, 2)
    lost, copy = study.trials
    assert (lost.number, outcome_of(lost), copy.state) == (trial.number, "lost", TrialState.WAITING)
    assert claim(study, rules()).params == trial.params
    recover(study, 2)
    assert len(study.trials) == 2, "queued once"


def test_a_trial_that_was_enqueued_and_never_asked_for_is_run(study, again):
    for _ in range(3):
        run(study)
    study.enqueue_trial(dict(GRID[0]))
    ran, _ = drain(again())
    assert sorted(ran) == sorted(tuple(chosen.items()) for chosen in GRID)


def test_an_interrupted_trial_is_run_again_whatever_its_attempt(study):
    trial = claim(study, rules())
    end(study, trial, fail="interrupted")
    requeue(study, study.trials[0], attempt=0)
    copy = claim(study, rules())
    assert (copy.params, copy.user_attrs[ATTEMPT]) == (trial.params, 0)


def test_no_retries_allowed(study, dead_process):
    claim(study, rules(), worker=dead_process)
    recover(study, 0)
    assert len(study.trials) == 1
    requeue_lost(study, study.trials[0], 0)
    assert len(study.trials) == 1
    assert failures_in_a_row(study.trials, rules(max_retries=0)) == 1


def test_what_has_been_tried(study, dead_process):
    by = rules(grid=GRID, max_failures=9)
    run(study, by)
    run(study, by, fail="failed:crash")
    run(study, by, fail="interrupted")
    keys = [combination_key(chosen) for chosen in GRID]
    # An interrupted one has to be run again.
    assert tried(study.trials, 1, 2) == {keys[0], keys[1]}
    assert tried(study.trials, 2, 2) == {keys[0]}
    study.enqueue_trial(dict(GRID[3]))
    assert tried(study.trials, 2, 2) == {keys[0], keys[3]}


def test_equal_numbers_of_other_types_are_other_combinations():
    assert len({combination_key({"a": value}) for value in (1, 1.0, True, "1", None)}) == 5
    assert combination_key({"a": 1, "b": 2}) == combination_key({"b": 2, "a": 1})


def test_of_equal_trials_those_come_first_whose_steps_are_compiled(study):
    def take(is_warm):
        claimed = claim_trial(study, study.storage_for_tests, OF_GRID, HERE, SPACE.suggest, is_warm=is_warm)
        end(study, claimed.trial)
        return claimed.chosen

    controls = [take(lambda chosen: chosen == {"seed": 1}) for _ in CONTROLS]
    assert controls == [{"seed": 0}, {"seed": 1}, {"seed": 0}], "one that is missing is queued by itself"
    order = [take(lambda chosen: chosen["loss"] == "b") for _ in GRID]
    assert [chosen["loss"] for chosen in order] == ["b", "b", "a", "a"]
    assert sorted(map(str, order)) == sorted(map(str, GRID))


def test_what_is_queued_again_waits_for_a_worker_that_has_its_steps(study):
    by = rules(grid=None)
    for seed, loss in ((0, "a"), (0, "b"), (1, "a")):
        study.enqueue_trial({"seed": seed, "loss": loss})
    taken = [
        claim_trial(study, study.storage_for_tests, by, HERE, SPACE.suggest, is_warm=lambda c: c["loss"] == "b")
        for _ in range(3)
    ]
    assert [of.chosen["loss"] for of in taken] == ["b", "a", "a"]
