import threading
import time
from dataclasses import dataclass
from pathlib import Path

import layouts
import numpy as np
import pytest
from composing import SMALL, compose_config

from fnmask.data.arrays import count_classes, load_split
from fnmask.sweep.composer import check_job
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import TrialData, Workbench


@dataclass
class Listed:
    """A source of given pictures, all of them in every split."""

    pairs: list[tuple[np.ndarray, np.ndarray]]
    ignore_class: int | None = 255
    class_names: tuple[str, ...] = ("land", "road", "water")
    class_colors: tuple[tuple[int, int, int], ...] = ((0, 0, 0), (1, 1, 1), (2, 2, 2))

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(f"picture{index}" for index in range(len(self.pairs)))

    def load(self, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.pairs[index]

    def digest(self) -> str:
        return ""


class Slow(Listed):
    """The same, read by threads, who are noted."""

    is_thread_safe = True

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        super().__init__(pairs)
        self.threads: set[int] = set()
        self.read: list[int] = []

    def load(self, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.threads.add(threading.get_ident())
        self.read.append(index)
        time.sleep(0.005)
        return super().load(split, index)


def pair(labels: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(labels, np.uint8)
    return np.zeros((*array.shape, 3), np.uint8), array


def test_a_source_that_allows_it_is_read_by_several_threads() -> None:
    pairs = [pair([[index % 3] * 4] * 4) for index in range(60)]
    one, several = Listed(pairs), Slow(pairs)
    first, second = (load_split(source, "train", image_size=(4, 4)) for source in (one, several))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert len(several.threads) > 1
    pairs[7] = pair([[9]])
    several.read.clear()
    with pytest.raises(ValueError, match="train image 'picture7' has the label 9"):
        load_split(several, "train", image_size=(4, 4))
    assert len(several.read) < len(pairs), "what comes after a bad image is not read in vain"


def test_same_size_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (5, 7, 3), np.uint8), rng.integers(0, 3, (5, 7), np.uint8)
    arrays = load_split(Listed([(image, labels)]), "train", image_size=(5, 7))
    np.testing.assert_array_equal(arrays.images[0], image)
    np.testing.assert_array_equal(arrays.labels[0], labels)
    assert arrays.ids == ("picture0",)


def test_images_are_antialiased_and_labels_are_not_mixed() -> None:
    checker = (np.indices((64, 96)).sum(axis=0) % 2).astype(np.uint8)
    source = Listed([(np.repeat(checker[..., None] * 255, 3, axis=2), checker * 2)])
    arrays = load_split(source, "val", image_size=(16, 24))
    assert arrays.images.shape == (1, 16, 24, 3)
    # Without antialiasing, taking every 4th pixel of a checkerboard gives only 0 or only 255.
    assert np.abs(arrays.images.astype(float) - 127.5).max() < 20
    assert set(np.unique(arrays.labels)) <= {0, 2}


def test_rows_are_height() -> None:
    labels = np.zeros((40, 20), np.uint8)
    labels[:20] = 1  # the upper half
    arrays = load_split(Listed([(np.zeros((40, 20, 3), np.uint8), labels)]), "train", image_size=(4, 6))
    np.testing.assert_array_equal(arrays.labels[0], [[1] * 6, [1] * 6, [0] * 6, [0] * 6])


def test_a_label_outside_names_image_and_value() -> None:
    source = Listed([pair([[0, 1]]), pair([[0, 7]])])
    with pytest.raises(ValueError, match=r"train image 'picture1' has the label 7; allowed are 0\.\.2 or void 255"):
        load_split(source, "train", image_size=(1, 2))


def test_void_must_be_declared() -> None:
    assert load_split(Listed([pair([[0, 255]])]), "train", image_size=(1, 2)).labels.max() == 255
    with pytest.raises(ValueError, match=r"label 255; allowed are 0\.\.2\. .*ignore_class"):
        load_split(Listed([pair([[0, 255]])], ignore_class=None), "train", image_size=(1, 2))


def test_wrong_shapes_and_empty_splits_raise() -> None:
    image, labels = pair([[0, 1]])
    with pytest.raises(ValueError, match="'picture0' has shape"):
        load_split(Listed([(image, labels.T)]), "train", image_size=(1, 2))
    with pytest.raises(ValueError, match="'picture0' has shape"):
        load_split(Listed([(image[..., :1], labels)]), "train", image_size=(1, 2))
    with pytest.raises(ValueError, match="dtypes int64 and uint8"):
        load_split(Listed([(image.astype(np.int64), labels)]), "train", image_size=(1, 2))
    with pytest.raises(ValueError, match="test split has no images"):
        load_split(Listed([]), "test", image_size=(1, 2))
    with pytest.raises(ValueError, match="image_size is"):
        load_split(Listed([(image, labels)]), "train", image_size=(0, 2))


def test_counts_by_hand() -> None:
    labels = np.array([[[0, 0, 1], [0, 255, 255]], [[0, 3, 3], [255, 255, 255]]], np.uint8)
    counts = count_classes(labels, 4, 255)
    np.testing.assert_array_equal(counts.pixels, [4, 1, 0, 2])
    np.testing.assert_array_equal(counts.images, [2, 1, 0, 1])
    # Six pixels per image, void among them.
    np.testing.assert_array_equal(counts.pixels_in_images_with, [12, 6, 0, 6])
    assert counts.pixels.dtype == counts.pixels_in_images_with.dtype == counts.images.dtype == np.int64


def test_counts_with_void_inside_the_range_and_unknown_labels() -> None:
    labels = np.array([[[0, 1, 2]]], np.uint8)
    np.testing.assert_array_equal(count_classes(labels, 3, 1).pixels, [1, 0, 1])
    np.testing.assert_array_equal(count_classes(labels, 3, 1).images, [1, 0, 1])
    with pytest.raises(ValueError, match=r"hold 2, which is neither 0\.\.1 nor void \(255\)"):
        count_classes(labels, 2, 255)
    with pytest.raises(ValueError, match="hold 255"):
        count_classes(np.full((1, 2, 2), 255, np.uint8), 3, -1)
    for wrong in (labels[0], labels[:0], labels.astype(np.int64)):
        with pytest.raises(ValueError, match=r"want \(N, H, W\), N >= 1, uint8"):
            count_classes(wrong, 3, None)


def test_a_set_without_a_test_split_trains(tmp_path: Path) -> None:
    layouts.loveda(tmp_path, list(range(8)))
    own = ("dataset.split=official", "dataset.image_size=[8,8]", "dataset.crop_size=null", "trainer.epochs=2")
    config = check_job(
        compose_config("dataset=loveda", f"dataset.root={tmp_path}", *own, "backbone.width=4", "backbone.depth=1")
    )
    tracker = MemoryTracker()
    result = run_trial(config, tracker, workbench=Workbench())
    assert result.test is None
    assert 0 <= result.metrics["val/miou"] <= 1


def test_trials_on_the_same_data_count_it_once() -> None:
    workbench = Workbench()

    def load(*overrides: str) -> TrialData:
        return workbench.load(check_job(compose_config(*SMALL, *overrides)))

    first = load("loss=plain", "weighting=none", "label_noise=over_wide", "label_noise.target=road")
    again = load("loss=ignore_fn", "weighting=inverse", "seed=7", "label_noise=over_wide", "label_noise.target=road")
    assert again.counts is first.counts
    other = load("weighting=inverse", "label_noise=none")
    assert other.counts is not first.counts
    # What is counted is what is trained on: roads with their label noise.
    road = 2
    assert first.counts.pixels[road] == (first.train.labels == road).sum() > other.counts.pixels[road]
