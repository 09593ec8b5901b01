"""The ramp over optimizer steps, and the gate that takes the mask off."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses.schedule import RecallGate, ramp

SHAPES = ("linear", "cosine", "step")


@pytest.mark.parametrize(
    ("shape", "by_hand"),
    [
        ("linear", [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]),
        ("cosine", [0, 0, 0, (1 - math.sqrt(0.5)) / 2, 0.5, (1 + math.sqrt(0.5)) / 2, 1, 1, 1]),
        ("step", [0, 0, 0, 0, 0, 0, 1, 1, 1]),
    ],
)
def test_by_hand(shape, by_hand):
    steps = [0, 9, 10, 11, 12, 13, 14, 15, 1000]
    found = [ramp(step, warmup_steps=10, ramp_steps=4, shape=shape) for step in steps]
    assert found == pytest.approx(by_hand, abs=1e-12)
    assert [value for value, hand in zip(found, by_hand, strict=True) if hand in (0, 1)] == [
        hand for hand in by_hand if hand in (0, 1)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_ramp_switches_at_once(shape):
    assert [ramp(step, warmup_steps=3, ramp_steps=0, shape=shape) for step in (2, 3)] == [0, 1]
    assert ramp(0, warmup_steps=0, ramp_steps=0, shape=shape) == 1


@given(warmup=st.integers(0, 30), length=st.integers(0, 30), shape=st.sampled_from(SHAPES))
def test_it_never_falls_and_ends_exactly(warmup, length, shape):  # P35
    values = [ramp(step, warmup_steps=warmup, ramp_steps=length, shape=shape) for step in range(70)]
    assert values == sorted(values)
    assert set(values[:warmup]) <= {0.0}
    assert set(values[warmup + length :]) == {1.0}
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup_steps": -1, "ramp_steps": 0}, "warmup_steps=-1 .* not negative"),
        ({"warmup_steps": 0, "ramp_steps": -1}, "ramp_steps=-1, but lengths are not negative"),
        ({"warmup_steps": 0, "ramp_steps": 1, "shape": "sine"}, "shape='sine' is not known; use one of linear, cosine"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        ramp(0, **arguments)


def test_the_gate_closes_below_one_mark_and_opens_at_another():
    gate = RecallGate(recall_off=0.2, recall_on=0.4)
    measured = [0.9, 0.2, 0.19, 0.3, 0.39, 0.4, 0.25, 0.0, 1.0]
    assert [gate.update(recall) for recall in measured] == [True, True, False, False, False, True, True, False, True]


def test_an_absent_target_moves_no_gate():
    gate = RecallGate(recall_off=0.2, recall_on=0.4)
    assert gate.update(math.nan)
    gate.update(0.0)
    assert not gate.update(math.nan)


def test_one_mark_is_enough():
    gate = RecallGate(recall_off=0.3, recall_on=0.3)
    assert [gate.update(recall) for recall in (0.29, 0.3)] == [False, True]


@pytest.mark.parametrize(("off", "on"), [(0.5, 0.4), (-0.1, 0.4), (0.5, 1.1), (math.nan, 0.5)])
def test_wrong_marks_are_explained(off, on):
    with pytest.raises(ValueError, match="but 0 <= recall_off <= recall_on <= 1"):
        RecallGate(recall_off=off, recall_on=on)
