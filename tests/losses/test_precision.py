"""Half precision, saturated logits, large images, and ties."""

import numpy as np
import pytest
import tensorflow as tf
from cases import Case
from family import BASES, LABEL_BASES, MASKS, PIXEL_BASES, REGION_BASES, Variant, evaluate

from fnmask.losses import MaskedCrossentropy, MaskedDice, MaskedFocalCrossentropy

SIZE = 512
LARGEST = 6e4  # float16 ends at 65504


def variant_of(base, mask="argmax"):
    numbers = {"q": 0.7} if base == "generalized" else {}
    return Variant(base, None if base in LABEL_BASES else mask, numbers=numbers)


READINGS = [variant_of(base) for base in BASES]
READINGS += [variant_of(base, mask) for base in ("focal", "dice") for mask in MASKS if mask != "argmax"]


@pytest.fixture(scope="module")
def image():
    """A class let off, void, and noise of a trained network: most pixels are right by a margin of 6."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (1, SIZE, SIZE)).astype(np.int32)
    logits = rng.normal(0, 2, (1, SIZE, SIZE, 3)) + 6 * np.eye(3)[labels]
    labels[0, :20] = 255
    case = Case(labels, logits, np.ones((3, 3)), np.ones(3, np.float32), target=1, ignore_class=255)
    return case.with_target_row(0.25)


@pytest.mark.parametrize("variant", READINGS, ids=lambda variant: f"{variant.base}-{variant.mask}")
def test_low_precision_is_computed_in_float32(image, variant):  # P28
    case = variant.fitted(image)
    loss = variant.build(case)
    exact, _ = evaluate(loss, case)  # float64
    for dtype in ("float32", "float16", "bfloat16"):
        value, gradient = evaluate(loss, case, logits=tf.cast(case.logits, dtype))
        assert value.dtype == np.float32
        assert tf.as_dtype(gradient.dtype) == dtype
        assert np.isfinite(gradient.astype(np.float32)).all()
        assert float(value) == pytest.approx(float(exact), rel=1e-2), dtype


@pytest.mark.parametrize("base", BASES)
def test_a_large_image_of_equal_pixels(base):  # P28: where every rounding of a sum goes the same way
    labels = np.arange(SIZE * SIZE).reshape(1, SIZE, SIZE) % 3
    logits = 4.6 * np.eye(3)[labels]
    case = Case(labels, logits, np.ones((3, 3), np.float32), np.ones(3, np.float32), target=1)
    variant = variant_of(base)
    exact, _ = evaluate(variant.build(case), case)
    value, _ = evaluate(variant.build(case), case, logits=logits.astype(np.float32))
    assert float(value) == pytest.approx(float(exact), rel=1e-2)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_saturated_logits_are_finite(base, dtype):  # P28
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (1, 4, 8)).astype(np.int32)
    logits = rng.choice([-LARGEST, 0.0, LARGEST], (1, 4, 8, 3)).astype(np.float32)
    case = Case(labels, logits, np.ones((3, 3)), np.ones(3, np.float32), target=1).with_target_row(0.25)
    masks = [None] if base in LABEL_BASES else MASKS
    for mask in masks:
        variant = variant_of(base, mask)
        value, gradient = evaluate(variant.build(case), case, logits=tf.cast(logits, dtype))
        assert np.isfinite(value), mask
        assert value >= 0, mask
        assert np.isfinite(gradient.astype(np.float32)).all(), mask


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("margin", [-200.0, -20.0, 0.0, 20.0, 90.0, 200.0])
def test_the_focal_loss_keeps_its_digits_at_both_ends(gamma, margin):
    logits = np.array([[[[margin, 0.0]]]])
    case = Case(np.array([[[0]]]), logits, np.ones((2, 2)), np.ones(2), target=0)
    loss = Variant("focal", numbers={"gamma": gamma}).build(case)
    exact, exact_gradient = evaluate(loss, case)
    value, gradient = evaluate(loss, case, logits=logits.astype(np.float32))
    np.testing.assert_allclose(value, exact, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-5, atol=1e-7)  # p - 1 has the digits of p


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("base", [*PIXEL_BASES, *REGION_BASES])
def test_a_tie_goes_to_the_lowest_class(base, dtype):  # P29
    tie = tf.zeros((1, 1, 3, 3), dtype)
    labels = np.array([[[0, 1, 2]]])
    # All are called 0: a hit of 0, a miss of 1 whose rival is 0, a miss of 2 whose rival is 0.
    matrix = np.array([[1, 0.5, 0.25], [0.1, 1, 0.2], [0.3, 0.4, 1]], np.float32)
    expected = {"argmax": [1, 0.1, 0.3], "disagreement": [1, 0.1, 0.3], "threshold": [0.5, 0.1, 0.3]}
    expected["margin"] = (1 + np.array([0.5, 0.1, 0.3])) / 2
    for mask, weights in expected.items():
        numbers = {"threshold": {"threshold": 0.5}, "disagreement": {"threshold": 0.3}}.get(mask, {})
        loss = BASES[base][0](3, error_weights=matrix, mask=mask, **numbers)
        np.testing.assert_allclose(loss.pixel_weights(labels, tie)[0, 0], weights, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_prediction_is_that_of_the_logits_as_they_came(dtype):  # P29
    rng = np.random.default_rng(2)
    logits = tf.cast(rng.normal(0, 1, (2, 64, 64, 4)), dtype)
    as_given = logits.numpy().astype(np.float64)
    called = as_given.argmax(-1)  # NumPy's argmax too takes the first of equals
    top_two = np.sort(as_given, axis=-1)[..., -2:]
    assert (top_two[..., 0] == top_two[..., 1]).any()
    labels = rng.integers(0, 4, called.shape)
    matrix = np.arange(1, 17).reshape(4, 4) / 16
    np.fill_diagonal(matrix, 1)
    weights = BASES["crossentropy"][0](4, error_weights=matrix).pixel_weights(labels, logits)
    np.testing.assert_array_equal(weights, matrix[labels, called].astype(np.float32))


def test_sums_over_many_pixels_keep_their_digits():
    # A float32 sum that adds one by one is off by 1e-3 here.
    labels, logits = np.tile(np.arange(4), (2, 600, 250)), np.zeros((2, 600, 1000, 4), np.float32)
    for normalizer in ("valid", "per_class"):
        loss = MaskedCrossentropy(4, normalizer=normalizer)
        assert float(loss(labels, logits)) == pytest.approx(np.log(4), rel=2e-6)
    assert float(MaskedDice(4)(labels, logits)) == pytest.approx(0.75, rel=2e-6)


@pytest.mark.parametrize("lead", [1e4, 1e10, 1e30])
def test_focal_of_a_hit_with_a_huge_logit_is_nothing(lead):
    loss = MaskedFocalCrossentropy(2, gamma=0.0)
    assert float(loss(np.array([[[0]]]), np.array([[[[lead, 0.0]]]], np.float32))) < 1e-37
    assert float(loss(np.array([[[1]]]), np.array([[[[lead, 0.0]]]], np.float32))) == pytest.approx(lead)
