"""Logits at another size: against Pillow's filter, and what they decide and count there."""

import numpy as np
import pytest
from PIL import Image

from fnmask.metrics.full_size import decide_resized, full_size_matrices, resize_logits

SIZES = [(37, 30), (5, 4), (8, 6), (1, 1), (20, 3), (8, 12)]


def logits_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_pillow(logits, size):
    layers = [Image.fromarray(np.ascontiguousarray(logits[..., k])) for k in range(logits.shape[-1])]
    return np.stack([np.asarray(layer.resize(size[::-1], Image.Resampling.BILINEAR)) for layer in layers], axis=-1)


@pytest.mark.parametrize("size", SIZES)
def test_resizing_and_deciding_equal_pillow(size):
    logits = logits_of(8, 6, 5)
    np.testing.assert_allclose(resize_logits(logits, size), by_pillow(logits, size), atol=1e-5)
    np.testing.assert_array_equal(decide_resized(logits, size), by_pillow(logits, size).argmax(axis=-1))
    np.testing.assert_array_equal(decide_resized(logits, size), resize_logits(logits, size).argmax(axis=-1))


def test_of_equal_logits_the_first_class_wins():
    assert (decide_resized(np.zeros((4, 4, 3), np.float32), (6, 6)) == 0).all()


def test_matrices_of_images_of_several_sizes_by_hand():
    logits = logits_of(3, 8, 6, 4)  # of three images, the last of which pads the batch
    labels = [np.random.default_rng(seed).integers(0, 4, size).astype(np.uint8) for seed, size in enumerate(SIZES[:2])]
    labels[0][:3] = 255
    found = full_size_matrices(labels, logits, num_classes=4, ignore_class=255)
    assert found.dtype == np.int64
    assert found.shape == (2, 4, 4)
    for own, z, matrix in zip(labels, logits, found, strict=False):
        wanted = np.zeros((4, 4), int)
        for true, predicted in zip(own.ravel(), by_pillow(z, own.shape).argmax(axis=-1).ravel(), strict=True):
            if true != 255:
                wanted[true, predicted] += 1
        np.testing.assert_array_equal(matrix, wanted)


def test_no_images_and_strange_labels():
    assert full_size_matrices([], logits_of(1, 2, 2, 3), num_classes=3).shape == (0, 3, 3)
    with pytest.raises(ValueError, match="7"):
        full_size_matrices([np.full((4, 4), 7, np.uint8)], logits_of(1, 2, 2, 3), num_classes=3)
