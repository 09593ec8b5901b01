"""The function against the oracle, and the properties that follow from its formula."""

from dataclasses import replace

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf
from cases import MASKS, NORMALIZERS, Case, cases, quick, thorough
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import masked_crossentropy, pixel_weights


def evaluate(case: Case, **structure):
    """Loss, gradient and map of the package for a case."""
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        pixels = masked_crossentropy(
            tf.constant(case.labels), logits, **case.numbers(), ignore_class=case.ignore_class, **structure
        )
        loss = tf.reduce_mean(pixels)
    return float(loss), tape.gradient(loss, logits).numpy(), pixels.numpy()


def weights_of(case: Case, mask="argmax"):
    return pixel_weights(
        case.labels,
        tf.constant(case.logits),
        error_weights=case.error_weights,
        ramp=case.ramp,
        mask=mask,
        ignore_class=case.ignore_class,
    ).numpy()


@thorough
@given(case=cases(), mask=st.sampled_from(MASKS), normalizer=st.sampled_from(NORMALIZERS))
def test_value_weight_and_gradient_are_the_oracles(case, mask, normalizer):  # P1, P6
    expected = oracle.solve(
        case.labels, case.logits, **case.numbers(), mask=mask, ignore_class=case.ignore_class, normalizer=normalizer
    )
    loss, gradient, _ = evaluate(case, mask=mask, normalizer=normalizer)
    np.testing.assert_allclose(loss, expected.loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights_of(case, mask), expected.weights, atol=1e-6)


def test_one_pixel_by_hand():
    # softmax of (ln 3, 0) is (3/4, 1/4). The pixel is class 1 and called 0: a miss, -log p = ln 4 = 1.3863.
    logits, labels = np.array([[[[np.log(3.0), 0.0]]]], np.float32), np.array([[[1]]])
    matrix, ones = np.array([[1.0, 1.0], [0.5, 1.0]], np.float32), np.ones(2, np.float32)
    hard = masked_crossentropy(labels, logits, error_weights=matrix, class_weights=ones)
    assert float(hard[0, 0, 0]) == pytest.approx(0.5 * np.log(4))
    # By confidence the weight is 0.5 * 3/4 + 1 * 1/4 = 5/8.
    soft = masked_crossentropy(labels, logits, error_weights=matrix, class_weights=ones, mask="confidence")
    assert float(soft[0, 0, 0]) == pytest.approx(0.625 * np.log(4))


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_plain_is_the_cross_entropy_of_keras(case, mask):  # P2, P3
    if case.void.all():
        return
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        reference = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=case.ignore_class)(
            case.labels, logits
        )
    loss, gradient, _ = evaluate(case.with_target_row(1.0), mask=mask)
    assert loss == pytest.approx(float(reference), abs=1e-6, rel=1e-6)
    np.testing.assert_allclose(gradient, tape.gradient(reference, logits).numpy(), atol=1e-6)


@thorough
@given(case=cases())
def test_an_ignored_miss_has_no_gradient_at_all(case):  # P4
    _, gradient, _ = evaluate(case.with_target_row(0.0))
    silent = case.false_negatives | case.void
    assert (gradient[silent] == 0).all()
    assert (np.abs(gradient[~silent]).max(-1) > 0).all()


@quick
@given(case=cases(), alpha=st.sampled_from([0.1, 0.5, 3.0]), normalizer=st.sampled_from(["valid", "all"]))
def test_an_attenuated_miss_has_alpha_times_the_gradient(case, alpha, normalizer):  # P5
    _, base, _ = evaluate(case.plain(), normalizer=normalizer)
    _, gradient, _ = evaluate(case.with_target_row(alpha), normalizer=normalizer)
    factor = np.where(case.false_negatives, alpha, 1.0)[..., None]
    np.testing.assert_allclose(gradient, factor * base, atol=1e-6)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_finite_differences_with_frozen_weights(case, mask):  # P7
    step, z = 1e-5, case.logits.astype(np.float64)
    case = replace(case, logits=z)
    weights = weights_of(case, mask).astype(np.float64)
    _, gradient, pixels = evaluate(case, mask=mask)
    assert pixels.dtype == np.float64
    labeled = max(1, (~case.void).sum())
    for place in [np.unravel_index(i, z.shape) for i in range(0, z.size, 7)]:
        b, h, w, _ = place
        if case.void[b, h, w]:
            continue
        label, up, down = case.labels[b, h, w], z[b, h, w].copy(), z[b, h, w].copy()
        up[place[3]] += step
        down[place[3]] -= step
        slope = -(oracle.log_softmax(up)[label] - oracle.log_softmax(down)[label]) / (2 * step)
        expected = case.class_weights[label] * weights[b, h, w] * slope / labeled
        assert gradient[place] == pytest.approx(expected, abs=1e-5)


