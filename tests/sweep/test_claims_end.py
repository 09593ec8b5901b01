"""When a sweep is over, decided on a real SQLite storage: budget, failures, what has all been tried."""

from dataclasses import replace

from claiming import CONTROLS, GRID, OF_GRID, claim, drain, end, rules, run, study_trial
from optuna.trial import TrialState

from fnmask.sweep.claims import failures_in_a_row, judge
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import (
    BUDGET,
    begin_session,
    finished,
    stop_session,
)


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
