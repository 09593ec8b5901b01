"""Images that are too large to be resized, cut into tiles that are images of their own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import VOID
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.reading import IMAGE_SUFFIXES, picture_size
from fnmask.data.samples import Sample


def cut_into_tiles(sample: Sample, tile_size: tuple[int, int]) -> list[Sample]:
    """The tiles of an image, side by side, as samples of one group.

    Only the heads of the files are read.

    Args:
        sample: a whole image. Its id becomes the group of its tiles, unless it has one.
        tile_size: height and width in px. The last tiles of a row and a column may reach beyond the image.

    Returns:
        Tiles with the ids `ID/ROW_COLUMN`, of their first pixel.

    Raises:
        UnreadableError: a file cannot be read, or a mask differs in size from the image.
    """
    size = picture_size(sample.image)
    for mask in (mask for mask in sample.masks if mask.suffix.lower() in IMAGE_SUFFIXES):
        if picture_size(mask) != size:
            raise UnreadableError(
                f"{mask} has {_px(picture_size(mask))}, its image {_px(size)}: they must be of one size."
            )
    return [
        replace(
            sample,
            id=f"{sample.id}/{row}_{column}",
            stem=sample.stem or sample.id,
            group=sample.group or sample.id,
            window=Window(row, column, min(tile_size[0], size[0] - row), min(tile_size[1], size[1] - column)),
        )
        for row in range(0, size[0], tile_size[0])
        for column in range(0, size[1], tile_size[1])
    ]


def fill_up(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], tile_size: Sequence[int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A tile that reaches beyond its image, at full size: black and void there, so that every pixel counts once."""
    missing: Any = [(0, whole - own) for whole, own in zip(tile_size, labels.shape, strict=True)]
    if not np.any(missing):
        return image, labels
    return np.pad(image, [*missing, (0, 0)]), np.pad(labels, missing, constant_values=VOID)


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"
