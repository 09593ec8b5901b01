import pytest

from fnmask.losses.schedule import ramp


def test_by_hand():
    steps = [0, 9, 10, 11, 12, 14, 15, 1000]
    assert [ramp(step, warmup_steps=10, ramp_steps=4) for step in steps] == [0, 0, 0, 0.25, 0.5, 1, 1, 1]


def test_no_ramp_switches_at_once():
    assert [ramp(step, warmup_steps=3, ramp_steps=0) for step in (2, 3)] == [0, 1]
    assert ramp(0, warmup_steps=0, ramp_steps=0) == 1


@pytest.mark.parametrize("ramp_steps", [1, 3, 7, 10])
def test_it_never_falls_and_ends_exactly(ramp_steps):
    values = [ramp(step, warmup_steps=5, ramp_steps=ramp_steps) for step in range(25)]
    assert values == sorted(values)
    assert set(values[:5]) == {0.0}
    assert set(values[5 + ramp_steps :]) == {1.0}


@pytest.mark.parametrize("lengths", [{"warmup_steps": -1, "ramp_steps": 0}, {"warmup_steps": 0, "ramp_steps": -1}])
def test_negative_lengths_are_refused(lengths):
    with pytest.raises(ValueError, match="not negative"):
        ramp(0, **lengths)
