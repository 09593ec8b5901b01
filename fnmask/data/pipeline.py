"""Batches of images and labels, as bytes: an endless, reproducible stream to train on, and one pass to evaluate.

All randomness is a function of (seed, place in the stream): the same seed gives the same batches in any process, and
a stream may begin at any step as if the ones before had been taken.
"""

import functools
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.data.arrays import SplitArrays
from fnmask.data.augment import N_DRAWS, Augmentation, Crops, augment
from fnmask.data.crops import BalancedCrops, grid_firsts

_UNCHANGED = Augmentation()

Flips = Literal["none", "horizontal", "both"]
_FLIPS: tuple[Flips, ...] = ("none", "horizontal", "both")

Batch = tuple[NDArray[np.uint8] | NDArray[np.float32], NDArray[np.uint8]]
"""Images (B, h, w, 3), or features (B, F) in their place, and labels (B, h, w)."""

# Put beside the seed, so that the order of images, their crops and their changes are drawn from different streams.
_ORDER, _CROP, _CHANGE, _CLASS = 0, 1, 2, 3

# Batches that are ready before they are asked for.
_AHEAD = 2


class TrainStream:
    """The endless stream of training batches.

    Every image comes once per pass, in a new order each pass; passes follow each other without a gap, so a batch
    may hold the end of one and the start of the next, and all batches have the same shape. With `grid` every crop of
    every image comes once; with `class_balanced` there are no passes. Images and labels are cropped, flipped and
    changed alike.

    Args:
        arrays: N images and labels; memory-mapped ones are read where a crop lies. Features in the place of images go
            with whole images only.
        batch_size: B, at least 1; may exceed N.
        crop_size: height and width of a random crop in pixels, or None for whole images.
        flips: "horizontal" mirrors left and right with probability 1/2, "both" also top and bottom.
        seed: the same seed gives the same stream, bit for bit.
        crops: where crops are taken: see `fnmask.data.crops`.
        num_classes: C, for `class_balanced`.
        augmentation: how images are changed after that.

    Raises:
        ValueError: a size or option is out of range, or the crop does not fit into the images.
    """

    def __init__(
        self,
        arrays: SplitArrays,
        *,
        batch_size: int,
        crop_size: tuple[int, int] | None,
        flips: Flips,
        seed: int,
        crops: Crops = "uniform",
        num_classes: int = 255,
        augmentation: Augmentation = _UNCHANGED,
    ) -> None:
        self._arrays, self._seed, self._flips = arrays, seed, flips
        self._count, *whole = arrays.labels.shape
        _check_batch(batch_size, self._count)
        if flips not in _FLIPS:
            raise ValueError(f"flips is {flips!r}; use one of {', '.join(_FLIPS)}.")
        self._crop = tuple(crop_size or whole)
        if not all(0 < crop <= side for crop, side in zip(self._crop, whole, strict=True)):
            raise ValueError(f"crop_size is {crop_size}, the images are {tuple(whole)}; use a crop that fits, or null.")
        # Places where a crop may begin, by rows and by columns.
        self._places = np.array(whole) - self._crop + 1
        self._is_whole = list(self._crop) == whole and flips == "none" and crops == "uniform" and not augmentation
        self._batch_size, self._augmentation = batch_size, augmentation
        self._cells = [(0, 0)]
        if crops == "grid":
            rows, columns = (grid_firsts(side, crop) for side, crop in zip(whole, self._crop, strict=True))
            self._cells = [(row, column) for row in rows for column in columns]
        self._crops = crops
        self._balanced = BalancedCrops(arrays.labels, num_classes, self._crop) if crops == "class_balanced" else None
        # A batch seldom touches more than two passes; every thread that draws may ask.
        self._order = functools.lru_cache(maxsize=4)(self._draw_order)

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""
        draws = np.random.default_rng([self._seed, _CROP, step]).random((4, self._batch_size))
        firsts = (draws[:2] * self._places[:, None]).astype(int)
        upside_down = (draws[2] < 0.5) & (self._flips == "both")
        mirrored = (draws[3] < 0.5) & (self._flips != "none")
        if self._is_whole:
            passes = [divmod(step * self._batch_size + place, self._count) for place in range(self._batch_size)]
            chosen = np.array([self._order(number)[within] for number, within in passes])
            return self._arrays.images[chosen], self._arrays.labels[chosen]
        images = np.empty((self._batch_size, *self._crop, 3), np.uint8)
        labels = np.empty((self._batch_size, *self._crop), np.uint8)
        places = self._places_of(step, firsts)
        for place, (index, row, column) in enumerate(places):
            rows = _window(row, self._crop[0], backwards=upside_down[place])
            columns = _window(column, self._crop[1], backwards=mirrored[place])
            images[place] = self._arrays.images[index, rows, columns]
            labels[place] = self._arrays.labels[index, rows, columns]
        if self._augmentation:
            generator = np.random.default_rng([self._seed, _CHANGE, step])
            changes = generator.random((self._batch_size, N_DRAWS))
            noise_seeds = generator.integers(2**32, size=self._batch_size)
            for place, (change, noise_seed) in enumerate(zip(changes, noise_seeds, strict=True)):
                images[place], labels[place] = augment(
                    images[place], labels[place], self._augmentation, change, int(noise_seed)
                )
        return images, labels

    def _places_of(self, step: int, firsts: NDArray[np.int64]) -> list[tuple[int, int, int]]:
        """Image, first row and first column of every crop of a batch."""
        if self._balanced is not None:
            draws = np.random.default_rng([self._seed, _CLASS, step]).random((self._batch_size, 4))
            return [self._balanced.draw(own) for own in draws]
        found = []
        for place in range(self._batch_size):
            number, within = divmod(step * self._batch_size + place, self._count * len(self._cells))
            index, cell = divmod(int(self._order(number)[within]), len(self._cells))
            row, column = self._cells[cell] if self._crops == "grid" else firsts[:, place].tolist()
            found.append((index, row, column))
        return found

    def iterate(self, first: int = 0) -> Generator[Batch, None, None]:
        """The batches from a step on; the next ones are made ready while a step is taken."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
            ready = deque(thread.submit(self.batch, first + ahead) for ahead in range(_AHEAD))
            for step in count(first + _AHEAD):
                batch = ready.popleft().result()
                ready.append(thread.submit(self.batch, step))
                yield batch

    def _draw_order(self, number: int) -> NDArray[np.int64]:
        """In which order a pass takes the images."""
        return np.random.default_rng([self._seed, _ORDER, number]).permutation(self._count * len(self._cells))


def eval_batches(arrays: SplitArrays, *, batch_size: int, pad_label: int) -> Iterator[Batch]:
    """One pass over whole images in order.

    The last batch is filled up with black images whose every label is `pad_label`, so that a compiled step sees one
    shape only. Drop the surplus from per-image results with `[: len(arrays.ids)]`.

    Args:
        arrays: N images and labels.
        batch_size: B, at least 1.
        pad_label: a label that marks void, or any other where the images that it fills are dropped.

    Returns:
        ceil(N / B) batches.

    Raises:
        ValueError: the batch size is below 1, or there are no images.
    """
    n_images = len(arrays.labels)
    _check_batch(batch_size, n_images)
    return (_filled(arrays, first, batch_size, pad_label) for first in range(0, n_images, batch_size))


def _filled(arrays: SplitArrays, first: int, batch_size: int, pad_label: int) -> Batch:
    labels = arrays.labels[first : first + batch_size]
    images: NDArray[Any] = arrays.images[first : first + batch_size]
    missing = batch_size - len(labels)
    if missing:
        images = np.pad(images, [(0, missing), *[(0, 0)] * (images.ndim - 1)])
        labels = np.pad(labels, [(0, missing), (0, 0), (0, 0)], constant_values=pad_label)
    return images, labels


def _window(first: int, length: int, *, backwards: bool) -> slice:
    """`length` places from `first` on, or the same ones from the last to the first."""
    if not backwards:
        return slice(first, first + length)
    before = first - 1
    return slice(first + length - 1, before if before >= 0 else None, -1)


def _check_batch(batch_size: int, count: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give at least 1.")
    if count < 1:
        raise ValueError("There are no images. Give the split at least one.")
