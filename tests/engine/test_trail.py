import pytest
from problems import course, masked

from fnmask.engine.trail import Trail

GROUND = {"seed": 0, "data": "abc"}


def key(step, running, ground=GROUND):
    return Trail(ground, running).keys([step])[step]


def test_trials_agree_up_to_the_step_where_their_losses_part():
    one = course(masked(0.2), warmup_steps=4)
    for other in (course(masked(0.7, target=2), warmup_steps=4), course(masked(0.2, mask="margin"), warmup_steps=4)):
        assert key(4, one) == key(4, other)
        assert key(5, one) != key(5, other)
    assert key(4, one) == key(4, course())
    assert key(4, one) == key(4, course(masked(0.2), warmup_steps=6))
    assert key(5, one) != key(5, course())
    assert key(10, course(warmup_steps=2)) == key(10, course(steps=20)), "more epochs, the same steps so far"


@pytest.mark.parametrize("changes", [{"learning_rate": 0.02}, {"cosine": True}])
def test_every_number_of_a_step_counts(changes):
    assert key(1, course()) != key(1, course(**changes)) or key(2, course()) != key(2, course(**changes))


def test_the_ground_counts_from_the_start():
    assert key(0, course()) == key(0, course(masked()))
    for changed in ({"seed": 1}, {"data": "abd"}, {"batch_size": 2}):
        assert key(0, course()) != key(0, course(), GROUND | changed)


def test_the_ramp_counts_step_by_step():
    slow, fast = course(masked(), ramp_steps=8), course(masked(), ramp_steps=4)
    assert key(1, slow) == key(1, fast)  # both begin at 0
    assert key(2, slow) != key(2, fast)


def test_several_keys_are_those_of_each():
    running = course(masked(), warmup_steps=3)
    keys = Trail(GROUND, running).keys([7, 2, 4])
    assert keys == {step: key(step, running) for step in (2, 4, 7)}
    assert Trail(GROUND, running).keys([]) == {}
