"""The study against a real SQLite storage: never mistaken for another, and what it remembers."""

import numpy as np
import pytest
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import (
    ARGUMENTS,
    BUDGET,
    CONTROL,
    CONTROLS,
    MATRICES,
    OUTCOME,
    PARENT_RUN_ID,
    REFERENCE,
    SESSION,
    STOP,
    Control,
    begin_session,
    find_control_matrices,
    finished,
    outcome_of,
    settle_controls,
    settled_controls,
    stop_session,
    written_controls,
)

CONTROLS_OF_TWO_SEEDS = (
    Control("plain", ("loss=plain", "seed=0"), "ref0", {"seed": 0}),
    Control("plain", ("loss=plain", "seed=1"), "ref1", {"seed": 1}),
)
SPACE = read_space({"seed": "choice(0,1)", "loss": "choice(a,b)"}, when={}, class_names=tuple)
FINGERPRINT = {"space": SPACE.describe(), "trainer.epochs": 3}


def ask(study):
    with quietly():
        return study.ask()


def end(study, *, value=0.5, state=None, **attributes):
    """One trial, with these attributes, told that it ended."""
    trial = ask(study)
    for key, given in attributes.items():
        trial.set_user_attr(key, given)
    study.tell(trial, value if state is None else None, state=state)
    return study.trials[trial.number]


def test_a_study_of_other_settings_is_refused_with_the_difference(reopen):
    study, _ = reopen(fingerprint=FINGERPRINT)
    end(study)
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
    study, _ = reopen(fingerprint=FINGERPRINT)
    assert len(study.trials) == 1


def test_a_fingerprint_comes_back_from_the_database_as_it_went_in(reopen):
    odd = {"directions": {"b": "minimize", "a": "maximize"}, "sizes": (96, 96), "none": None, "rate": 1e-5}
    reopen(fingerprint=odd)
    reopen(fingerprint=odd)
    with pytest.raises(ConfigError, match="directions"):
        reopen(fingerprint={**odd, "directions": {"a": "maximize", "b": "minimize"}})


def test_several_directions_have_names(reopen):
    study, _ = reopen(directions={"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"})
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["tradeoff/others_gain", "tradeoff/target_cost"]


def test_a_session_writes_down_what_workers_need(reopen):
    study, _ = reopen()
    assert begin_session(study, {ARGUMENTS: ["seed=0,1"], BUDGET: 9, PARENT_RUN_ID: None}) == 1
    assert begin_session(study, {ARGUMENTS: ["seed=0,1", "root=/x"], BUDGET: 12, PARENT_RUN_ID: "r"}) == 2
    attributes = reopen()[0].user_attrs
    assert [attributes[key] for key in (ARGUMENTS, BUDGET, PARENT_RUN_ID, SESSION)] == [
        *(["seed=0,1", "root=/x"], 12, "r", 2)
    ]
    assert STOP not in attributes
    stop_session(study, 2)
    assert reopen()[0].user_attrs[STOP] == 2


def test_controls_stay_those_that_the_study_was_begun_with(reopen):
    study, _ = reopen()
    known = Control("best_known", ("loss=soften_fn",), "ref0", {})
    begun = settle_controls(study, (CONTROLS_OF_TWO_SEEDS[0], known))
    assert begun == (CONTROLS_OF_TWO_SEEDS[0], known)
    begin_session(study, {CONTROLS: written_controls(begun)})
    study, _ = reopen()
    # Another has become the best known since; and a seed was added.
    better = Control("best_known", ("loss=ignore_fn",), "ref0", {})
    settled = settle_controls(study, (*CONTROLS_OF_TWO_SEEDS, better))
    assert settled == (CONTROLS_OF_TWO_SEEDS[0], known, CONTROLS_OF_TWO_SEEDS[1])
    begin_session(study, {CONTROLS: written_controls(settled)})
    assert settled_controls(reopen()[0].user_attrs[CONTROLS]) == settled


def test_a_best_known_that_came_up_later_is_none_of_the_study_s(reopen):
    study, _ = reopen()
    begin_session(study, {CONTROLS: written_controls(CONTROLS_OF_TWO_SEEDS)})
    later = Control("best_known", ("loss=soften_fn",), "ref0", {})
    assert settle_controls(study, (*CONTROLS_OF_TWO_SEEDS, later)) == CONTROLS_OF_TWO_SEEDS


def test_a_study_without_controls_may_begin_with_a_best_known(reopen):
    study, _ = reopen()
    assert settle_controls(study, ()) == ()
    known = Control("best_known", ("loss=soften_fn",), "ref0", {})
    assert settle_controls(study, (known,)) == (known,)
    # Not when it has begun without one.
    begin_session(study, {CONTROLS: written_controls(())})
    assert settle_controls(study, (known,)) == ()


def test_the_matrices_of_the_plain_control_of_the_same_reference(reopen):
    study, _ = reopen()
    two_seeds = [[[1, 0], [0, 1]], [[2, 0], [0, 2]]]
    trial = ask(study)
    for key, value in {CONTROL: "plain", REFERENCE: "ref0", MATRICES: np.array(two_seeds).tolist()}.items():
        trial.set_user_attr(key, value)
    assert find_control_matrices(study, "ref0") is None, "not before it has finished"
    study.tell(trial, 0.5)
    end(study, **{CONTROL: "class_downweight", REFERENCE: "ref1", MATRICES: [[[3]]]})
    end(study, state=TrialState.FAIL, **{CONTROL: "plain", REFERENCE: "ref2", MATRICES: [[[4]]]})
    study, _ = reopen()
    assert find_control_matrices(study, "ref0") == two_seeds
    assert find_control_matrices(study, "ref1") is None, "another control says nothing"
    assert find_control_matrices(study, "ref2") is None, "a failed one neither"


def test_outcomes_of_trials(reopen):
    study, _ = reopen()
    study.enqueue_trial({"seed": 0})
    assert outcome_of(study.trials[0]) == "queued"
    trial = ask(study)
    trial.set_user_attr(OUTCOME, "failed:memory")
    assert outcome_of(study.trials[0]) == "running"
    study.tell(trial, state=TrialState.FAIL)
    assert outcome_of(study.trials[0]) == "failed:memory"
    assert outcome_of(end(study, **{OUTCOME: "complete"})) == "complete"
    assert outcome_of(end(study, **{OUTCOME: "infeasible"})) == "infeasible"
    assert outcome_of(end(study, state=TrialState.PRUNED)) == "pruned"
    assert outcome_of(end(study, state=TrialState.FAIL)) == "lost"
    assert outcome_of(end(study, state=TrialState.FAIL, **{OUTCOME: "interrupted"})) == "interrupted"


@pytest.mark.parametrize("written", ["complete", "infeasible", "pruned"])
def test_a_word_without_the_result_is_no_result(reopen, written):
    study, _ = reopen()
    assert outcome_of(end(study, state=TrialState.FAIL, **{OUTCOME: written})) == "lost"


def test_finished_trials_are_those_that_count(reopen):
    study, _ = reopen()
    end(study)
    end(study, state=TrialState.FAIL)
    end(study, state=TrialState.PRUNED)
    ask(study)
    assert [trial.number for trial in finished(study)] == [0, 2]
