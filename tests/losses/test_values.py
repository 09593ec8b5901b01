"""Value and gradient of every base under every mask and normalizer, against the oracle."""

import numpy as np
import pytest
import tensorflow as tf
from cases import cases, examples
from family import LABEL_BASES, MASKS, NORMALIZERS, PIXEL_BASES, REGION_BASES, evaluate, variants
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import (
    ExpectedCost,
    LabelSetCrossentropy,
    MaskedCrossentropy,
    MaskedFocalCrossentropy,
    MaskedGeneralizedCrossentropy,
    RelabelCrossentropy,
)

PIXEL_READINGS = [(base, mask) for base in PIXEL_BASES for mask in MASKS] + [(base, None) for base in LABEL_BASES]
REGION_READINGS = [(base, mask) for base in REGION_BASES for mask in (*MASKS, None) if (base, mask) != ("lovasz", None)]


@pytest.mark.parametrize(("base", "mask"), PIXEL_READINGS)
def test_losses_over_pixels_are_the_oracles(base, mask):  # P1
    @examples(3 if mask else 12)  # the gradient of each mask is the same, that of each label loss its own
    @given(case=cases(), variant=variants([base], [mask]), data=st.data())
    def check(case, variant, data):
        case = variant.fitted(case)
        for normalizer in data.draw(st.permutations(NORMALIZERS))[:4]:
            one = variant.but(normalizer=normalizer)
            expected = one.solve(case)
            value, gradient = evaluate(one.build(case), case)
            np.testing.assert_allclose(
                value, expected.pixels if normalizer == "none" else expected.loss, rtol=1e-5, atol=1e-5
            )
            np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-4, atol=2e-6)

    check()


@pytest.mark.parametrize(("base", "mask"), REGION_READINGS)
def test_losses_over_regions_are_the_oracles(base, mask):  # P1
    @examples(4)
    @given(case=cases(sizes=(2, 3, 3), most_classes=4), variant=variants([base], [mask]))
    def check(case, variant):
        case = variant.fitted(case)
        expected = variant.solve(case)
        value, gradient = evaluate(variant.build(case), case)
        np.testing.assert_allclose(value, expected.loss, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-4, atol=2e-6)

    check()


@examples(60)
@given(case=cases(sizes=(2, 2, 3), most_classes=4), variant=variants())
def test_in_float64_gradients_are_finite_differences(case, variant):  # P7
    case = variant.fitted(case.but(logits=case.logits.astype(np.float64)))
    expected = variant.solve(case)
    value, gradient = evaluate(variant.build(case), case)
    assert value.dtype == gradient.dtype == np.float64
    np.testing.assert_allclose(value, expected.loss, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-5, atol=1e-7)


@examples(60)
@given(case=cases(sizes=(2, 3, 3)), variant=variants())
def test_pixel_weights_are_the_oracles(case, variant):  # P1
    case = variant.fitted(case)
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        weights = variant.build(case).pixel_weights(case.labels, logits)
    assert tape.gradient(weights, logits) is None
    assert weights.dtype == tf.float32
    np.testing.assert_allclose(weights, variant.solve(case).weights, atol=1e-6)


def test_one_pixel_by_hand():
    # softmax of (ln 3, 0) is (3/4, 1/4). The pixel is class 1 and called 0: a miss, -log p = ln 4.
    labels, logits = np.array([[[1]]]), np.array([[[[np.log(3.0), 0.0]]]], np.float32)
    half = {"ignore_false_negatives_of": 1, "alpha": 0.5}
    by_hand = {
        MaskedCrossentropy(2, **half): 0.5 * np.log(4),
        MaskedCrossentropy(2, **half, mask="confidence"): (0.5 + 0.5 * 0.25) * np.log(4),
        MaskedCrossentropy(2, **half, mask="confidence", power=0.5): (0.5 + 0.5 * 0.5) * np.log(4),
        MaskedCrossentropy(2, **half, mask="expectation"): (0.5 * 0.75 + 0.25) * np.log(4),
        # The margin is -ln 3, and sigmoid(-ln 3) = 1/4.
        MaskedCrossentropy(2, **half, mask="margin"): (0.5 + 0.5 * 0.25) * np.log(4),
        MaskedCrossentropy(2, **half, mask="threshold", threshold=0.2): np.log(4),
        MaskedCrossentropy(2, **half, mask="threshold", threshold=0.3): 0.5 * np.log(4),
        MaskedCrossentropy(2, **half, mask="disagreement", threshold=0.7): 0.5 * np.log(4),
        MaskedCrossentropy(2, **half, mask="disagreement", threshold=0.8): np.log(4),
        MaskedCrossentropy(2, label_smoothing=0.2): 0.9 * np.log(4) + 0.1 * np.log(4 / 3),
        MaskedFocalCrossentropy(2, gamma=2.0): 0.75**2 * np.log(4),
        MaskedGeneralizedCrossentropy(2, q=0.5): (1 - 0.5) / 0.5,
        ExpectedCost(2, error_weights=[[1, 1], [6, 1]], cost_weight=2.0): 2 * 6 * 0.75,
        ExpectedCost(2, error_weights=[[1, 1], [6, 1]], crossentropy_weight=1.0): np.log(4) + 6 * 0.75,
        # rho = 1/2: the label is accepted with 1/4 + 1/2 * 3/4 = 5/8.
        LabelSetCrossentropy(2, **half): -np.log(5 / 8),
        LabelSetCrossentropy(2, ignore_false_negatives_of=1): 0.0,
        RelabelCrossentropy(2, **half): 0.5 * np.log(4) + 0.5 * np.log(4 / 3),
    }
    for loss, expected in by_hand.items():
        assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-6, abs=1e-6), loss.get_config()
    wrong_once = ExpectedCost(2, error_weights=[[1, 1], [0, 1]])
    assert float(wrong_once(labels, logits)) == 0  # a row of zeros: nothing to gain from being right either