@quick
@given(case=cases())
def test_confidence_at_alpha_0_is_generalized_cross_entropy_on_the_target(case):  # P8, q = 1
    is_target = (case.labels == case.target).astype(np.float32)
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        gce = tf.reduce_sum(is_target * (1 - tf.nn.softmax(logits)[..., case.target]))
    expected = tape.gradient(gce, logits).numpy() / max(1, (~case.void).sum())
    _, gradient, _ = evaluate(case.with_target_row(0.0), mask="confidence")
    at = case.labels == case.target
    np.testing.assert_allclose(gradient[at], expected[at], atol=1e-6)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_more_void_changes_nothing_but_the_normalizer_all(case, mask):  # P11
    case = replace(case, ignore_class=255, labels=np.where(case.void, 255, case.labels))
    padding = ((0, 0), (0, 2), (0, 0))
    padded = replace(
        case,
        labels=np.pad(case.labels, padding, constant_values=255),
        logits=np.pad(case.logits, (*padding, (0, 0)), constant_values=1e4),
    )
    assert evaluate(padded, mask=mask)[0] == pytest.approx(evaluate(case, mask=mask)[0], abs=1e-6, rel=1e-6)
    share = case.labels.size / padded.labels.size
    before, after = (evaluate(one, mask=mask, normalizer="all")[0] for one in (case, padded))
    assert after == pytest.approx(share * before, abs=1e-6, rel=1e-6)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS), junk=st.sampled_from([0.0, 1e30, np.nan, np.inf, -np.inf]))
def test_void_logits_reach_neither_loss_nor_gradient(case, mask, junk):  # P12, P13
    spoiled = replace(case, logits=np.where(case.void[..., None], np.float32(junk), case.logits))
    loss, gradient, _ = evaluate(case, mask=mask)
    spoiled_loss, spoiled_gradient, _ = evaluate(spoiled, mask=mask)
    assert spoiled_loss == loss
    np.testing.assert_array_equal(spoiled_gradient, gradient)
    assert np.isfinite(gradient).all()
    assert (weights_of(spoiled, mask)[case.void] == 0).all()


@pytest.mark.parametrize("mask", MASKS)
def test_nan_at_a_labeled_pixel_is_not_hidden(mask):
    logits = np.array([[[[np.nan, 0.0]]]], np.float32)
    pixels = masked_crossentropy(
        np.array([[[0]]]), logits, error_weights=np.ones((2, 2)), class_weights=np.ones(2), mask=mask
    )
    assert np.isnan(pixels.numpy()).all()


@quick
@given(case=cases(), mask=st.sampled_from(MASKS), data=st.data())
def test_renaming_classes_changes_nothing(case, mask, data):  # P14
    order = np.array(data.draw(st.permutations(range(case.num_classes))))  # new class j is old class order[j]
    new_name = np.argsort(order)
    labels = np.where(case.void, case.labels, new_name[np.where(case.void, 0, case.labels)])
    renamed = replace(
        case,
        labels=labels.astype(np.int32),
        logits=case.logits[..., order],
        error_weights=case.error_weights[np.ix_(order, order)],
        class_weights=case.class_weights[order],
    )
    loss, gradient, _ = evaluate(case, mask=mask)
    renamed_loss, renamed_gradient, _ = evaluate(renamed, mask=mask)
    assert renamed_loss == pytest.approx(loss, abs=1e-6, rel=1e-6)
    np.testing.assert_allclose(renamed_gradient, gradient[..., order], atol=1e-6)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_a_constant_added_to_the_logits_of_a_pixel_changes_nothing(case, mask):  # P19
    shift = np.random.default_rng(0).normal(0, 5, case.labels.shape)[..., None].astype(np.float32)
    assert evaluate(replace(case, logits=case.logits + shift), mask=mask)[0] == pytest.approx(
        evaluate(case, mask=mask)[0], abs=1e-5, rel=1e-5
    )


@quick
@given(case=cases(), normalizer=st.sampled_from(["weight", "class_weight"]), scale=st.sampled_from([0.1, 7.0]))
def test_scale_of_the_class_weights(case, normalizer, scale):  # P20
    scaled = replace(case, class_weights=case.class_weights * np.float32(scale))
    assert evaluate(scaled, normalizer=normalizer)[0] == pytest.approx(
        evaluate(case, normalizer=normalizer)[0], abs=1e-6, rel=1e-5
    )
    assert evaluate(scaled)[0] == pytest.approx(scale * evaluate(case)[0], abs=1e-6, rel=1e-5)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS), normalizer=st.sampled_from(NORMALIZERS))
