"""Fronts, volumes and the rule by which a learning curve is given up: by hand, and against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.sweep.dominance import DominanceRule, hypervolume, is_dominated, pareto_front, to_scores


def test_scores_are_points_and_more_is_better():
    directions = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize", "val/iou/road": "maximize"}
    assert to_scores([1.5, 2.0, 0.25], directions) == [1.5, -2.0, 25.0]
    assert to_scores([0.25], {"val/loss": "minimize"}) == [-25.0]


def test_as_many_values_as_directions():
    with pytest.raises(ValueError, match="zip"):
        to_scores([1.0], {"val/miou": "maximize", "val/loss": "minimize"})


@pytest.mark.parametrize(
    ("scores", "front"),
    [
        ([], []),
        ([[1, 1]], [0]),
        ([[1, 3], [2, 2], [3, 1], [1, 1]], [0, 1, 2]),
        ([[1, 3], [1, 2], [0, 3]], [0]),
        ([[2, 2], [1, 1], [2, 2]], [0, 2]),
        ([[1], [3], [2], [3]], [1, 3]),
        ([[math.nan, 9], [1, 1], [math.inf, 0]], [1]),
    ],
)
def test_fronts_by_hand(scores, front):
    assert pareto_front(scores) == front


def front_by_brute_force(scores):
    """No other is at least as good everywhere and better somewhere; what is not finite neither beats nor stands."""

    def beats(one, other):
        pairs = list(zip(one, other, strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    finite = [score for score in scores if all(map(math.isfinite, score))]
    return [place for place, score in enumerate(scores) if score in finite and not any(beats(o, score) for o in finite)]


few = st.sampled_from([-1.0, 0.0, -0.0, 0.5, 1.0, 2.0, math.nan])


@settings(deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[few] * width), max_size=14)))
def test_fronts_as_by_brute_force(scores):
    assert pareto_front(scores) == front_by_brute_force(scores)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), max_size=30))
def test_fronts_of_any_numbers_as_by_brute_force(scores):
    assert pareto_front(scores) == front_by_brute_force(scores)


@pytest.mark.parametrize(
    ("scores", "reference", "volume"),
    [
        ([], [0, 0], 0),
        ([[3], [5]], [1], 4),
        ([[2, 3]], [0, 0], 6),
        # 1 x 3 and beside it 1 x 1.
        ([[1, 3], [2, 1]], [0, 0], 4),
        ([[1, 3], [2, 1], [1, 1], [1, 3]], [0, 0], 4),
        # What lies on the reference in one objective adds nothing.
        ([[5, 0], [1, 1]], [0, 0], 1),
        ([[-1, -2]], [-3, -3], 2),
        ([[2, 2, 2]], [0, 0, 1], 4),
        # 2 * 2 * 2 + 3 * 1 * 1 - 2 * 1 * 1 shared.
        ([[2, 2, 2], [3, 1, 1]], [0, 0, 0], 9),
        ([[1, 2, 3, 4]], [0, 0, 0, 0], 24),
        # 16 + 3 - 2 * 1 * 1 * 1 shared.
        ([[2, 2, 2, 2], [3, 1, 1, 1]], [0, 0, 0, 0], 17),
        ([[math.nan, 2], [1, 1]], [0, 0], 1),
    ],
)
def test_volumes_by_hand(scores, reference, volume):
    assert hypervolume(scores, reference) == volume


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4).flatmap(
        lambda width: st.tuples(
            st.lists(st.tuples(*[st.integers(-1, 4)] * width), max_size=8),
            st.tuples(*[st.integers(-1, 1)] * width),
        )
    )
)
def test_volumes_as_counted_in_unit_cells(drawn):
    scores, reference = drawn
    # Upper corners of the unit cells above the reference.
    cells = np.stack(np.meshgrid(*[np.arange(low + 1, 5) for low in reference], indexing="ij"), -1)
    covered = np.zeros(cells.shape[:-1], bool)
    for score in scores:
        covered |= (cells <= np.array(score)).all(axis=-1)
    assert hypervolume(scores, reference) == covered.sum()


@pytest.mark.parametrize("width", [2, 3, 4])
def test_volumes_as_drawn_at_random(width):
    generator = np.random.default_rng(width)
    scores = generator.random((12, width))
    points = generator.random((40_000, width))
    share = np.mean([(scores >= point).all(axis=1).any() for point in points])
    # Four standard deviations of a share of 40,000 draws.
    assert hypervolume(scores.tolist(), [0.0] * width) == pytest.approx(share, abs=4 * 0.5 / math.sqrt(40_000))


def test_dominated_is_worse_by_more_than_the_margin_in_all():
    assert is_dominated([1, 1], by=[3.1, 3.1], margin_points=2)
    assert not is_dominated([1, 1], by=[3.1, 3.0], margin_points=2)
    assert not is_dominated([1, math.nan], by=[9, 9], margin_points=2)
    assert not is_dominated([1, 1], by=[9, math.nan], margin_points=2)


RULE = DominanceRule(margin_points=2.0, patience_epochs=2, n_startup_trials=2)
# The front is the first; the second is beaten by it in the end, though it was ahead at epoch 1.
FINISHED = [({1: [0, 0], 2: [5, 5], 3: [9, 9]}, [10, 10]), ({1: [9, 9], 2: [4, 4], 3: [4, 4]}, [5, 5])]


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ({2: [2, 2], 3: [6, 6]}, True),
        # One epoch is not enough, nor is one of the last two.
        ({2: [2, 2]}, False),
        ({2: [4, 4], 3: [6, 6]}, False),
        ({2: [2, 2], 3: [8, 8]}, False),
        # Better in one objective.
        ({2: [2, 2], 3: [6, 10]}, False),
        # Only what is on the front counts: at epoch 1 that was worse.
        ({1: [1, 1], 2: [1, 1]}, False),
        ({1: [1, 1], 2: [1, 1], 3: [1, 1]}, True),
        # An epoch that the front never had says nothing.
        ({3: [1, 1], 4: [1, 1]}, False),
        ({}, False),
    ],
)
def test_the_rule_by_hand(curve, expected):
    assert RULE.is_given_up(curve, FINISHED) is expected


def test_the_rule_waits_for_enough_finished_trials():
    curve = {2: [0, 0], 3: [0, 0]}
    assert not RULE.is_given_up(curve, FINISHED[:1])
    assert DominanceRule(2.0, 2, 1).is_given_up(curve, FINISHED[:1])


def test_different_trials_of_the_front_may_be_better_at_different_epochs():
    finished = [({1: [9, 9], 2: [0, 0]}, [9, 1]), ({1: [0, 0], 2: [9, 9]}, [1, 9])]
    assert RULE.is_given_up({1: [1, 1], 2: [1, 1]}, finished)
    # At one epoch it takes one trial that is better in both.
    split = [({1: [9, 0], 2: [9, 0]}, [9, 1]), ({1: [0, 9], 2: [0, 9]}, [1, 9])]
    assert not RULE.is_given_up({1: [1, 1], 2: [1, 1]}, split)


def test_the_rule_without_a_finite_front():
    assert not RULE.is_given_up({1: [0], 2: [0]}, [({1: [9]}, [math.nan]), ({1: [9]}, [math.nan])])
