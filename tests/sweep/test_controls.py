"""What the trials of a sweep are measured against: decided before any training."""

import pytest

# The smallest search by hand.
BY_HAND = ("loss.alpha=0.25,0.5", "study.n_trials=5")


def controls(found):
    return [(control.name, control.overrides) for control in found.controls]


def test_fixed_overrides_that_a_control_lacks_are_left_out(plan):
    fixed = ("loss=soften_fn", "loss.warmup_epochs=2", "loss.target=water", "weighting=inverse", "trainer.epochs=4")
    found = plan(*BY_HAND, *fixed)
    kept = ("loss.target=water", "trainer.epochs=4")
    assert controls(found) == [
        (name, (*kept, f"loss={name}", "weighting=none")) for name in ("plain", "class_downweight")
    ]


def test_controls_are_read_for_the_first_target_of_a_search_over_targets(plan):
    found = plan("loss.target=choice(water,building)", "study.n_trials=5")
    assert [control.overrides[0] for control in found.controls] == ["loss.target=water"] * 2


def test_controls_of_a_loss_that_names_its_classes_itself(plan):
    named = "loss.confusions={building:{land:0.2},water:{land:0}}"
    found = plan("loss=confusions", named, "seed=0,1", "study.n_trials=6")
    assert {control.overrides[0] for control in found.controls} == {"loss.target=[1,4]"}


def test_controls_have_no_timing(plan):
    found = plan("loss=soften_fn", "loss/timing@loss=half", *BY_HAND)
    assert controls(found) == [(name, (f"loss={name}", "weighting=none")) for name in ("plain", "class_downweight")]


def test_every_base_of_a_search_has_its_controls(plan):
    found = plan("base=choice(crossentropy,dice)", "study.n_trials=9")
    assert [(control.name, control.overrides[-1]) for control in found.controls] == [
        (name, f"base={base}") for name in ("plain", "class_downweight") for base in ("crossentropy", "dice")
    ]


def test_controls_for_every_value_of_what_a_comparison_holds_fixed(plan):
    found = plan("seed=0,1", "backbone.width=4,8", "study.n_trials=9")
    plain = found.controls[:4]
    assert [control.overrides[-2:] for control in plain] == [
        ("seed=0", "backbone.width=4"),
        ("seed=0", "backbone.width=8"),
        ("seed=1", "backbone.width=4"),
        ("seed=1", "backbone.width=8"),
    ]
    assert len({control.reference for control in plain}) == 4
    assert [control.name for control in found.controls] == ["plain"] * 4 + ["class_downweight"] * 4


def test_a_control_gets_a_conditional_setting_only_where_it_applies(plan):
    when = "study.when={backbone.encoder:{backbone:[unet]}}"
    found = plan("backbone=tiny,unet", "backbone.encoder=vgg16,vgg19", when, "study.n_trials=9")
    plain = found.controls[:3]
    assert [[text for text in control.overrides if text.startswith("backbone")] for control in plain] == [
        ["backbone=tiny"],
        ["backbone=unet", "backbone.encoder=vgg16"],
        ["backbone=unet", "backbone.encoder=vgg19"],
    ]


@pytest.mark.parametrize("name", ["seed", "backbone.width", "optimizer.learning_rate", "trainer.epochs"])
def test_an_interval_of_what_a_comparison_holds_fixed(plan, faults, name):
    words = (f"{name}=int(interval(1,4))", "loss=plain", "study.n_trials=20")
    (found,) = faults(*words)
    assert found.startswith(f"{name}: an interval gives every trial another {name}")
    assert f"Write {name}=choice(...), or search for a metric that needs no control" in found
    assert len(plan(*words, "study.directions={val/miou:maximize}").controls) == 2


def test_a_searched_option_that_changes_the_budget_has_no_control(faults):
    found = faults("debug=none,fast", "study.n_trials=20")
    expected = "study.controls: no plain control has this trial's seed, network, data, optimizer and budget.  [with "
    assert found == (f"{expected}debug=fast]",)


def test_a_tradeoff_needs_the_plain_control(plan, faults):
    only = "study.controls={class_downweight:['loss=class_downweight']}"
    assert faults(*BY_HAND, only) == (
        "study.controls: tradeoff/others_gain is measured against the control 'plain', which is missing.",
    )
    found = plan(*BY_HAND, only, "study.directions={val/miou:maximize}")
    assert [control.name for control in found.controls] == ["class_downweight"]
    assert plan(*BY_HAND, "study.controls={}", "study.directions={val/miou:maximize}").controls == ()


def test_a_control_whose_config_is_wrong(faults):
    (found,) = faults(*BY_HAND, "study.controls={plain:['loss=plain'],mine:['loss=plain','loss.target=raod']}")
    assert found.startswith("loss.target: got 'raod', no class of this data set.")


def test_one_control_where_a_searched_setting_moves_nothing(plan):
    found = plan("trainer.eval_batch_size=choice(4,8)", "study.sampler=grid")
    assert [control.name for control in found.controls] == ["plain", "class_downweight"]
    assert found.n_trials == 2 + 2


def test_a_control_keeps_no_address_of_a_storage(plan):
    found = plan(*BY_HAND, "study.storage='sqlite:///a?password=b'")
    assert not [text for control in found.controls for text in control.overrides if text.startswith("study.")]
