"""The segmentation-models adapter: every decoder and a member of each encoder family, weights, seeds, precision."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.models.encoders import DECODERS, ENCODERS
from fnmask.models.segmentation import segmentation_model

# One of each family that builds in seconds (densenet has a test of its own); `slow` builds them all.
QUICK = [
    ("unet", "mobilenetv2"),
    ("fpn", "mobilenetv2"),
    ("linknet", "mobilenetv2"),
    ("pspnet", "mobilenetv2"),
    ("fpn", "resnet18"),
    ("unet", "efficientnetb0"),
    ("linknet", "seresnet18"),
    ("unet", "vgg16"),
    ("unet", "inceptionv3"),
    ("linknet", "mobilenet"),
]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (1, 50, 64, 3)).astype("float32")


@pytest.fixture(autouse=True, scope="module")
def free_memory():
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize(("decoder", "encoder"), QUICK)
def test_builds_and_returns_logits(decoder, encoder, images):
    model = segmentation_model(num_classes=4, decoder=decoder, encoder=encoder, input_size=(50, 64))
    logits = np.asarray(model(images))
    assert logits.shape == (1, 50, 64, 4)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    # Neither a softmax nor a sigmoid has closed the range.
    assert logits.min() < 0


@pytest.fixture
def encoders_built(monkeypatch):
    """Names and input shapes of the encoders built: once for each shape, since the largest one takes a minute."""
    segmentation_model(num_classes=2, decoder="unet", encoder="mobilenetv2", input_size=(64, 64))  # imports the package
    from segmentation_models.backbones.backbones_factory import Backbones

    build, built = Backbones.get_backbone, {}

    def build_once(name, **settings):
        key = name, settings["input_shape"]
        if key not in built:
            built[key] = build(name, **settings)
        return built[key]

    monkeypatch.setattr(Backbones, "get_backbone", build_once)
    return built


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_builds_every_pair(encoder, encoders_built):
    for decoder in DECODERS:
        model = segmentation_model(num_classes=4, decoder=decoder, encoder=encoder, input_size=(64, 64))
        assert model.output_shape == (None, None, None, 4), decoder
    # PSPNet alone is of a given size, which it pads.
    assert set(encoders_built) == {(encoder, (None, None, 3)), (encoder, (96, 96, 3))}
    keras.backend.clear_session()


def test_pads_and_crops_around_the_network(images):
    model = segmentation_model(num_classes=3, decoder="unet", encoder="mobilenetv2")
    padded = np.pad(images / 127.5 - 1, ((0, 0), (0, 14), (0, 0), (0, 0)))
    expected = np.asarray(model.get_layer("network")(padded))[:, :50]
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-5)


def test_one_model_takes_crops_and_frames_when_traced(images):
    model = segmentation_model(num_classes=3, decoder="linknet", encoder="resnet18")
    traced = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for crop in (images, images[:, :20, :40]):
        np.testing.assert_allclose(traced(crop), model(crop), rtol=1e-3, atol=1e-4)


def test_prints_nothing_and_leaves_the_environment_alone(monkeypatch, capsys):
    monkeypatch.setenv("SM_FRAMEWORK", "keras")
    segmentation_model(num_classes=3, decoder="unet", encoder="resnet18")
    assert os.environ["SM_FRAMEWORK"] == "keras"
    assert capsys.readouterr().out == ""


def test_same_seed_same_weights():
    def build(seed):
        keras.utils.set_random_seed(seed)
        model = segmentation_model(num_classes=3, decoder="pspnet", encoder="mobilenet", input_size=(48, 48))
        return np.concatenate([w.ravel() for w in model.get_weights()])

    np.testing.assert_array_equal(build(7), build(7))
    assert np.abs(build(7) - build(8)).max() > 0


def test_logits_are_float32_under_half_precision(images):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = segmentation_model(num_classes=3, decoder="fpn", encoder="mobilenetv2")
        assert model.get_layer("network").get_layer("head_conv").compute_dtype == "float16"
        assert model(images).dtype == tf.float32
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_survives_saving(images, tmp_path):
    model = segmentation_model(num_classes=3, decoder="pspnet", encoder="mobilenet", input_size=(50, 64))
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")(images), model(images))


def test_freeze_keeps_all_of_the_encoder_but_its_batch_norms():
    def trainable(freeze):
        model = segmentation_model(num_classes=3, decoder="unet", encoder="resnet18", freeze=freeze)
        return {variable.path.split("/")[-2] for variable in model.trainable_variables}

    frozen, free = trainable(True), trainable(False)
    assert "stage1_unit1_conv1" in free - frozen
    assert "conv0" in free - frozen
    assert {"bn0", "decoder_stage0a_conv", "final_conv"} <= frozen


@pytest.mark.slow
def test_densenet_layers_lose_their_slashes(images):
    model = segmentation_model(num_classes=3, decoder="linknet", encoder="densenet121")
    assert model(images).shape == (1, 50, 64, 3)
    layers = {layer.name: layer for layer in model.get_layer("network").layers}
    # Plain Keras layers under the names that Keras's own densenet has.
    assert type(layers["conv1_conv"]) is keras.layers.Conv2D
    assert type(layers["conv1_bn"]) is keras.layers.BatchNormalization
    assert type(layers["conv1_relu"]) is keras.layers.Activation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet19"}, "encoder='resnet19' is not known. Did you mean 'resnet1[08]1?'"),
        ({"decoder": "unett"}, "decoder='unett' is not known. Did you mean 'unet'"),
        ({"decoder": "pspnet"}, r"decoder='pspnet' needs input_size=\(height, width\)"),
        ({"decoder": "pspnet", "input_size": (0, 64)}, r"input_size=\(0, 64\): allowed"),
        ({"num_classes": 1}, "num_classes=1: allowed"),
    ],
)
def test_refuses_bad_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        segmentation_model(**{"num_classes": 3, "decoder": "unet", "encoder": "resnet18", **arguments})


def test_pspnet_refuses_an_image_larger_than_it_was_built_for():
    model = segmentation_model(num_classes=3, decoder="pspnet", encoder="mobilenetv2", input_size=(48, 48))
    with pytest.raises(ValueError, match="at most 48 x 48 px"):
        model(np.zeros((1, 49, 48, 3), "float32"))
