"""Eager, traced and compiled agree, down to the zero gradient of an ignored miss."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS, NORMALIZERS

from fnmask.losses import MaskedCrossentropy

MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


def problem(scale=3.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (2, 5, 4, 4)).astype(np.float32)
    labels = rng.integers(0, 4, (2, 5, 4)).astype(np.int32)
    labels[0, 0] = 255
    return labels, logits


def gradient_step(loss):
    def step(labels, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return value, tape.gradient(value, logits)

    return step


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [3.0, 1e4])
def test_modes_agree(mask, normalizer, scale):  # P30
    labels, logits = problem(scale)
    loss = MaskedCrossentropy(
        4, ignore_false_negatives_of=[1, 2], alpha=0.2, mask=mask, ignore_class=255, normalizer=normalizer
    )
    answers = [mode(gradient_step(loss))(tf.constant(labels), tf.constant(logits)) for mode in MODES.values()]
    for value, gradient in answers[1:]:
        np.testing.assert_allclose(value, answers[0][0], rtol=1e-6)
        np.testing.assert_allclose(gradient, answers[0][1], atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_ignored_misses_have_exactly_no_gradient(mode):  # P4, P13
    labels, logits = problem()
    logits[0, 0] = np.nan  # void
    loss = MaskedCrossentropy(4, ignore_false_negatives_of=2, ignore_class=255)
    _, gradient = MODES[mode](gradient_step(loss))(tf.constant(labels), tf.constant(logits))
    silent = ((labels == 2) & (logits.argmax(-1) != 2)) | (labels == 255)
    assert silent.any()
    assert (gradient.numpy()[silent] == 0).all()
    assert (np.abs(gradient.numpy()[~silent]).max(-1) > 0).all()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_keras_train_step_leaves_an_ignored_miss_alone(jit_compile):  # P4, in model.fit
    # The weights of this model are its logits, one per pixel and class: SGD moves exactly those with a gradient.
    labels, logits = problem()
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(40 * 4, use_bias=False), keras.layers.Reshape((10, 4, 4))]
    )
    model.layers[0].kernel.assign(logits.reshape(1, -1))
    loss = MaskedCrossentropy(4, ignore_false_negatives_of=2, ignore_class=255)
    model.compile(keras.optimizers.SGD(1.0), loss=loss, jit_compile=jit_compile)
    model.fit(np.ones((1, 1), np.float32), labels.reshape(1, 10, 4), verbose=0)
    moved = np.any(model.layers[0].kernel.numpy().reshape(logits.shape) != logits, axis=-1)
    silent = ((labels == 2) & (logits.argmax(-1) != 2)) | (labels == 255)
    np.testing.assert_array_equal(moved, ~silent)


@pytest.mark.parametrize("mode", ["graph", "jit"])
def test_new_numbers_reach_a_compiled_step_without_a_new_trace(mode):  # P35, P43
    labels, logits = (tf.constant(part) for part in problem())
    loss = MaskedCrossentropy(4, ignore_class=255)
    traces = []

    def step(labels, logits):
        traces.append(1)
        return loss(labels, logits)

    compiled = MODES[mode](step)
    weights, matrix = [1.0, 0.5, 2.0, 1.0], np.ones((4, 4))
    matrix[2, [0, 1, 3]] = 0.0
    settings = [{}, {"ramp": 0.0}, {"ramp": 0.5}, {"ramp": 1.0, "class_weights": weights}]
    seen = []
    for setting in settings:
        loss.assign(error_weights=matrix, **setting)
        fresh = MaskedCrossentropy.from_config(loss.get_config())
        seen.append(float(compiled(labels, logits)))
        assert seen[-1] == float(MODES[mode](lambda y, z, fresh=fresh: fresh(y, z))(labels, logits))
    assert len(set(seen)) == len(settings)
    assert len(traces) == 1
    plain = MaskedCrossentropy(4, ignore_class=255)
    assert seen[1] == float(MODES[mode](lambda y, z: plain(y, z))(labels, logits))


@pytest.mark.parametrize("mask", MASKS)
def test_unknown_sizes(mask):  # P30
    labels, logits = problem()
    loss = MaskedCrossentropy(4, ignore_false_negatives_of=1, mask=mask, ignore_class=255)
    signature = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None, 4], tf.float32)]
    step = tf.function(lambda y, z: loss(y, z), input_signature=signature)
    assert float(step(labels, logits)) == pytest.approx(float(loss(labels, tf.constant(logits))), rel=1e-6)


@pytest.mark.parametrize("mode", ["graph", "jit"])
def test_an_undeclared_label_is_never_taken_for_a_class(mode):
    labels, logits = problem()
    loss = MaskedCrossentropy(4)  # 255 is not declared
    assert np.isnan(MODES[mode](lambda y, z: loss(y, z))(tf.constant(labels), tf.constant(logits)))
    with pytest.raises(ValueError, match=r"hold 255, .*Set ignore_class"):
        loss(labels, tf.constant(logits))
