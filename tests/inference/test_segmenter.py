from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fnmask.decision import read_decision
from fnmask.inference.segmenter import Segmenter
from fnmask.inference.trained import Trained
from fnmask.metrics.full_size import decide_resized
from fnmask.tracking.artifacts import ClassList

NAMES = ("land", "road", "car")


@pytest.fixture(scope="module")
def model():
    import keras

    from fnmask.models.tiny import tiny

    keras.utils.set_random_seed(3)
    return tiny(num_classes=3, width=4, depth=1)


def trained(model, size=(16, 24), decision=""):
    classes = ClassList(NAMES, ((0, 0, 0), (9, 9, 9), (5, 6, 7)), 255)
    config = {"dataset": {"image_size": list(size)}}
    return Trained(SimpleNamespace(run_id="a"), config, classes, read_decision(decision, NAMES), model)


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("decision", ["", "road>0.7,car>0.4"])
def test_an_image_of_the_training_s_size_is_decided_as_it_is(model, decision):
    image = picture(16, 24)
    own = trained(model, decision=decision)
    logits = np.asarray(model.predict_on_batch(image[None].astype(np.float32)))[0]
    wanted = (logits + np.array(own.decision.logit_offsets, np.float32)).argmax(axis=-1)
    found = Segmenter(own).segment_whole(image)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(Segmenter(own).segment_tiles(image, overlap=4), wanted)
    if decision:
        assert (found != Segmenter(trained(model)).segment_whole(image)).any()


def test_another_size_is_resized_as_the_data_set_was_and_back(model):
    image = picture(37, 30)
    resized = np.asarray(Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR))
    logits = np.asarray(model.predict_on_batch(resized[None].astype(np.float32)))[0]
    np.testing.assert_array_equal(Segmenter(trained(model)).segment_whole(image), decide_resized(logits, (37, 30)))


def test_more_tiles_than_a_batch_change_nothing():
    """Eleven tiles in a row of a network of single pixels: batches of 8 and of 3, filled up."""

    lengths = []

    class OfOnePixel:
        def predict_on_batch(self, images):
            lengths.append(len(images))
            return np.stack([images[..., 0], images[..., 1], images[..., 2]], axis=-1)

    image = picture(8, 88)
    found = Segmenter(trained(OfOnePixel(), size=(8, 8))).segment_tiles(image, overlap=0)
    np.testing.assert_array_equal(found, image.argmax(axis=-1))
    assert lengths == [8, 8], "of one length, for which the network is compiled once"


@pytest.mark.parametrize(("height", "width"), [(40, 60), (5, 7), (1, 300)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 0.01, 2.0])
def test_a_mask_has_the_size_of_its_image(model, height, width, scale):
    mask = Segmenter(trained(model)).segment_tiles(picture(height, width), overlap=4, scale=scale)
    assert mask.shape == (height, width)
