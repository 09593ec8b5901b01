"""Hard example mining after the mask: which pixels it takes, and how many."""

import numpy as np
import pytest
from cases import cases, examples
from family import NORMALIZERS, PIXEL_BASES, evaluate, variants
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import MaskedCrossentropy

MISS = -np.log(np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]))
"""Losses of eight pixels, in falling order."""


def eight_pixels():
    """Class 1 everywhere, with p_1 = .1 ... .9: the first four are missed."""
    p = np.exp(-MISS)
    return np.ones((1, 2, 4), int), np.log(np.stack([1 - p, p], -1)).reshape(1, 2, 4, 2).astype(np.float32)


def mine(fraction, normalizer="none", **arguments):
    loss = MaskedCrossentropy(2, hardest_fraction=fraction, normalizer=normalizer, **arguments)
    return loss(*eight_pixels()).numpy().reshape(-1)


@pytest.mark.parametrize(("fraction", "count"), [(0.01, 1), (0.125, 1), (0.13, 2), (0.5, 4), (0.99, 8), (1.0, 8)])
def test_the_hardest_are_taken(fraction, count):  # P36
    np.testing.assert_allclose(mine(fraction), np.where(np.arange(8) < count, MISS, 0), rtol=1e-5)


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 1), (0.26, 2), (0.5, 2), (1.0, 4)])
def test_only_from_what_the_mask_has_left(fraction, count):  # P36: four pixels are missed, so four are kept
    taken = mine(fraction, ignore_false_negatives_of=1)
    expected = np.where((np.arange(8) >= 4) & (np.arange(8) < 4 + count), MISS, 0)
    np.testing.assert_allclose(taken, expected, rtol=1e-5)


def test_attenuated_pixels_rank_by_what_is_left_of_their_loss():
    # At alpha = .1 the misses weigh .23, .16, .12, .09 and the hits .51, .36, .22, .11: two of each are the hardest.
    taken = mine(0.5, ignore_false_negatives_of=1, alpha=0.1)
    expected = [0.1 * MISS[0], 0, 0, 0, MISS[4], MISS[5], MISS[6], 0]
    np.testing.assert_allclose(taken, expected, rtol=1e-5)


def test_what_is_taken_is_divided_by_the_normalizer():
    taken = MISS[:2].sum()
    divisors = {"valid": 8, "all": 8, "class_weight": 8, "kept": 2, "weight": 2, "per_class": 2}
    for normalizer, divisor in divisors.items():
        assert mine(0.25, normalizer) == pytest.approx(taken / divisor, rel=1e-5), normalizer


@pytest.mark.parametrize("base", PIXEL_BASES)
@examples(15)
@given(case=cases(), data=st.data())
def test_mining_is_the_oracles(base, case, data):  # P1, P36
    variant = data.draw(variants([base], normalizers=NORMALIZERS))
    variant = variant.but(hardest_fraction=data.draw(st.sampled_from([0.1, 0.5, 0.75, 1.0])))
    case = variant.fitted(case)
    expected = variant.solve(case)
    value, gradient = evaluate(variant.build(case), case)
    reference = expected.pixels if variant.normalizer == "none" else expected.loss
    np.testing.assert_allclose(value, reference, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-4, atol=2e-6)
    silent = (expected.weights == 0) | case.void
    assert (gradient[silent] == 0).all()


def test_perfect_pixels_are_kept_pixels():  # P36: k is a share of w > 0, not of what still costs something
    labels, logits = np.array([[[0, 0, 0, 0]]]), np.zeros((1, 1, 4, 2), np.float32)
    logits[0, 0, :, 0] = [0.0, 1.0, 200.0, 200.0]
    half = MaskedCrossentropy(2, hardest_fraction=0.5, normalizer="none")(labels, logits).numpy().ravel()
    np.testing.assert_allclose(half, [np.log(2), np.log1p(np.exp(-1)), 0, 0], rtol=1e-6)
    kept = MaskedCrossentropy(2, hardest_fraction=1.0, normalizer="kept")
    assert float(kept(labels, logits)) == pytest.approx((np.log(2) + np.log1p(np.exp(-1))) / 4, rel=1e-6)


def test_ties_come_along():
    labels, logits = np.zeros((1, 1, 4), int), np.zeros((1, 1, 4, 2), np.float32)
    taken = MaskedCrossentropy(2, hardest_fraction=0.25, normalizer="none")(labels, logits).numpy()
    np.testing.assert_allclose(taken, np.full((1, 1, 4), np.log(2)), rtol=1e-6)


@examples(20)
@given(case=cases(), variant=variants(PIXEL_BASES, normalizers=NORMALIZERS))
def test_the_fraction_1_takes_all(case, variant):  # P36
    case = variant.fitted(case)
    value, gradient = evaluate(variant.build(case), case)
    everything = variant.but(hardest_fraction=1.0)
    mined, mined_gradient = evaluate(everything.build(case), case)
    np.testing.assert_array_equal(mined, value)
    np.testing.assert_array_equal(mined_gradient, gradient)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nothing_to_take(normalizer):  # P27
    labels, logits = eight_pixels()
    missed = np.zeros_like(logits) + np.array([5.0, 0.0], np.float32)
    for changes in ({"ignore_false_negatives_of": 1}, {"ignore_class": 1}):
        loss = MaskedCrossentropy(2, hardest_fraction=0.5, normalizer=normalizer, **changes)
        assert (loss(labels, missed).numpy() == 0).all()
