import os

import numpy as np
import pytest
from checking import Arrays, labels_of, photo
from scipy import ndimage

from fnmask.check.facts import checksum, measure
from fnmask.check.gathering import WorkerDiedError, all_tasks, count_workers, gather
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.rasters import UnreadableError

# By four neighbors: one pixel of 1 (top left), two of 2 (upright), three of 1 (bottom right), a void pixel.
DRAWN = np.array(
    [
        [1, 0, 0, 0, 0],
        [0, 0, 2, 0, 255],
        [0, 0, 2, 0, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 1, 1],
    ],
    np.uint8,
)


def facts_of(image, labels, **kwargs):
    return measure(Arrays({"train": [("a", image, labels)]}, **kwargs), "train", 0)


def test_pixels_borders_and_specks_by_hand():
    found = facts_of(np.zeros((5, 5, 3), np.uint8), DRAWN)
    assert (found.fault, found.size, found.void) == (None, (5, 5), 1)
    np.testing.assert_array_equal(found.pixels, [18, 4, 2])
    np.testing.assert_array_equal(found.specks, [0, 1, 2])
    # Around the 1 in the corner 2, around both 2 together 6, around void 3, around the three 1 four.
    assert found.borders == 2 + 6 + 3 + 4
    assert found.labeled == 24


def test_small_regions_are_those_that_scipy_finds():
    rng = np.random.default_rng(0)
    for _ in range(100):
        labels = rng.integers(0, rng.integers(1, 5), rng.integers(1, 12, 2)).astype(np.uint8)
        found = facts_of(np.zeros((*labels.shape, 3), np.uint8), labels, class_names=tuple("abcd"))
        sizes = [np.bincount(ndimage.label(labels == label)[0].ravel())[1:] for label in range(4)]
        assert found.specks.tolist() == [of[of <= 2].sum() for of in sizes]
        assert found.borders == sum(np.count_nonzero(np.diff(labels.astype(int), axis=axis)) for axis in (0, 1))


def test_a_void_id_among_the_classes_is_void():
    found = facts_of(np.zeros((5, 5, 3), np.uint8), DRAWN % 255, ignore_class=0)
    assert found.void == 19
    np.testing.assert_array_equal(found.pixels, [0, 4, 2])


@pytest.mark.parametrize(
    ("image", "labels", "fault", "told"),
    [
        (photo(0), labels_of(34)[:, :-1], "size", "image 32 x 34 px, labels 32 x 33 px"),
        (photo(0), labels_of(34).astype(np.int32), "shape", "labels int32"),
        (photo(0)[..., 0], labels_of(34), "shape", "(32, 34)"),
        (
            photo(0),
            labels_of(10, 10, 10, 4),
            "unknown",
            "label 3, first at row 0, column 30; known are 0..2 and void 255",
        ),
        (photo(0), UnreadableError("a.png is empty."), "unreadable", "a.png is empty."),
        (photo(0), PermissionError("no"), "unreadable", "no"),
        (photo(0), UnknownValueError("a.png: holds 7", {"7": 3}), "unknown", "a.png: holds 7"),
        (photo(0), ValueError("Odd color"), "refused", "Odd color"),
        (photo(0), ZeroDivisionError(), "refused", "ZeroDivisionError"),
    ],
)
def test_whatever_is_wrong_is_a_fact(image, labels, fault, told):
    found = facts_of(image, labels)
    assert found.fault == fault
    assert told in found.detail
    if fault == "unknown":
        assert found.unknown in ({"3": 4 * 32}, {"7": 3})


def test_equal_pixels_have_equal_sums_and_others_do_not():
    one, same, other = (facts_of(photo(seed), labels_of(30, 4)) for seed in (0, 0, 1))
    assert one.image_sum == same.image_sum != other.image_sum
    assert one.label_sum == other.label_sum != facts_of(photo(0), labels_of(29, 5)).label_sum


def test_a_checksum_sees_one_pixel_and_its_place():
    values = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    sums = {checksum(values)}
    for place in range(0, values.size, 251):
        changed = values.copy()
        changed.ravel()[place] ^= 1
        sums.add(checksum(changed))
    assert len(sums) == 1 + len(range(0, values.size, 251))
    # Swapped words keep the sum of all, and swapped rows of words the sums of columns.
    rows = values.copy()
    rows.ravel()[:512], rows.ravel()[512:1024] = values.ravel()[512:1024], values.ravel()[:512]
    words = values.copy()
    words.ravel()[:8], words.ravel()[8:16] = values.ravel()[8:16], values.ravel()[:8]
    assert len({checksum(values), checksum(rows), checksum(words), checksum(values[:, ::-1])}) == 4


def test_small_pictures_are_means_of_their_parts():
    image = np.zeros((32, 34, 3), np.uint8)
    image[:2, :2], image[:2, 2] = 200, 100
    thumb = facts_of(image, labels_of(34)).thumb
    assert thumb.shape == (16, 17)
    assert abs(int(thumb[0, 0]) - 200) <= 1
    assert abs(int(thumb[0, 1]) - 50) <= 1
    assert thumb[1:].max() == 0


def many(count):
    return Arrays({"train": [(f"{i}", photo(i), labels_of(i % 30, 34 - i % 30)) for i in range(count)]})


def test_processes_give_the_same_in_the_same_order():
    source, seen = many(50), []
    alone = gather(source, n_workers=1, on_image=lambda: seen.append(1))
    assert len(seen) == 50
    together = gather(source, n_workers=2, on_image=lambda: seen.append(2))
    assert seen.count(2) == 50
    assert all_tasks(source)[3] == ("train", 3)
    for one, other in zip(alone, together, strict=True):
        assert (one.id, one.image_sum, one.label_sum) == (other.id, other.image_sum, other.label_sum)
        np.testing.assert_array_equal(one.pixels, other.pixels)


class Killing(Arrays):
    """Of which every process but this one dies."""

    def load(self, split, index):
        if os.getpid() != self.own:
            os._exit(9)
        return super().load(split, index)


def test_a_killed_process_is_told_in_words():
    source = Killing(many(60).images)
    source.own = os.getpid()
    with pytest.raises(WorkerDiedError, match="Give --workers 1 to see which"):
        gather(source, n_workers=2)


def test_few_images_or_a_source_that_cannot_be_sent_stay_in_this_process():
    assert count_workers(3) == 1
    source = many(60)
    source.own = lambda: None
    assert len(gather(source, n_workers=2)) == 60


def test_a_checksum_tells_two_objects_in_opposite_corners_from_the_same_in_the_others():
    falling, rising = np.zeros((2, 512, 512), np.uint8)
    for rows, columns in ((0, 0), (256, 256)):
        falling[rows : rows + 64, columns : columns + 64] = 1
        rising[rows : rows + 64, 256 - columns : 320 - columns] = 1
    assert checksum(falling) != checksum(rising)
