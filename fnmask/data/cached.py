"""Splits of a data set on disk, decoded and resized once, and mapped into memory from then on."""

import json
import logging
import os
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fnmask.data.arrays import SplitArrays, load_full_labels, load_split
from fnmask.data.files import make_folder
from fnmask.data.full_labels import FullLabels
from fnmask.data.source import DataSource, Split

_LOG = logging.getLogger(__name__)

# Part of every address: raised when `load_split` makes other arrays of the same images.
_FORMAT = 1

_DAMAGED = "The %s split is decoded anew, since %s is damaged: %s. Remove that folder."


def load_cached(
    source: DataSource, split: Split, *, image_size: tuple[int, int], digest: str, folder: Path
) -> SplitArrays:
    """`load_split`, from the files that an earlier call has left, in this process or another.

    The content decides, not the place: a set that was moved is found again, one whose images changed is not. Several
    workers may call this at the same time. Where the files cannot be written the arrays stay in memory.

    Args:
        source: any data source.
        split: "train", "val" or "test".
        image_size: height and width in pixels.
        digest: of the source's content.
        folder: holds a folder for each content, size and split; any of them may be removed while nothing is running.

    Returns:
        The split; its arrays are mapped from disk and cannot be written to.

    Raises:
        ValueError: see `load_split`.
    """
    height, width = image_size
    place = folder / f"{digest[:32]}-{height}x{width}-{_FORMAT}" / split
    if not place.is_dir():
        try:
            with make_folder(place) as own:
                arrays = load_split(source, split, image_size=image_size, make_empty=partial(_map_file, own))
                (own / "ids.json").write_text(json.dumps(arrays.ids))
        except OSError as error:
            _LOG.warning("The %s split stays in memory, since %s cannot be written: %s", split, place, error)
            return load_split(source, split, image_size=image_size)
    try:
        images, labels = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("images", "labels"))
        return SplitArrays(tuple(json.loads((place / "ids.json").read_text())), images, labels)
    except (OSError, ValueError, EOFError) as error:
        _LOG.warning(_DAMAGED, split, place, error)
        return load_split(source, split, image_size=image_size)


def _map_file(folder: Path, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array whose memory is a file: a set larger than memory is decoded all the same."""
    path = folder / f"{name}.npy"
    array: NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        # A full disk has to show now: found while memory is written through to it, it would end the process.
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def load_cached_labels(source: DataSource, split: Split, *, digest: str, folder: Path) -> FullLabels:
    """`load_full_labels`, from the files that an earlier call has left; otherwise as `load_cached`."""
    place = folder / f"{digest[:32]}-full-{_FORMAT}" / split
    if not place.is_dir():
        labels = load_full_labels(source, split)
        try:
            with make_folder(place) as own:
                np.save(own / "values.npy", labels.values)
                np.save(own / "sizes.npy", labels.sizes)
        except OSError as error:
            _LOG.warning("Full %s labels stay in memory, since %s cannot be written: %s", split, place, error)
            return labels
    try:
        return FullLabels(np.load(place / "values.npy", mmap_mode="r"), np.load(place / "sizes.npy"))
    except (OSError, ValueError, EOFError) as error:
        _LOG.warning(_DAMAGED, split, place, error)
        return load_full_labels(source, split)
