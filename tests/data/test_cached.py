import os
import threading
import time

import numpy as np
import pytest

from fnmask.data.arrays import load_split
from fnmask.data.cached import load_cached, load_cached_labels
from fnmask.data.files import make_folder


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


def test_full_labels_are_those_of_the_files_and_read_once(tmp_path):
    source = Counted()
    for _ in range(2):
        labels = load_cached_labels(source, "val", digest=source.digest(), folder=tmp_path)
        assert len(labels) == 3
        for index in range(3):
            np.testing.assert_array_equal(labels[index], Counted().load("val", index)[1])
    assert source.n_read == 3
    (tmp_path / "file").touch()
    in_memory = load_cached_labels(Counted(1), "val", digest="1" * 64, folder=tmp_path / "file")
    np.testing.assert_array_equal(in_memory[2], Counted(1).load("val", 2)[1])


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


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b""),
                                    lambda path: path.write_bytes(path.read_bytes()[:-9])])  # fmt: skip
@pytest.mark.parametrize("name", ["images.npy", "ids.json", "values.npy"])
def test_what_was_damaged_is_decoded_anew(tmp_path, caplog, name, damage):
    """By somebody who cleans disks, or a machine that lost its power."""
    source = Counted()
    load(source, tmp_path)
    load_cached_labels(source, "train", digest=source.digest(), folder=tmp_path)
    (path,) = tmp_path.rglob(name)
    damage(path)
    assert_equal(load(source, tmp_path), load_split(Counted(), "train", image_size=(6, 6)))
    labels = load_cached_labels(source, "train", digest=source.digest(), folder=tmp_path)
    np.testing.assert_array_equal(labels[0], Counted().load("train", 0)[1])
    assert f"{path.parent} is damaged" in caplog.text


def test_what_killed_processes_have_left_is_removed_after_a_day(tmp_path):
    place = tmp_path / "train"
    for name, age_s in ((".train.killed", 90_000), (".train.at_work", 80_000), (".val.killed", 90_000)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    with make_folder(place) as own:
        (own / "a").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".train.at_work", ".val.killed", "train"]


def test_a_folder_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    """A power failure would otherwise leave files of the right length that hold zeros: labels of class 0."""
    done = []
    sync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")) or sync(file))
    monkeypatch.setattr(os, "rename", lambda old, new: done.append("renamed") or rename(old, new))
    with make_folder(tmp_path / "train") as own:
        (own / "a").touch()
    assert done == [str(own / "a"), str(own), "renamed", str(tmp_path)]
