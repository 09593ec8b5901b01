"""The small U-Net: any size in, float32 logits of that size out, the same weights from the same seed."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.models.tiny import tiny


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 40, 56, 3)).astype("float32")


def test_parameter_count_worked_by_hand():
    # depth 1, width 2, 3 classes: 3x3 convolutions without bias 3>2 2>2 | 2>4 4>4 | (2+4)>2, batch norm 4 per channel,
    # and the 1x1 head 2>3 with bias.
    convolutions = 9 * (3 * 2 + 2 * 2 + 2 * 4 + 4 * 4 + 6 * 2)
    norms = 4 * (2 + 2 + 4 + 4 + 2)
    assert tiny(num_classes=3, width=2, depth=1).count_params() == convolutions + norms + 2 * 3 + 3


@pytest.mark.parametrize(("height", "width"), [(96, 96), (40, 56), (33, 47), (1, 5)])
def test_logits_have_the_size_of_the_image(height, width):
    model = tiny(num_classes=4, width=2, depth=3)
    assert model(np.zeros((2, height, width, 3), "float32")).shape == (2, height, width, 4)


def test_size_known_only_at_run_time_agrees_with_eager(images):
    model = tiny(num_classes=4, width=2, depth=3)
    traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_allclose(traced(images[:, :33, :47]), model(images[:, :33, :47]), rtol=1e-4, atol=1e-5)


def test_compiled_by_xla_agrees_with_eager(images):
    model = tiny(num_classes=4, width=2, depth=2)
    compiled = tf.function(model, jit_compile=True)
    np.testing.assert_allclose(compiled(images[:, :33, :47]), model(images[:, :33, :47]), rtol=1e-3, atol=1e-4)


def test_a_border_pixel_reaches_the_logits_of_its_own_corner(images):
    # Padding at the bottom right and a crop at the top left would answer to another pixel.
    model = tiny(num_classes=3, width=4, depth=1)
    image = images[:1, :33, :35]
    changed = image.copy()
    changed[0, -1, -1] = 255 - changed[0, -1, -1]
    moved = np.abs(np.asarray(model(changed)) - np.asarray(model(image))).max(axis=(0, 3))
    assert moved[-1, -1] > 0
    assert moved[:20, :20].max() == 0


def test_same_seed_same_weights():
    def build(seed):
        keras.utils.set_random_seed(seed)
        return np.concatenate([w.ravel() for w in tiny(num_classes=3, width=2).get_weights()])

    np.testing.assert_array_equal(build(7), build(7))
    assert np.abs(build(7) - build(8)).max() > 0


def test_logits_are_float32_under_half_precision(images):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = tiny(num_classes=3, width=2)
        assert model.get_layer("down0_0_conv").compute_dtype == "float16"
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert model(images).dtype == tf.float32


def test_learns_a_separable_image(images):
    images = images[:, :16, :16]
    labels = (images.mean(axis=-1) > 127).astype("int32")
    keras.utils.set_random_seed(0)
    model = tiny(num_classes=2, width=8, depth=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    first = model.train_on_batch(images, labels)
    for _ in range(30):
        last = model.train_on_batch(images, labels)
    assert float(last) < 0.5 * float(first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes=1: allowed are whole numbers from 2"),
        ({"num_classes": 3, "width": 0}, "width=0: allowed are whole numbers from 1"),
        ({"num_classes": 3, "depth": 0}, "depth=0: allowed are whole numbers from 1"),
        ({"num_classes": 3, "depth": 7}, "depth=7: allowed are 1 to 6"),
    ],
)
def test_refuses_values_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny(**arguments)


def test_builders_import_without_a_backend():
    code = (
        "import sys, fnmask.models.tiny, fnmask.models.segmentation;"
        "print([name for name in ('keras', 'tensorflow', 'segmentation_models') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
