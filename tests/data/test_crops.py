import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnmask.data.arrays import SplitArrays
from fnmask.data.augment import Augmentation
from fnmask.data.crops import BalancedCrops, grid_firsts
from fnmask.data.pipeline import TrainStream


def arrays(count=3, size=20):
    """Images that say where each pixel comes from: image, row and column."""
    rows, columns = np.mgrid[:size, :size]
    images = np.stack([np.stack([np.full_like(rows, n), rows, columns], axis=-1) for n in range(count)])
    labels = np.zeros((count, size, size), np.uint8)
    labels[:, :2] = 255
    labels[1, 7, 11] = 1  # the rarest: one pixel in one image
    labels[2, 10:15] = 2
    return SplitArrays(tuple("abc"[:count]), images.astype(np.uint8), labels)


def stream(data=None, **options):
    options = {"batch_size": 4, "crop_size": (8, 8), "flips": "none", "seed": 0, **options}
    return TrainStream(arrays() if data is None else data, **options)


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_grid_covers_every_pixel_and_stays_inside(length, crop):
    crop = min(crop, length)
    firsts = grid_firsts(length, crop)
    assert (firsts[0], firsts[-1]) == (0, length - crop)
    assert all(0 < after - before <= crop for before, after in itertools.pairwise(firsts))


def test_the_grid_takes_every_crop_of_every_image_once_a_pass():
    batches = stream(crops="grid", batch_size=3)
    # 3 x 3 crops of 8 px in 20 px, of three images: 27, nine batches.
    seen = [tuple(int(part) for part in image[0, 0]) for step in range(9) for image in batches.batch(step)[0]]
    assert len(set(seen)) == len(seen) == 27
    assert {place for _, *place in map(tuple, seen) for place in place} == {0, 6, 12}
    order = [tuple(int(part) for part in image[0, 0]) for step in range(9, 18) for image in batches.batch(step)[0]]
    assert set(order) == set(seen)
    assert order != seen


def test_every_class_is_drawn_as_often_and_its_pixel_lies_in_the_crop():
    data = arrays()
    crops = BalancedCrops(data.labels, 3, (8, 8))
    rng = np.random.default_rng(0)
    classes = np.zeros(3)
    for _ in range(600):
        draws = rng.random(4)
        image, row, column = crops.draw(draws)
        window = data.labels[image, row : row + 8, column : column + 8]
        assert window.shape == (8, 8)
        wanted = int(draws[0] * 3)
        assert (window == wanted).any()
        classes[wanted] += 1
    assert classes.min() > 150


def test_pixels_of_a_class_are_drawn_evenly_over_its_images():
    labels = np.zeros((2, 6, 6), np.uint8)
    labels[0, 0, :1], labels[1, 0, :3] = 1, 1
    crops = BalancedCrops(labels, 2, (1, 1))
    found = [crops.draw(np.array([0.6, share, 0.5, 0.5])) for share in (0.1, 0.3, 0.6, 0.9)]
    assert found == [(0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 0, 2)]


def test_rare_classes_are_seen_far_more_often():
    share = {}
    for crops in ("uniform", "class_balanced"):
        batches = stream(crops=crops, num_classes=3, crop_size=(4, 4))
        share[crops] = np.mean([(batches.batch(step)[1] == 1).any(axis=(1, 2)).mean() for step in range(100)])
    assert share["class_balanced"] > 0.3 > 0.05 > share["uniform"]


@pytest.mark.parametrize("crops", ["uniform", "class_balanced", "grid"])
def test_a_stream_is_a_function_of_seed_and_step(crops):
    how = Augmentation(rotation_deg=20, contrast=0.2, noise=0.05)
    options = {"crops": crops, "num_classes": 3, "augmentation": how, "flips": "both"}
    one, again = stream(**options), stream(**options)
    for step in (5, 0, 3):
        for mine, other in zip(one.batch(step), again.batch(step), strict=True):
            np.testing.assert_array_equal(mine, other)
    other = stream(**options, seed=1).batch(0)
    assert any((a != b).any() for a, b in zip(other, one.batch(0), strict=True))


def test_whole_images_are_changed_too_and_the_set_is_left_alone():
    data = arrays()
    before = data.images.copy()
    plain = stream(data, crop_size=None).batch(0)
    changed = stream(data, crop_size=None, augmentation=Augmentation(brightness=0.3)).batch(0)
    assert (plain[0] != changed[0]).any()
    np.testing.assert_array_equal(plain[1], changed[1])
    np.testing.assert_array_equal(data.images, before)


def test_nothing_but_void_is_refused():
    empty = SplitArrays(("a",), np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8), 255, np.uint8))
    with pytest.raises(ValueError, match="no training image has a labeled pixel"):
        TrainStream(empty, batch_size=1, crop_size=(4, 4), flips="none", seed=0, crops="class_balanced", num_classes=2)
