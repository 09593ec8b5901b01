"""What earlier studies of a storage have found, as a control of the next one."""

import optuna
import pytest

from fnmask.sweep.best_known import find_best_known
from fnmask.sweep.controls import make_best_known
from fnmask.sweep.study import CONTROL, FINGERPRINT, OUTCOME, SETTING

MIOU = {"val/miou": "maximize"}
COST = {"tradeoff/target_cost": "minimize", "tradeoff/others_gain": "maximize"}


@pytest.fixture
def storage(database):
    return optuna.storages.RDBStorage(f"sqlite:///{database}")


def add_study(storage, name, *trials, directions=MIOU, fingerprint=True):
    study = optuna.create_study(storage=storage, study_name=name, directions=list(directions.values()))
    if fingerprint:
        study.set_user_attr(FINGERPRINT, {"directions": directions})
    study.add_trials(trials)
    return study


def trial(*values, ground="tiny", setting=("loss=ignore_fn",), outcome="complete", control=None):
    attributes = {OUTCOME: outcome, SETTING: [ground, *setting]} | ({CONTROL: control} if control else {})
    return optuna.trial.create_trial(values=list(values), user_attrs=attributes)


def find(storage, directions=MIOU, but="now"):
    return find_best_known(storage, directions=directions, but=but)


def test_an_empty_storage_knows_nothing(storage):
    assert find(storage) == {}


def test_the_best_trial_of_all_studies_for_each_ground(storage):
    add_study(storage, "a", trial(0.5), trial(0.7, setting=["loss=soften_fn", "loss.alpha=0.5"]))
    add_study(storage, "b", trial(0.6), trial(0.1, ground="unet", setting=["loss=plain"]))
    assert find(storage) == {"tiny": ["loss=soften_fn", "loss.alpha=0.5"], "unet": ["loss=plain"]}


def test_the_first_direction_decides(storage):
    cheap, gainful = trial(-1.0, 2.0, setting=["loss=cheap"]), trial(0.5, 9.0, setting=["loss=gainful"])
    add_study(storage, "a", gainful, cheap, directions=COST)
    assert find(storage, COST) == {"tiny": ["loss=cheap"]}


def test_of_equals_the_oldest_stays(storage):
    add_study(storage, "a", trial(0.5, setting=["loss=first"]), trial(0.5, setting=["loss=second"]))
    assert find(storage) == {"tiny": ["loss=first"]}


def test_a_search_whose_best_trial_is_a_control_has_found_nothing(storage):
    add_study(storage, "a", trial(0.5), trial(0.6, setting=["loss=plain"], control="plain"))
    assert find(storage) == {}
    add_study(storage, "b", trial(0.7, setting=["loss=soften_fn"]))
    assert find(storage) == {"tiny": ["loss=soften_fn"]}


def test_what_does_not_count(storage):
    add_study(storage, "a", trial(0.5), trial(0.9, outcome="infeasible"), trial(0.9, outcome="lost"))
    # Without a ground, as studies of earlier versions have them, or not finished.
    study = add_study(storage, "b", optuna.trial.create_trial(value=0.9, user_attrs={OUTCOME: "complete"}))
    study.add_trial(
        optuna.trial.create_trial(state=optuna.trial.TrialState.PRUNED, user_attrs={SETTING: ["tiny", "loss=pruned"]})
    )
    assert find(storage) == {"tiny": ["loss=ignore_fn"]}


def test_other_directions_other_studies_and_the_study_itself_are_left_out(storage):
    add_study(storage, "other", trial(0.9, 0.1), directions=COST)
    add_study(storage, "swapped", trial(0.9, 0.1), directions=dict(reversed(COST.items())))
    add_study(storage, "minimized", trial(0.9), directions={"val/miou": "minimize"})
    add_study(storage, "by hand", trial(0.9), fingerprint=False)
    add_study(storage, "now", trial(0.9))
    assert find(storage) == {}
    assert find(storage, COST) == {"tiny": ["loss=ignore_fn"]}
    assert find(storage, but="later") == {"tiny": ["loss=ignore_fn"]}


def test_it_becomes_a_control_for_every_value_of_what_is_held_fixed(plan, composer):
    words = ("loss=attenuate_fn", "loss.alpha=0.25,0.5", "seed=0,1", "study.n_trials=20")
    found = plan(*words)
    setting = ["loss=soften_fn", "loss.alpha=0.125", "weighting=none"]
    controls = make_best_known(composer(*words), found.space, found.fixed, {found.base.ground: setting})
    # The sweep's own loss gives way, and its budget is no part of a control.
    assert [control.overrides for control in controls] == [(*setting, "seed=0"), (*setting, "seed=1")]
    assert [control.held for control in controls] == [{"seed": 0}, {"seed": 1}]
    assert {control.reference for control in controls} == {control.reference for control in found.controls}


def test_what_was_found_on_another_ground_or_does_not_fit_is_no_control(plan, composer):
    words = ("loss.alpha=0.25,0.5", "study.n_trials=20")
    found = plan(*words)

    def make(settings):
        return make_best_known(composer(*words), found.space, found.fixed, settings)

    assert make({"another": ["loss=soften_fn"]}) == ()
    assert make({found.base.ground: ["loss=soften_fn", "loss.target=elephant"]}) == ()
    assert make({found.base.ground: ["loss=no_such_loss"]}) == ()
    assert make({}) == ()
