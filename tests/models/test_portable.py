"""A network of Keras' own layers computes what the network computes, and loads where this package is not."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from fnmask.models.image_layers import ScalePixels
from fnmask.models.portable import build_portable
from fnmask.models.segmentation import segmentation_model
from fnmask.models.tiny import tiny


@pytest.fixture(autouse=True, scope="module")
def free_memory():
    yield
    keras.backend.clear_session()


def images(height, width, n=2):
    return np.random.default_rng(0).uniform(0, 255, (n, height, width, 3)).astype(np.float32)


def shaken(model):
    """Weights of a network that has been trained: no batch norm is the identity any more."""
    generator = np.random.default_rng(1)
    for variable in model.weights:
        value = np.asarray(variable)
        # Offsets and means alone are moved as well: kernels that grow make logits overflow in deep networks.
        shift = 0.05 if value.ndim == 1 else 0.0
        variable.assign(value * generator.uniform(0.9, 1.1, value.shape) + shift)
    return model


def agrees(model, portable, given):
    wanted, found = (np.asarray(own(given, training=False)) for own in (model, portable))
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    assert found.shape == wanted.shape


@pytest.mark.parametrize("size", [(48, 32), (50, 37), (1, 1)])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_small_network_on_any_size(size, depth):
    model = shaken(tiny(num_classes=3, width=4, depth=depth))
    portable = build_portable(model, size)
    agrees(model, portable, images(*size))
    assert portable.input_shape == (None, *size, 3)
    assert portable.output_shape == (None, *size, 3)
    assert not any(type(layer).__module__.startswith("fnmask") for layer in portable.layers)


def test_weights_are_its_own():
    model = shaken(tiny(num_classes=3, width=4, depth=1))
    portable = build_portable(model, (8, 8))
    before = np.asarray(portable(images(8, 8)))
    model.set_weights([0 * array for array in model.get_weights()])
    np.testing.assert_array_equal(np.asarray(portable(images(8, 8))), before)


def test_offsets_are_added_to_the_logits():
    model = shaken(tiny(num_classes=3, width=4, depth=1))
    offsets = [0.0, -1.386, 0.25]
    given = images(9, 8)
    found = np.asarray(build_portable(model, (9, 8), offsets)(given))
    np.testing.assert_allclose(found, np.asarray(model(given)) + np.array(offsets, np.float32), atol=1e-5)
    assert build_portable(model, (9, 8), [0.0, 0.0, 0.0]).layers[-1].name != "decision"


@pytest.mark.parametrize("mode", ["none", "tf", "torch", "caffe"])
def test_every_way_to_scale_pixels(mode):
    given = keras.Input((None, None, 3))
    model = keras.Model(given, ScalePixels(mode)(given))
    agrees(model, build_portable(model, (5, 6)), images(5, 6))


def test_python_of_other_packages_is_written_out(tmp_path):
    """New axes, slices and weighted sums, as squeeze-and-excitation, grouped and residual encoders write them."""
    layers = keras.layers
    given = keras.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D()(given)
    axes = layers.Lambda(lambda x, channels_axis: x[:, None, None, :], arguments={"channels_axis": 3})(pooled)
    part = layers.Lambda(lambda x, start, stop: x[:, :, :, start:stop], arguments={"start": 1, "stop": 3})(given)
    whole = layers.Concatenate()([part, part[..., :1]])
    joined = layers.Lambda(lambda both, scale: both[0] + both[1] * scale, arguments={"scale": 0.17})(
        [layers.Multiply()([given, axes]), whole]
    )
    inner = keras.Model(given, joined)
    outer = keras.Input((None, None, 3))
    for model in (inner, keras.Model(outer, inner(outer))):
        portable = build_portable(model, (5, 6))
        agrees(model, portable, images(5, 6))
        portable.save(tmp_path / "model.keras")
        agrees(model, keras.saving.load_model(tmp_path / "model.keras", compile=False), images(5, 6))


def test_an_image_larger_than_the_network_is_refused():
    model = segmentation_model(num_classes=2, decoder="pspnet", encoder="mobilenetv2", input_size=(48, 48))
    with pytest.raises(ValueError, match=r"image_size=\(200, 48\), but this network was built for images of at most"):
        build_portable(model, (200, 48))


# Where importing this package is an error.
LOADS = """
import sys
sys.modules["fnmask"] = None
import keras, numpy as np
for place in sys.argv[1:]:
    told = np.load(place + ".npz")
    found = keras.saving.load_model(place + ".keras", compile=False).predict_on_batch(told["images"])
    assert np.abs(found - told["logits"]).max() <= 1e-4 * np.abs(told["logits"]).max(), place
print("loaded", len(sys.argv) - 1)
"""


@pytest.mark.slow
def test_networks_of_every_kind_load_with_keras_alone(tmp_path):
    """Among them what other packages brought: swish, fixed dropout, lambda layers; and channels that are flipped."""
    kinds = [("unet", "efficientnetb0"), ("linknet", "vgg16"), ("pspnet", "mobilenetv2"), ("fpn", "seresnet18")]
    places = []
    for decoder, encoder in kinds:
        model = shaken(segmentation_model(num_classes=3, decoder=decoder, encoder=encoder, input_size=(50, 61)))
        portable, given = build_portable(model, (50, 61), [0.0, 0.5, -0.5]), images(50, 61, 1)
        wanted = np.asarray(model(given, training=False)) + np.array([0, 0.5, -0.5], np.float32)
        np.testing.assert_allclose(np.asarray(portable(given)), wanted, atol=1e-4 * np.abs(wanted).max())
        places.append(str(tmp_path / f"{decoder}_{encoder}"))
        portable.save(f"{places[-1]}.keras")
        np.savez(f"{places[-1]}.npz", images=given, logits=wanted)
        keras.backend.clear_session()
    done = subprocess.run(
        [sys.executable, "-c", LOADS, *places], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith(f"loaded {len(kinds)}"), done.stderr