def test_never_negative_and_zero_when_perfect(case, mask, normalizer):  # P21
    assert evaluate(case, mask=mask, normalizer=normalizer)[0] >= 0
    ids = np.where(case.void, 0, case.labels)
    perfect = replace(case, logits=100 * np.eye(case.num_classes, dtype=np.float32)[ids])
    assert evaluate(perfect, mask=mask, normalizer=normalizer)[0] <= 1e-6


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_the_loss_does_not_fall_as_alpha_grows(case, mask):  # P22
    losses = [evaluate(case.with_target_row(alpha), mask=mask)[0] for alpha in (0.0, 0.1, 0.4, 0.7, 1.0, 2.0)]
    assert losses == sorted(losses)


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_the_weight_of_a_pixel_is_its_own_affair(case, mask):  # P23
    before, rng = weights_of(case, mask), np.random.default_rng(1)
    place = tuple(rng.integers(0, size) for size in case.labels.shape)
    other = replace(case, logits=case.logits.copy(), labels=case.labels.copy())
    other.logits[place] = rng.normal(0, 3, case.num_classes)
    other.labels[place] = (case.labels[place] + 1) % case.num_classes
    changed = weights_of(other, mask) != before
    changed[place] = False
    assert not changed.any()


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nothing_but_void(mask, normalizer):  # P27
    case = Case(
        labels=np.full((1, 1, 1), 9, np.int32),
        logits=np.zeros((1, 1, 1, 3), np.float32),
        error_weights=np.ones((3, 3), np.float32),
        class_weights=np.ones(3, np.float32),
        target=0,
        ramp=1.0,
        ignore_class=9,
    )
    loss, gradient, _ = evaluate(case, mask=mask, normalizer=normalizer)
    assert loss == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nothing_but_ignored_misses(normalizer):  # P27: Z is 0 under kept and weight
    matrix = np.array([[1, 1], [0, 1]], np.float32)
    case = Case(np.ones((1, 2, 2), np.int32), np.zeros((1, 2, 2, 2), np.float32), matrix, np.ones(2), 1, 1.0, None)
    loss, gradient, _ = evaluate(case, normalizer=normalizer)
    assert loss == 0
    assert (gradient == 0).all()


@quick
@given(case=cases())
def test_an_absent_target_leaves_the_plain_loss(case):  # P27
    other = (case.target + 1) % case.num_classes
    case = replace(case, labels=np.where(case.labels == case.target, other, case.labels))
    assert evaluate(case.with_target_row(0.0))[0] == evaluate(case.plain())[0]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mask", MASKS)
def test_half_precision_is_summed_in_float32(dtype, mask):  # P28
    rng = np.random.default_rng(0)
    exact = rng.normal(0, 3, (1, 512, 512, 3)).astype(np.float32)
    exact[0, :4] = [6e4, -6e4, 0]
    labels = rng.integers(0, 3, (1, 512, 512))
    numbers = {"error_weights": np.ones((3, 3), np.float32), "class_weights": np.ones(3, np.float32)}
    pixels = masked_crossentropy(labels, tf.cast(exact, dtype), **numbers, mask=mask)
    assert pixels.dtype == tf.float32
    reference = tf.reduce_mean(masked_crossentropy(labels, tf.constant(exact), **numbers, mask=mask))
    assert np.isfinite(pixels.numpy()).all()
    assert float(tf.reduce_mean(pixels)) == pytest.approx(float(reference), rel=1e-2)


def test_a_tie_goes_to_the_lowest_class():  # P29
    matrix = np.array([[1, 1], [0, 1]], np.float32)
    tie = tf.zeros((1, 1, 1, 2), tf.float16)
    for traced in (pixel_weights, tf.function(pixel_weights), tf.function(pixel_weights, jit_compile=True)):
        assert float(traced(tf.constant([[[0]]]), tie, error_weights=matrix)[0, 0, 0]) == 1  # called 0: right
        assert float(traced(tf.constant([[[1]]]), tie, error_weights=matrix)[0, 0, 0]) == 0  # called 0: a miss


@quick
@given(case=cases(), mask=st.sampled_from(MASKS))
def test_inputs_are_not_modified(case, mask):  # P34
    copies = {name: np.copy(getattr(case, name)) for name in ("labels", "logits", "error_weights", "class_weights")}
    evaluate(case, mask=mask)
    for name, copy in copies.items():
        np.testing.assert_array_equal(getattr(case, name), copy)
