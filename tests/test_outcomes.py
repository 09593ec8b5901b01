import math

import pytest

from fnmask.binding import ConfigError
from fnmask.outcomes import (
    ControlLost,
    NonFiniteMetric,
    TrialPruned,
    TrialTimeout,
    check_objectives,
    classify,
    describe,
)
from fnmask.tracking.tracker import OUTCOMES


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's, which is known by its name."""


class NonFiniteLoss(ArithmeticError):
    """Stands for the engine's, which cannot be imported without TensorFlow."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KeyboardInterrupt(), "interrupted"),
        # A class of KeyboardInterrupt's own family, as a preemption raises.
        (type("Preempted", (KeyboardInterrupt,), {})(), "interrupted"),
        # The trial itself did nothing wrong: it is run again.
        (ControlLost("the control has failed"), "interrupted"),
        (TrialPruned("given up at epoch 3"), "pruned"),
        (TrialTimeout("longer than 5 s"), "failed:timeout"),
        (SystemExit(1), "failed:crash"),
        (ConfigError(["loss.alpha: ..."]), "failed:config"),
        (NonFiniteMetric("val/miou is nan"), "failed:nonfinite"),
        (NonFiniteLoss("loss is inf"), "failed:nonfinite"),
        (ZeroDivisionError(), "failed:nonfinite"),
        (MemoryError(), "failed:memory"),
        (ResourceExhaustedError("OOM"), "failed:memory"),
        (ValueError("whatever"), "failed:crash"),
        (OSError("disk full"), "failed:crash"),
    ],
)
def test_every_error_has_one_outcome(error, outcome):
    assert classify(error) == outcome
    assert outcome in OUTCOMES


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_objective_that_cannot_be_ranked(value):
    with pytest.raises(NonFiniteMetric, match=rf"^val/iou/road is {value}: is the target class present"):
        check_objectives({"val/miou": 0.5, "val/iou/road": value}, ["val/miou", "val/iou/road"])


def test_an_objective_that_is_absent():
    with pytest.raises(NonFiniteMetric, match="tradeoff/target_cost is nan"):
        check_objectives({"val/miou": 0.5}, ["tradeoff/target_cost"])


def test_only_objectives_must_be_finite():
    check_objectives({"val/miou": 0.0, "val/iou/car": math.nan}, ["val/miou"])
    check_objectives({}, [])


def test_a_reason_fits_into_a_tag():
    assert describe(ValueError("too wide")) == "ValueError: too wide"
    assert describe(TrialPruned("given up at epoch 3")) == "given up at epoch 3", "nothing went wrong"
    assert len(describe(ValueError("x" * 10_000))) == len(describe(TrialPruned("x" * 10_000))) == 500
