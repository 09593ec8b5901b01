"""Runs in words."""

import pytest
from composing import SMALL, check

from fnmask.presets import conf_dir
from fnmask.run_notes import describe_result, describe_run

OPTIONS = sorted(path.stem for path in (conf_dir() / "loss").glob("*.yaml"))
NEEDED = {
    "confusions": ["loss.confusions={road:{land:0.2}}"],
    "region_fn": ["base=dice"],
    "class_tversky": ["base=tversky"],
}


def describe(*overrides, control="", n_seeds=1):
    return describe_run(check(*SMALL, *overrides), control=control, n_seeds=n_seeds)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_loss_has_words_of_its_own(option):
    told = describe(f"loss={option}", *NEEDED.get(option, ()))
    assert "The loss `" not in told
    assert "Base loss " in told
    if option == "confusions":
        assert "{'road': {'land': 0.2}}" in told
    elif option != "plain":
        assert " road" in told


def test_it_says_what_weighs_how_much_and_from_when_on():
    assert describe("loss=attenuate_fn", "loss.alpha=0.25", "loss.target=[road,water]", "loss.warmup_epochs=1",
                    "loss.ramp_epochs=0.5", "weighting=median_frequency", "seed=3") == (
        "A pixel of road and water that the network calls something else weighs 0.25. The mask waits for 1 of 2 "
        "epochs, fades in over 0.5. Base loss crossentropy, classes are weighted by median_frequency; tiny on aerial, "
        "seed 3."
    )  # fmt: skip
    told = describe("loss=plain", control="plain", n_seeds=3)
    assert told.startswith("The control *plain*. No mask: every pixel counts in full. Base loss")
    assert told.endswith("classes weigh the same; tiny on aerial, 3 seeds from 0 on.")


METRICS = {
    "val/miou": 0.5,
    "val/miou_without_target": 0.52,
    "val/iou/road": 0.4,
    "best/miou": 0.6,
    "best/miou_without_target": 0.62,
    "best/iou/road": 0.44,
    "tradeoff/others_gain": 1.26,
    "tradeoff/target_cost": 2.04,
}


def test_the_result_is_against_the_control_in_points():
    assert describe_result(check(*SMALL, "loss=ignore_fn"), METRICS) == (
        "**+1.3 points of IoU for the other classes and -2.0 for road, against the plain control of the same seed.** "
        "On validation: IoU of all classes 50.0 %, without the target 52.0, road 40.0."
    )


def test_the_result_is_of_the_epoch_that_the_trial_is_judged_by():
    told = describe_result(check(*SMALL, "loss=ignore_fn", "trainer.select=best"), METRICS)
    assert told.endswith("IoU of all classes 60.0 %, without the target 62.0, road 44.0.")


def test_the_control_is_not_measured_against_itself_nor_a_run_without_one():
    zero = {"tradeoff/others_gain": 0.0, "tradeoff/target_cost": 0.0}
    assert "**" not in describe_result(check(*SMALL, "loss=plain"), METRICS | zero)
    without = {key: value for key, value in METRICS.items() if not key.startswith("tradeoff")}
    assert describe_result(check(*SMALL, "loss=ignore_fn"), without).startswith("On validation: ")
    assert describe_result(check(*SMALL, "loss=ignore_fn"), {}) == ""
