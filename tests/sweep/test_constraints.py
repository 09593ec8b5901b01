"""Bounds on metrics: what may be written, and by how much one is missed."""

import pytest

from fnmask.binding import ConfigError
from fnmask.sweep.constraints import Constraint, read_constraints

METRICS = ("val/miou", "val/recall/road")


@pytest.mark.parametrize(
    ("text", "side", "bound"),
    [
        (">= 0.3", ">=", 0.3),
        ("<=0.3", "<=", 0.3),
        ("  >=   -2 ", ">=", -2.0),
        ("<= +.5", "<=", 0.5),
        (">= 1.", ">=", 1.0),
        ("<= 1e-3", "<=", 0.001),
    ],
)
def test_bounds(text, side, bound):
    assert read_constraints({"val/miou": text}, METRICS) == (Constraint("val/miou", side, bound),)


def test_no_constraints_and_several():
    assert read_constraints({}, METRICS) == ()
    found = read_constraints({"val/miou": ">= 0.5", "val/recall/road": "<= 0.9"}, METRICS)
    assert [constraint.metric for constraint in found] == list(METRICS)


@pytest.mark.parametrize(
    "text", ["0.3", "> 0.3", "== 0.3", ">= a", ">= ", "", ">= nan", ">= inf", ">= 0.3 0.4", ">= 0x1"]
)
def test_what_is_no_bound(text):
    with pytest.raises(ConfigError) as caught:
        read_constraints({"val/miou": text}, METRICS)
    assert caught.value.faults == (f"study.constraints.val/miou: got {text!r}. Write '>= NUMBER' or '<= NUMBER'.",)


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        read_constraints({"val/recall/raod": ">= 1", "val/miou": "1"}, METRICS)
    unknown, unreadable = caught.value.faults
    assert unknown == (
        "study.constraints: got 'val/recall/raod'. Did you mean val/recall/road? Allowed: val/miou, val/recall/road."
    )
    assert unreadable.startswith("study.constraints.val/miou: got '1'.")


@pytest.mark.parametrize(
    ("side", "value", "violation"),
    [
        (">=", 0.25, 0.25),
        (">=", 0.5, 0.0),
        (">=", 0.75, -0.25),
        ("<=", 0.75, 0.25),
        ("<=", 0.5, 0),
        ("<=", 0.25, -0.25),
    ],
)
def test_by_how_much_a_bound_is_missed(side, value, violation):
    assert Constraint("val/miou", side, 0.5).violation(value) == violation


def test_a_metric_that_is_no_number_keeps_to_no_bound():
    # NaN is not above zero, so whoever asks has to refuse such a trial before: as one without an objective.
    assert not Constraint("val/miou", ">=", 0.5).violation(float("nan")) <= 0
