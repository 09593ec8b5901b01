"""Splits of a data set on disk, decoded and resized once, and mapped into memory from then on."""

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from fnmask.data.arrays import SplitArrays, load_split
from fnmask.data.source import DataSource, Split

_LOG = logging.getLogger(__name__)

# Part of every address: raised when `load_split` makes other arrays of the same images.
_FORMAT = 1


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
        arrays = load_split(source, split, image_size=image_size)
        try:
            _write(place, arrays)
        except OSError as error:
            _LOG.warning("The %s split stays in memory, since %s cannot be written: %s", split, place, error)
            return arrays
    images, labels = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("images", "labels"))
    return SplitArrays(tuple(json.loads((place / "ids.json").read_text())), images, labels)


def _write(place: Path, arrays: SplitArrays) -> None:
    """Make the folder in one step, so that nobody ever sees half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        np.save(own / "images.npy", arrays.images)
        np.save(own / "labels.npy", arrays.labels)
        (own / "ids.json").write_text(json.dumps(arrays.ids))
        os.rename(own, place)
    except OSError:
        shutil.rmtree(own, ignore_errors=True)
        if not place.is_dir():  # else another worker was faster
            raise
