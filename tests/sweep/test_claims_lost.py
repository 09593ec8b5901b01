"""What becomes of trials whose worker is gone, decided on a real SQLite storage."""

import sqlite3

import pytest
from claiming import ELSEWHERE, GRID, HERE, NUMBERS, claim, drain, end, rules, run
from optuna.trial import TrialState

from fnmask.sweep.claims import claim_trial, failures_in_a_row
from fnmask.sweep.recovery import is_queued_again, recover, requeue, requeue_lost
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import (
    ATTEMPT,
    CONTROL,
    HELD,
    OVERRIDES,
    REFERENCE,
    RETRY_OF,
    WORKER,
    finished,
    outcome_of,
)


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
