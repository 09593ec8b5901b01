"""The ways to write labels, and the weights that come with a batch."""

import keras
import numpy as np
import pytest
from cases import cases, examples
from family import LABEL_BASES, PIXEL_BASES, assert_identical, assert_same, evaluate, variants
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import MaskedCrossentropy

DTYPES = ("uint8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64")


@examples(40)
@given(case=cases(), variant=variants(), dtype=st.sampled_from(DTYPES))
def test_sparse_labels_of_any_dtype_and_one_hot_labels_agree(case, variant, dtype):  # P17
    case = variant.fitted(case.with_void(255))
    loss = variant.build(case)
    expected = evaluate(loss, case)
    assert_identical(evaluate(loss, case, labels=case.labels.astype(dtype)), expected)
    assert_identical(evaluate(loss, case, labels=case.labels[..., None].astype(dtype)), expected)
    one_hot = (case.labels[..., None] == np.arange(case.num_classes)).astype(dtype)  # void: all zeros
    assert_identical(evaluate(loss, case, labels=one_hot), expected)
    assert_identical(evaluate(variant.build(case, ignore_class=None), case, labels=one_hot.astype(bool)), expected)


@examples(15)
@given(case=cases(), variant=variants(), void=st.sampled_from([-1, -128, 100, 255, 32767]))
def test_any_integer_marks_void(case, variant, void):
    case = variant.fitted(case.with_void(255))
    other = case.with_void(void)
    assert_identical(evaluate(variant.build(other), other), evaluate(variant.build(case), case))


def test_a_class_can_be_void():
    labels, logits = np.array([[[0, 1, 2]]]), np.array([[[[1, 0, 2], [3, 0, 1], [0, 5, 0]]]], np.float32)
    hidden = MaskedCrossentropy(3, ignore_class=1)
    other = MaskedCrossentropy(3, ignore_class=255)
    assert float(hidden(labels, logits)) == float(other(np.array([[[0, 255, 2]]]), logits))
    assert float(hidden(np.eye(3)[labels], logits)) == float(hidden(labels, logits))


def test_soft_labels_count_as_their_largest_entry():
    logits = np.random.default_rng(0).normal(0, 2, (1, 1, 3, 3)).astype(np.float32)
    soft = np.array([[[[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.0, 1.0, 0.0]]]])
    loss = MaskedCrossentropy(3, ignore_false_negatives_of=1, alpha=0.5)
    assert float(loss(soft, logits)) == float(loss(np.array([[[1, 0, 1]]]), logits))


@examples(40)
@given(case=cases(), variant=variants(), per_pixel=st.booleans())
def test_one_sample_weight_per_image_in_every_shape(case, variant, per_pixel):  # P33
    case = variant.fitted(case)
    batch = case.labels.shape[0]
    given_weight = np.linspace(0.5, 2.0, batch).astype(np.float32)
    expected = evaluate(variant.build(case), case, sample_weight=given_weight)
    shape = case.labels.shape if per_pixel else (batch, 1, 1)
    spread = np.broadcast_to(given_weight[:, None, None], shape)
    assert_identical(evaluate(variant.build(case), case, sample_weight=spread), expected)
    assert_identical(evaluate(variant.build(case), case, sample_weight=given_weight[:, None]), expected)


@examples(30)
@given(case=cases(), variant=variants(PIXEL_BASES | LABEL_BASES, normalizers=["valid", "all", "kept", "class_weight"]))
def test_sample_weights_multiply_the_map(case, variant):  # P33
    case = variant.fitted(case)
    rng = np.random.default_rng(2)
    first, second = (rng.uniform(0, 2, case.labels.shape).astype(np.float32) for _ in "ab")
    pixels, _ = evaluate(variant.build(case, reduction="none"), case, sample_weight=None)
    for weight in (first, first * second):
        weighted, _ = evaluate(variant.build(case, reduction="none"), case, sample_weight=weight)
        np.testing.assert_allclose(weighted, weight * pixels, rtol=1e-6, atol=1e-6)
        value, _ = evaluate(variant.build(case), case, sample_weight=weight)
        np.testing.assert_allclose(value, (weight * pixels).mean(), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(evaluate(variant.build(case), case, sample_weight=weight[..., None])[0], value)


@examples(40)
@given(case=cases(), variant=variants(normalizers=["weight"]))
def test_a_sample_weight_of_0_is_void(case, variant):  # P33
    case = variant.fitted(case.with_void(255))
    silent = np.random.default_rng(3).random(case.labels.shape) < 0.3
    weights = np.where(silent, 0, 1.5).astype(np.float32)
    void = case.but(labels=np.where(silent, 255, case.labels), sample_weight=weights)
    assert_same(evaluate(variant.build(case), case, sample_weight=weights), evaluate(variant.build(case), void))


@pytest.mark.parametrize("normalizer", ["valid", "all", "weight"])
def test_reductions_are_those_of_keras(normalizer):
    rng = np.random.default_rng(4)
    labels, logits = rng.integers(0, 3, (2, 3, 4)), rng.normal(0, 2, (2, 3, 4, 3)).astype(np.float32)
    weights = rng.uniform(0, 2, (2, 3, 4)).astype(np.float32)

    def reduced(reduction):
        return MaskedCrossentropy(3, normalizer=normalizer, reduction=reduction)(labels, logits, weights).numpy()

    pixels = reduced("none")
    assert pixels.shape == labels.shape
    np.testing.assert_array_equal(reduced(None), pixels)
    reductions = {"sum": pixels.sum(), "mean": pixels.mean(), "sum_over_batch_size": pixels.mean()}
    if normalizer != "weight":
        reductions["mean_with_sample_weight"] = pixels.sum() / weights.sum()
    for reduction, expected in reductions.items():
        np.testing.assert_allclose(reduced(reduction), expected, rtol=1e-6)


def test_the_normalizer_none_leaves_the_pixels_alone():
    labels, logits = np.array([[[0, 1]]]), np.array([[[[1.0, 0.0], [3.0, 0.0]]]], np.float32)
    by_hand = [np.log1p(np.exp(-1)), np.log1p(np.exp(3))]
    loss = MaskedCrossentropy(2, normalizer="none")
    assert loss.reduction == "none"
    np.testing.assert_allclose(loss(labels, logits), [[by_hand]], rtol=1e-6)
    summed = MaskedCrossentropy(2, normalizer="none", reduction="sum")
    assert float(summed(labels, logits)) == pytest.approx(sum(by_hand), rel=1e-6)


def test_soft_labels_of_few_digits():
    logits = np.array([[[[1.0, 0.0, 2.0]]]], np.float32)
    thirds = keras.ops.cast([[[[1 / 3, 1 / 3, 1 / 3]]]], "bfloat16")  # their sum is 1.002
    loss = MaskedCrossentropy(3)
    assert float(loss(thirds, logits)) == float(loss(np.array([[[0]]]), logits))
