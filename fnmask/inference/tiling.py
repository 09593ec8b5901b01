"""Large images in tiles that overlap: logits are averaged where tiles meet, strip by strip, so memory stays bounded."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Tiles (B, h, w, 3) uint8 -> logits (B, h, w, C).
Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side, so that they cover it; the last one ends where the side does.

    Args:
        length: of the side in px.
        tile: length of a tile in px; a shorter side has one tile.
        overlap: px that neighbors share at least, less than `tile`.

    Raises:
        ValueError: an overlap that leaves no step forward.

    Example:
        >>> tile_starts(100, 40, 10)
        [0, 30, 60]
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap is {overlap} px with tiles of {tile} px; give at least 0 and less than a tile.")
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]


def blend_weights(tile: int, overlap: int) -> NDArray[np.float32]:
    """How much each pixel along a side of a tile counts: it rises over the overlap, and is never 0; `(tile,)`."""
    ramp = np.minimum(np.arange(1, tile + 1), np.arange(tile, 0, -1)) / (overlap + 1)
    return np.minimum(ramp, 1.0).astype(np.float32)


def predict_strips(
    image: NDArray[np.uint8], predict: Predict, tile: tuple[int, int], overlap: int
) -> Iterator[NDArray[np.float32]]:
    """Logits of an image, in strips from top to bottom, each as soon as no tile to come touches it.

    Args:
        image: `(H, W, 3)`; where it is smaller than a tile it is continued by its mirror image.
        predict: logits of a row of tiles.
        tile: height and width in px.
        overlap: px that neighboring tiles share at least.

    Yields:
        `(h, W, C)`, which together are `(H, W, C)`: weighted means of the tiles' logits.
    """
    height, width = image.shape[:2]
    below, beside = max(0, tile[0] - height), max(0, tile[1] - width)
    padded = np.pad(image, ((0, below), (0, beside), (0, 0)), mode="symmetric")
    tops, lefts = tile_starts(height, tile[0], overlap), tile_starts(width, tile[1], overlap)
    weights = np.outer(blend_weights(tile[0], overlap), blend_weights(tile[1], overlap))[..., None]
    kept: NDArray[np.float32] | None = None
    for top, following in zip(tops, [*tops[1:], padded.shape[0]], strict=True):
        row = _predict_row(padded, predict, top, lefts, tile)
        sums: NDArray[np.float32] = np.zeros((tile[0], padded.shape[1], row[0].shape[-1] + 1), np.float32)
        for left, logits in zip(lefts, row, strict=True):
            # The last channel counts the weights.
            sums[:, left : left + tile[1], :-1] += logits * weights
            sums[:, left : left + tile[1], -1:] += weights
        if kept is not None:
            sums[: len(kept)] += kept
        done, kept = sums[: following - top], sums[following - top :]
        visible = done[: max(0, height - top), :width]
        yield np.asarray(visible[..., :-1] / visible[..., -1:], np.float32)


def _predict_row(
    image: NDArray[np.uint8], predict: Predict, top: int, lefts: Sequence[int], tile: tuple[int, int]
) -> NDArray[np.float32]:
    """Logits of the tiles that begin in one row."""
    return predict(np.stack([image[top : top + tile[0], left : left + tile[1]] for left in lefts]))
