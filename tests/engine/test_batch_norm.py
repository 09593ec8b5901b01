import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.engine.batch_norm import fuse_batch_norm


def build(**arguments):
    norms = {name: keras.layers.BatchNormalization(name=name, **arguments) for name in ("outer", "inner")}
    inner = keras.Sequential([keras.Input((6, 5, 4)), norms["inner"], keras.layers.ReLU()])
    images = keras.Input((6, 5, 3))
    x = norms["outer"](keras.layers.Conv2D(4, 3, padding="same")(images))
    return keras.Model(images, inner(x))


def pair(**arguments):
    """The model as Keras computes it, and fused; with statistics and parameters of no special value."""
    rng = np.random.default_rng(0)
    kept = build(**arguments)
    fused = build(**arguments)
    values = [rng.uniform(0.5, 2, variable.shape) for variable in kept.variables]
    for model in (kept, fused):
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
    fuse_batch_norm(fused)
    return kept, fused


def step(model, images, weights):
    images = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
    gradients = tape.gradient(loss, [images, *model.trainable_variables])
    return [outputs, *(tf.convert_to_tensor(gradient) for gradient in gradients)]


def operations(model, training):
    function = tf.function(lambda images: model(images, training=training))
    return {
        operation.type for operation in function.get_concrete_function(tf.zeros((2, 6, 5, 3))).graph.get_operations()
    }


@pytest.mark.parametrize(
    "arguments",
    [{}, {"momentum": 0.7, "epsilon": 0.1}, {"scale": False}, {"center": False}],
    ids=["default", "numbers", "unscaled", "uncentered"],
)
def test_a_fused_norm_computes_what_keras_does(arguments):
    kept, fused = pair(**arguments)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(2, 6, 5, 4)).astype(np.float32)
    for _ in range(3):
        images = rng.normal(3, 5, (2, 6, 5, 3))
        for one, other in zip(step(kept, images, weights), step(fused, images, weights), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)
        for one, other in zip(kept.variables, fused.variables, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(kept(images, training=False), fused(images, training=False), rtol=1e-5, atol=1e-5)
    assert "FusedBatchNormV3" in operations(fused, True) & operations(fused, False)
    assert "FusedBatchNormV3" not in operations(kept, True)


def test_a_single_value_has_no_variance():
    kept, fused = pair()
    for model in (kept, fused):
        norm = model.get_layer("outer")
        norm(np.full((1, 1, 1, 4), 3.0, np.float32), training=True)
    for one, other in zip(kept.variables, fused.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_half_precision_is_widened_within():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        kept, fused = pair()
    finally:
        keras.config.set_dtype_policy(before)
    # Squares of these overflow float16.
    images = np.random.default_rng(1).normal(0, 300, (2, 6, 5, 3))
    weights = np.ones((2, 6, 5, 4), np.float32)
    mine, theirs = step(fused, images, weights)[0], step(kept, images, weights)[0]
    assert mine.dtype == theirs.dtype == tf.float16
    np.testing.assert_allclose(mine, theirs, atol=2e-3)


def test_what_the_operation_does_not_offer_is_left_to_keras():
    frozen = build()
    fuse_batch_norm(frozen)
    frozen.trainable = False
    assert "FusedBatchNormV3" not in operations(frozen, True)
    first_axis = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.BatchNormalization(axis=1)])
    flat = keras.Sequential([keras.Input((6,)), keras.layers.BatchNormalization()])
    renorm = keras.Sequential([keras.Input((6, 5, 3)), keras.layers.BatchNormalization(renorm=True)])
    images = np.random.default_rng(3).normal(size=(2, 6, 5, 3))
    for model, given in ((first_axis, images), (flat, images[:, :, 0, 0]), (renorm, images)):
        expected = keras.models.clone_model(model)(given, training=True)
        fuse_batch_norm(model)
        np.testing.assert_array_equal(model(given, training=True), expected)


def test_the_saved_model_is_keras_own(tmp_path):
    _, fused = pair()
    fused.save(tmp_path / "model.keras")
    images = np.random.default_rng(2).normal(size=(2, 6, 5, 3)).astype(np.float32)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert "call" not in vars(loaded.get_layer("outer"))
    np.testing.assert_allclose(loaded(images), fused(images), rtol=1e-5, atol=1e-6)
