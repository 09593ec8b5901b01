import keras
import numpy as np
import pytest
from frozen_network import build

from fnmask.models.frozen import cut_at_frozen_encoder
from fnmask.models.image_layers import CropLike, PadImages


def images(count=2):
    return np.random.default_rng(0).integers(0, 256, (count, 10, 7, 3)).astype(np.float32)


@pytest.mark.parametrize("training", [False, True])
def test_the_parts_compute_what_the_whole_does(training):
    model = build()
    cut = cut_at_frozen_encoder(model, (10, 7))
    # Of 12 x 8 px: 6 x 4 maps of 4 channels, and 3 x 2 of 5. What is made larger of them belongs to the head.
    assert cut.features.output_shape == (None, 6 * 4 * 4 + 3 * 2 * 5)
    features = cut.features(images(), training=training)
    np.testing.assert_allclose(
        cut.head(features, training=training), model(images(), training=training), rtol=1e-5, atol=1e-5
    )
    assert {id(weight) for weight in cut.head.trainable_weights} == {id(weight) for weight in model.trainable_weights}
    assert not cut.features.trainable_weights


def test_layers_behind_one_that_changes_belong_to_the_head():
    model = build(frozen=("first", "first_norm"))
    cut = cut_at_frozen_encoder(model, (8, 8))
    assert cut.features.output_shape == (None, 4 * 4 * 4)
    given = np.zeros((1, 8, 8, 3), np.float32)
    np.testing.assert_allclose(cut.head(cut.features(given)), model(given), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dropout", [False, True])
def test_a_cut_that_spares_little_is_refused_with_the_layer(dropout):
    # What changes comes early: the batch norm, or dropout before the second convolution.
    model = build(dropout=True) if dropout else build(frozen=("first", "second"))
    with pytest.raises(ValueError, match=r"only (38|41)% of its weights come before (first_norm|dropout)"):
        cut_at_frozen_encoder(model, (8, 8))


def test_a_network_without_a_frozen_encoder_is_refused():
    with pytest.raises(ValueError, match="no layer of the network is frozen"):
        cut_at_frozen_encoder(build(frozen=("second",)), (8, 8))
    with pytest.raises(ValueError, match="there is nothing to train"):
        cut_at_frozen_encoder(build(frozen=("first", "first_norm", "second", "head", "head_norm", "logits")), (8, 8))
    with pytest.raises(ValueError, match="has no encoder of its own"):
        cut_at_frozen_encoder(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 1)]), (8, 8))


def test_graphs_that_cannot_be_cut_are_refused():
    def wrap(network):
        network.get_layer("first").trainable = False
        images = keras.Input((None, None, 3))
        return keras.Model(images, CropLike()(network(PadImages(4, name="pad")(images)), images))

    given = keras.Input((None, None, 3))
    first = [keras.layers.Conv2D(3, 3, padding="same", name="first") for _ in range(2)]
    twice = keras.layers.Conv2D(3, 3, padding="same", name="twice")
    with pytest.raises(ValueError, match="used more than once"):
        cut_at_frozen_encoder(wrap(keras.Model(given, twice(twice(first[0](given))))), (8, 8))
    skip = keras.layers.Concatenate()([first[1](given), given])
    network = keras.Model(given, keras.layers.Conv2D(2, 1)(skip))
    with pytest.raises(ValueError, match="takes the images themselves"):
        cut_at_frozen_encoder(wrap(network), (8, 8))
