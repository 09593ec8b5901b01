"""The layers around a network, against NumPy and against the package's own preprocessing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.models.encoders import ENCODERS, pixel_scale
from fnmask.models.image_layers import CropLike, PadImages, ScalePixels


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 5, 7, 3)).astype("float32")


def _package_encoders(monkeypatch):
    monkeypatch.setenv("SM_FRAMEWORK", "tf.keras")
    from segmentation_models.backbones.backbones_factory import Backbones

    return Backbones


def test_names_every_encoder_of_the_package(monkeypatch):
    assert sorted(ENCODERS) == sorted(_package_encoders(monkeypatch).models_names())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_scale_agrees_with_the_package(encoder, images, monkeypatch):
    preprocess = _package_encoders(monkeypatch).get_preprocessing(encoder)
    # The NumPy half of the package writes into its argument.
    expected = preprocess(images.copy(), backend=keras.backend)
    np.testing.assert_allclose(ScalePixels(pixel_scale(encoder))(images), expected, rtol=1e-5, atol=1e-4)


def test_pads_with_zeros_at_the_bottom_and_the_right(images):
    padded = PadImages(4)(images)
    np.testing.assert_array_equal(padded, np.pad(images, ((0, 0), (0, 3), (0, 1), (0, 0))))


def test_a_multiple_is_left_alone(images):
    np.testing.assert_array_equal(PadImages(4)(images[:, :4, :4]), images[:, :4, :4])


def test_pads_to_a_size(images):
    assert PadImages(size=(6, 9))(images).shape == (2, 6, 9, 3)


def test_refuses_an_image_larger_than_the_size(images):
    with pytest.raises(ValueError, match=r"An image of 5 x 7 px .* at most 5 x 6 px.*input_size=\(5, 7\)"):
        PadImages(size=(5, 6))(images)


def test_crop_undoes_the_pad_also_when_traced(images):
    def there_and_back(batch):
        return CropLike()(PadImages(4)(batch), batch)

    traced = tf.function(there_and_back, input_signature=[tf.TensorSpec((None, None, None, 3))])
    np.testing.assert_array_equal(there_and_back(images), images)
    np.testing.assert_array_equal(traced(images), images)


@pytest.mark.parametrize("layer", [ScalePixels("torch"), PadImages(size=(8, 8)), PadImages(4), CropLike()])
def test_config_round_trip(layer):
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


def test_known_and_unknown_sides():
    assert PadImages(4).compute_output_shape((None, 5, None, 3)) == (None, 8, None, 3)
    assert PadImages(size=(6, 9)).compute_output_shape((None, None, None, 3)) == (None, 6, 9, 3)
