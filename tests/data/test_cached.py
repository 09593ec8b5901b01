import threading

import numpy as np
import pytest

from fnmask.data.arrays import load_split
from fnmask.data.cached import load_cached


class Counted:
    """Three images of noise; counts how often one is read."""

    class_names, class_colors, ignore_class = ("a", "b"), ((0, 0, 0), (9, 9, 9)), 255

    def __init__(self, seed=0):
        self.seed, self.n_read = seed, 0

    def ids(self, split):
        return (f"{split} 0", f"{split} 1", "ünder/score")

    def load(self, split, index):
        self.n_read += 1
        rng = np.random.default_rng([self.seed, len(split), index])
        return rng.integers(0, 256, (8, 10, 3), np.uint8), rng.integers(0, 2, (8, 10), np.uint8)

    def digest(self):
        return f"{self.seed:064x}"


def load(source, folder, split="train", size=(6, 6)):
    return load_cached(source, split, image_size=size, digest=source.digest()[::-1], folder=folder)


def assert_equal(mine, theirs):
    assert mine.ids == theirs.ids
    for part in ("images", "labels"):
        np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))
        assert getattr(mine, part).dtype == np.uint8


def test_images_are_read_once_and_mapped_from_then_on(tmp_path):
    source = Counted()
    for _ in range(3):
        arrays = load(source, tmp_path)
        assert_equal(arrays, load_split(Counted(), "train", image_size=(6, 6)))
        assert isinstance(arrays.images, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            arrays.images[0] = 0
    assert source.n_read == 3


def test_another_content_size_or_split_is_another_file(tmp_path):
    load(Counted(), tmp_path)
    for source, kwargs in ((Counted(1), {}), (Counted(), {"split": "val"}), (Counted(), {"size": (4, 6)})):
        load(source, tmp_path, **kwargs)
        assert source.n_read == 3


def test_many_at_once_end_with_one(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(load(Counted(), tmp_path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    for arrays in found:
        assert_equal(arrays, found[0])
    assert [path.name for path in tmp_path.glob("*/*")] == ["train"], "and nothing half done is left"


def test_without_a_place_to_write_the_arrays_stay_in_memory(tmp_path, caplog):
    (tmp_path / "file").touch()
    arrays = load(Counted(), tmp_path / "file")
    assert_equal(arrays, load_split(Counted(), "train", image_size=(6, 6)))
    assert "stays in memory" in caplog.text


def test_a_split_that_is_refused_leaves_nothing(tmp_path):
    source = Counted()
    source.class_names = ("a",)
    with pytest.raises(ValueError, match="has the label 1"):
        load(source, tmp_path)
    assert not list(tmp_path.rglob("*.npy"))
