import io

import numpy as np
from PIL import Image

from fnmask.tracking.predictions import (
    Predictions,
    pack_pictures,
    pack_predictions,
    spread_images,
    unpack_pictures,
    unpack_predictions,
)


def test_predictions_come_back():
    given = Predictions(("a", "ü b"), np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.eye(3, dtype=np.float32))
    found = unpack_predictions(pack_predictions(given))
    assert found.ids == given.ids
    np.testing.assert_array_equal(found.class_ids, given.class_ids)
    np.testing.assert_array_equal(found.error_weights, given.error_weights)
    assert (found.class_ids.dtype, found.error_weights.dtype) == (np.uint8, np.float32)


def test_pictures_come_back_as_jpegs_and_labels_as_they_were():
    images = np.stack([np.full((16, 24, 3), shade, np.uint8) for shade in (30, 200)])
    labels = np.random.default_rng(0).integers(0, 256, (2, 16, 24)).astype(np.uint8)
    found = unpack_pictures(pack_pictures(("a", "b"), images, labels))
    assert found.ids == ("a", "b")
    np.testing.assert_array_equal(found.labels, labels)
    for jpeg, image in zip(found.jpegs, images, strict=True):
        picture = Image.open(io.BytesIO(jpeg))
        assert picture.format == "JPEG"
        np.testing.assert_allclose(np.asarray(picture).astype(int), image, atol=2)


def test_images_are_spread_over_the_split():
    assert spread_images(5, 99).tolist() == [0, 1, 2, 3, 4]
    assert spread_images(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert spread_images(0, 5).tolist() == spread_images(5, 0).tolist() == []
