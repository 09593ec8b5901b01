"""Which trial comes next, decided on a real SQLite storage: controls, grid, queue, warmth."""

from dataclasses import replace

from claiming import CONTROLS, GRID, HERE, OF_GRID, SPACE, claim, drain, end, rules, run

from fnmask.sweep.claims import claim_trial, combination_key, failures_in_a_row, tried
from fnmask.sweep.study import (
    CONTROL,
    REFERENCE,
    WORKER,
)


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


def test_a_grid_point_that_fails_is_left_for_the_next_call_and_comes_last_there(study, again):
    for _ in range(3):
        run(study)
    failed = run(study, fail="failed:crash")
    run(study)
    rest = [tuple(chosen.items()) for chosen in GRID[2:]]
    assert failed == tuple(GRID[0].items())
    study, later = again(), replace(OF_GRID, session=2)
    assert drain(study, later) == ([*rest, failed], "incomplete")


def test_a_trial_that_was_enqueued_and_never_asked_for_is_run(study, again):
    for _ in range(3):
        run(study)
    study.enqueue_trial(dict(GRID[0]))
    ran, _ = drain(again())
    assert sorted(ran) == sorted(tuple(chosen.items()) for chosen in GRID)


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
