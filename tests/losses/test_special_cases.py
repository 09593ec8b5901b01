"""Where two losses of the family, or one of it and one of Keras, have to be the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import Case, cases, examples
from family import (
    BASES,
    LABEL_BASES,
    MASKS,
    PIXEL_BASES,
    REGION_BASES,
    Variant,
    assert_identical,
    assert_same,
    evaluate,
    variants,
)
from hypothesis import given
from hypothesis import strategies as st


def bare(variant: Variant, case: Case):
    """The base of a variant as a user without a matrix writes it."""
    name, arguments = variant.base, variant.base_numbers
    if name in LABEL_BASES:
        name, arguments = "crossentropy", {}
    if name not in REGION_BASES:
        arguments = arguments | {"normalizer": variant.normalizer}
    weights = {"class_weights": case.class_weights, "ignore_class": case.ignore_class}
    return evaluate(BASES[name][0](case.num_classes, **weights, **arguments), case)


@examples(60)
@given(case=cases(), variant=variants())
def test_ones_are_the_base(case, variant):  # P2, P10
    if variant.base == "expected_cost":
        variant = variant.but(numbers={"cost_weight": 0.0, "crossentropy_weight": 1.0})
    ones = np.ones_like(case.error_weights)
    case = case.but(error_weights=ones)
    assert_same(evaluate(variant.build(case), case), bare(variant, case))


@examples(60)
@given(case=cases(), variant=variants())
def test_before_the_warm_up_ends_every_loss_is_its_base_bit_for_bit(case, variant):  # P35
    case = variant.fitted(case).but(ramp=0.0)
    assert_identical(evaluate(variant.build(case), case), bare(variant, case))


@examples(40)
@given(case=cases(), variant=variants())
def test_a_full_ramp_is_no_ramp(case, variant):  # P35
    case = variant.fitted(case).but(ramp=1.0)
    assert_identical(evaluate(variant.build(case), case), evaluate(variant.build(case.but(ramp=0.5), ramp=1.0), case))


@examples(30)
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_plain_is_the_cross_entropy_of_keras(case, mask):  # P3
    if case.void.all():
        return
    logits = tf.constant(case.logits)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=case.ignore_class)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        reference = sparse(case.labels, logits)
    case = case.with_target_row(1.0)
    ours = evaluate(Variant("crossentropy", mask).build(case), case)
    assert_same(ours, (reference.numpy(), tape.gradient(reference, logits).numpy()))


@examples(15)
@given(case=cases(), epsilon=st.sampled_from([0.0, 0.1, 0.5]))
def test_plain_is_the_one_hot_cross_entropy_of_keras(case, epsilon):  # P3, P37
    labels = np.where(case.void, 0, case.labels)
    one_hot, logits = np.eye(case.num_classes, dtype=np.float32)[labels], tf.constant(case.logits)
    categorical = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=epsilon)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        reference = categorical(one_hot, logits)
    case = case.plain(labels=one_hot, ignore_class=None)
    ours = evaluate(Variant("smoothed", numbers={"label_smoothing": epsilon}).build(case), case)
    assert_same(ours, (reference.numpy(), tape.gradient(reference, logits).numpy()))


@examples(20)
@given(case=cases(), variant=variants(["crossentropy"], ["argmax"]))
def test_no_smoothing_is_none(case, variant):  # P37
    plain = evaluate(variant.build(case), case)
    smoothed = evaluate(variant.build(case, label_smoothing=0.0), case)
    assert_identical(smoothed, plain)
    loss, gradient = evaluate(variant.build(case, label_smoothing=0.3, normalizer="none"), case)
    assert (loss[case.void] == 0).all()
    assert (gradient[case.void] == 0).all()


@examples(20)
@given(case=cases(), variant=variants(["focal"]))
def test_limits_of_the_exponents(case, variant):
    case = variant.fitted(case)
    cross_entropy = variant.but(base="crossentropy", numbers=variant.mask_numbers)
    plain = evaluate(cross_entropy.build(case), case)
    assert_same(evaluate(variant.build(case, gamma=0.0), case), plain)
    nearly = cross_entropy.but(base="generalized").build(case, q=1e-4)
    np.testing.assert_allclose(evaluate(nearly, case)[0], plain[0], rtol=5e-3, atol=1e-5)


@examples(30)
@given(case=cases(), base=st.sampled_from(tuple(PIXEL_BASES | REGION_BASES)))
def test_limits_of_the_masks(case, base):  # P9, P10
    def under(mask, **numbers):
        return evaluate(Variant(base, mask, numbers=numbers).build(case), case)

    hard = under("argmax")
    assert_same(under("margin", temperature=1e-4), hard, atol=1e-4)
    assert_same(under("disagreement", threshold=0.0), hard)
    # Above every probability: no confident miss, and a pixel that never survives.
    ones = np.ones_like(case.error_weights)
    plain = evaluate(Variant(base).build(case, error_weights=ones), case)
    assert_same(under("threshold", threshold=0.0), plain)
    assert_same(under("disagreement", threshold=1.5), plain)


@examples(20)
@given(case=cases(), base=st.sampled_from(tuple(PIXEL_BASES)), alpha=st.sampled_from([0.0, 0.25, 2.0]))
def test_limits_of_the_masks_on_a_row(case, base, alpha):  # P9, P10
    row, sample_weight = case.with_target_row(alpha), case.sample_weight
    row = row.but(sample_weight=sample_weight)
    weights = np.where(np.arange(case.num_classes) == case.target, alpha, 1.0)
    down = row.plain(sample_weight=sample_weight, class_weights=weights.astype(np.float32))
    down_weighted = evaluate(Variant(base).build(down), down)
    assert_same(evaluate(Variant(base, "threshold", numbers={"threshold": 1.5}).build(row), row), down_weighted)
    halfway = down.but(class_weights=((1 + weights) / 2).astype(np.float32))
    flat = Variant(base, "margin", numbers={"temperature": 1e6}).build(row)
    assert_same(evaluate(flat, row), evaluate(Variant(base).build(halfway), halfway), atol=1e-4)
    # On a row of one number the expectation is the confidence of power 1, and power 0 is no mask.
    soft = evaluate(Variant(base, "confidence").build(row), row)
    assert_same(evaluate(Variant(base, "expectation").build(row), row), soft)
    plain = row.plain(sample_weight=sample_weight)
    unmasked = evaluate(Variant(base).build(plain), plain)
    assert_same(evaluate(Variant(base, "confidence", numbers={"power": 0.0}).build(row), row), unmasked)


@examples(10)
@given(case=cases(), alpha=st.sampled_from([0.0, 0.4]))
def test_the_shortcut_is_the_row_of_the_matrix(case, alpha):  # P10: V7 with row c is V2
    matrix = Variant("crossentropy").build(case.with_target_row(alpha))
    shortcut = Variant("crossentropy").build(
        case.plain(), error_weights=None, ignore_false_negatives_of=case.target, alpha=alpha
    )
    assert_identical(evaluate(shortcut, case), evaluate(matrix, case))


@pytest.mark.parametrize("base", ["tversky", "focal_tversky"])
@examples(10)
@given(case=cases())
def test_dice_and_jaccard_are_cases_of_tversky(base, case):  # P26
    for name, weight in (("dice", 0.5), ("jaccard", 1.0)):
        numbers = {"false_positive_weight": weight, "false_negative_weight": weight}
        if base == "focal_tversky":
            numbers["gamma"] = 1.0
        assert_same(
            evaluate(Variant(base, numbers=numbers).build(case), case), evaluate(Variant(name).build(case), case)
        )
