"""When the first of several paired seeds is enough, by hand."""

import math

import numpy as np
import pytest

from fnmask.sweep.seeds import is_clearly_worse, spread_margin

# One objective, two seeds. The first trial is the front; the others differ from it by -2 and -4, and by -5 and -3.
THREE = [[[10], [14]], [[8], [10]], [[5], [11]]]


def test_the_margin_by_hand():
    # About their means, -3 and -4, all four differences are 1 off: a variance of 2 with one degree of freedom.
    assert spread_margin(THREE) == pytest.approx(2 * math.sqrt(2))


def test_the_objective_that_spreads_most_decides():
    # Second objective: differences of -2 and -8 for both, 3 off their mean: a variance of 18.
    second = [[20, 20], [18, 12], [18, 12]]
    both = [[[a[0], b] for a, b in zip(seeds, more, strict=True)] for seeds, more in zip(THREE, second, strict=True)]
    assert spread_margin(both) == pytest.approx(2 * math.sqrt(18))


def test_what_shifts_a_seed_for_all_alike_is_no_spread():
    assert spread_margin([[[1], [21]], [[2], [22]], [[5], [25]]]) == 0


def test_the_margin_as_by_loops():
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(6, 4, 2))
    means = scores.mean(axis=1)
    front = [i for i in range(6) if not any((means[j] >= means[i]).all() for j in range(6) if j != i)]
    variances = [
        [np.var(scores[j, :, of] - scores[i, :, of], ddof=1) for i in front for j in range(6) if j != i]
        for of in range(2)
    ]
    assert len(front) > 1
    assert spread_margin(scores.tolist()) == pytest.approx(2 * math.sqrt(max(map(np.mean, variances))))


@pytest.mark.parametrize("others", [[], THREE[:2], [[[1]], [[2]], [[3]]]], ids=["none", "two", "one seed"])
def test_no_margin_yet(others):
    assert spread_margin(others) == math.inf
    assert not is_clearly_worse([-99.0], others, None)


@pytest.mark.parametrize(("first", "expected"), [(7.0, True), (7.2, False), (12.0, False)])
def test_worse_than_a_first_seed_by_more_than_the_spread(first, expected):
    # The best first seed has 10, and the margin is 2.83.
    assert is_clearly_worse([first], THREE, None) is expected


@pytest.mark.parametrize(("first", "expected"), [([8.9, 8.9], True), ([8.9, 9.0], False), ([0, 20], False)])
def test_a_margin_that_is_given_counts_from_the_first_finished_trial_on(first, expected):
    # The second seeds, which are far better, are not what the first is compared with.
    assert is_clearly_worse(first, [[[10, 10], [99, 99]]], 1.0) is expected
    assert not is_clearly_worse(first, [], 1.0)
