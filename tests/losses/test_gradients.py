"""What the mask makes of gradients: none at ignored misses, a share at others, none through the weight itself."""

import numpy as np
import pytest
import tensorflow as tf
from cases import cases, examples
from family import MASKS, PIXEL_BASES, REGION_BASES, Variant, evaluate, variants
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import MaskedCrossentropy, MaskedDice, WeightedSum

MASKED_BASES = tuple(PIXEL_BASES | REGION_BASES)


@examples(60)
@given(case=cases(), variant=variants(MASKED_BASES, ["argmax"]))
def test_an_ignored_miss_has_no_gradient_at_all(case, variant):  # P4
    case = case.with_target_row(0.0)
    _, gradient = evaluate(variant.build(case), case)
    silent = case.false_negatives | case.void
    assert (gradient[silent] == 0).all()
    learns = np.abs(gradient[~silent]).max(-1) > 0
    assert learns.any() if variant.is_region and learns.size else learns.all()


@examples(30)
@given(
    case=cases(),
    variant=variants(PIXEL_BASES, ["argmax"], ("valid", "all")),
    alpha=st.sampled_from([0.1, 0.5, 3.0]),
)
def test_an_attenuated_miss_has_alpha_times_the_gradient(case, variant, alpha):  # P5
    plain, row = case.plain(), case.with_target_row(alpha)
    _, base = evaluate(variant.build(plain), plain)
    _, gradient = evaluate(variant.build(row), row)
    factor = np.where(case.false_negatives, alpha, 1.0)[..., None]
    np.testing.assert_allclose(gradient, factor * base, rtol=0, atol=1e-6)


@examples(60)
@given(case=cases(), variant=variants(MASKED_BASES, MASKS, ("valid", "all", "weight", "class_weight")))
def test_the_weight_is_a_constant_to_the_gradient(case, variant):  # P6
    case = variant.fitted(case)
    weights = variant.build(case).pixel_weights(case.labels, tf.constant(case.logits)).numpy()
    if case.sample_weight is not None:
        weights *= case.sample_weight.reshape(-1, 1, 1) if case.sample_weight.ndim == 1 else case.sample_weight
    ones = np.ones_like(case.error_weights)
    frozen = Variant(variant.base, normalizer=variant.normalizer, numbers=variant.base_numbers)
    frozen = frozen.build(case, error_weights=ones)
    expected_value, expected = evaluate(frozen, case, sample_weight=weights)
    value, gradient = evaluate(variant.build(case), case)
    np.testing.assert_allclose(value, expected_value, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=3e-7, atol=1e-7)


@examples(20)
@given(case=cases(), power=st.sampled_from([0.1, 0.7, 1.0]))
def test_confidence_at_alpha_0_is_generalized_cross_entropy_on_the_target(case, power):  # P8
    row, at = case.with_target_row(0.0), case.labels == case.target
    _, gradient = evaluate(Variant("crossentropy", "confidence", numbers={"power": power}).build(row), row)
    _, generalized = evaluate(Variant("generalized", numbers={"q": power}).build(case.plain()), case.plain())
    _, plain = evaluate(Variant("crossentropy").build(case.plain()), case.plain())
    np.testing.assert_allclose(gradient[at], generalized[at], rtol=0, atol=1e-5)
    np.testing.assert_allclose(gradient[~at], plain[~at], rtol=0, atol=1e-6)


def test_without_the_stop_gradient_a_miss_would_be_pushed_further_away():
    # -p log p falls in p above 1/e only: at p = .1 its descent lowers p. Ours raises the logit of the label.
    labels, logits = np.array([[[1]]]), np.log(np.array([[[[0.9, 0.1]]]], np.float32))
    with tf.GradientTape() as tape:
        z = tf.constant(logits)
        tape.watch(z)
        p = tf.nn.softmax(z)[..., 1]
        leaking = tf.reduce_sum(-p * tf.math.log(p))
    loss = PIXEL_BASES["crossentropy"][0](2, ignore_false_negatives_of=1, mask="confidence")
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(labels, z)
    gradient = tape.gradient(value, z).numpy()
    assert float(value) == pytest.approx(float(leaking), rel=1e-5)
    assert gradient[0, 0, 0, 1] < 0


@examples(30)
@given(case=cases(), variant=variants(MASKED_BASES, MASKS))
def test_the_weight_of_a_pixel_is_its_own_affair(case, variant):  # P23
    case = variant.fitted(case)
    rng = np.random.default_rng(1)
    place = tuple(rng.integers(0, size) for size in case.labels.shape)
    other = case.but(logits=case.logits.copy(), labels=case.labels.copy())
    other.logits[place] = rng.normal(0, 3, case.num_classes)
    other.labels[place] = (case.labels[place] + 1) % case.num_classes
    before, after = (
        variant.build(case).pixel_weights(one.labels, tf.constant(one.logits)).numpy() for one in (case, other)
    )
    changed = before != after
    changed[place] = False
    assert not changed.any()


@examples(20)
@given(case=cases())
def test_a_pixel_weighs_alpha_while_it_is_missed(case):  # P23
    row = case.with_target_row(0.25)
    weights = Variant("crossentropy").build(row).pixel_weights(row.labels, tf.constant(row.logits)).numpy()
    np.testing.assert_array_equal(weights, np.where(case.void, 0, np.where(case.false_negatives, 0.25, 1)))
    corrected = row.logits.copy()
    corrected[case.false_negatives, case.target] += 100
    mended = Variant("crossentropy").build(row).pixel_weights(row.labels, tf.constant(corrected)).numpy()
    np.testing.assert_array_equal(mended, np.where(case.void, 0, 1))


@pytest.mark.parametrize("build", [MaskedCrossentropy, MaskedDice, None])
def test_value_and_gradient_are_those_of_the_tape(build):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, (2, 5, 6)).astype(np.int32)
    labels[0, 0] = 255
    logits = tf.constant(rng.normal(0, 2, (2, 5, 6, 4)).astype(np.float32))
    arguments = {"ignore_false_negatives_of": 1, "alpha": 0.3, "ramp": 0.7, "ignore_class": 255}
    if build is None:
        loss = WeightedSum([MaskedCrossentropy(4, **arguments), MaskedDice(4, **arguments)], weights=[0.5, 2.0])
    else:
        loss = build(4, **arguments)
    weight = rng.uniform(0.5, 2, (2, 5, 6)).astype(np.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(labels, logits, weight)
    told, gradient = loss.value_and_gradient(labels, logits, weight)
    assert float(told) == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_allclose(gradient, tape.gradient(value, logits), rtol=1e-5, atol=1e-9)
