"""Shapes as masks, as Pillow draws them: what LabelMe and CVAT's exporters use, outlines included."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fnmask.data.annotations.regions import Mask
from fnmask.data.rasters import Window

Points = NDArray[np.float64]
Draw = Callable[[Window], Mask]
Lengths = NDArray[np.int64]

_ELLIPSE_CORNERS = 360


def polygon(points: Points) -> Draw:
    """A polygon `(N, 2)`, x and y in px, with its outline."""

    def draw(window: Window) -> Mask:
        return _drawn(window, points, lambda canvas, at: canvas.polygon(_flat(points - at), outline=1, fill=1))

    return draw


def box(first: Sequence[float], last: Sequence[float], rotation_deg: float = 0) -> Draw:
    """A rectangle between two corners, turned clockwise around its center."""
    corners = np.array([first, (last[0], first[1]), last, (first[0], last[1])], np.float64)
    if rotation_deg:
        return polygon(_turned(corners, rotation_deg))
    ends = np.stack([corners.min(axis=0), corners.max(axis=0)])

    def draw(window: Window) -> Mask:
        return _drawn(window, ends, lambda canvas, at: canvas.rectangle(_flat(ends - at), outline=1, fill=1))

    return draw


def ellipse(center: Sequence[float], radii: Sequence[float], rotation_deg: float = 0) -> Draw:
    """An ellipse, or a circle of two equal radii."""
    middle, reach = np.array(center, np.float64), np.array(radii, np.float64)
    if rotation_deg:
        angles = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)
        around = middle + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return polygon(_turned(around, rotation_deg, middle))

    ends = np.stack([middle - reach, middle + reach])

    def draw(window: Window) -> Mask:
        return _drawn(window, ends, lambda canvas, at: canvas.ellipse(_flat(ends - at), outline=1, fill=1))

    return draw


def line(points: Points, width_px: int) -> Draw:
    """Lines from point to point."""

    def draw(window: Window) -> Mask:
        ends = np.concatenate([points - width_px, points + width_px])
        return _drawn(window, ends, lambda canvas, at: canvas.line(_flat(points - at), fill=1, width=width_px))

    return draw


def bitmap(mask: Mask, row: int, column: int) -> Draw:
    """A mask whose first pixel lies at this row and column; what reaches beyond the image is cut."""

    def draw(window: Window) -> Mask:
        whole = np.zeros((window.height, window.width), bool)
        first_row, first_column = row - window.row, column - window.column
        rows = slice(max(0, first_row), min(window.height, first_row + mask.shape[0]))
        columns = slice(max(0, first_column), min(window.width, first_column + mask.shape[1]))
        if rows.start < rows.stop and columns.start < columns.stop:
            whole[rows, columns] = mask[
                rows.start - first_row : rows.stop - first_row,
                columns.start - first_column : columns.stop - first_column,
            ]
        return whole

    return draw


def runs(counts: Sequence[int] | Lengths, size: tuple[int, int], *, by_columns: bool) -> Mask:
    """The mask of run lengths, of background first.

    Args:
        counts: pixels of each run.
        size: height and width in px.
        by_columns: whether pixels are counted down the columns, as COCO does, or along the rows, as CVAT does.

    Raises:
        ValueError: the runs are no lengths, or not as long as the mask.
    """
    lengths = check_runs(counts, size)
    return _marked(lengths).reshape(size, order="F" if by_columns else "C")


def check_runs(counts: Sequence[int] | Lengths, size: tuple[int, int]) -> Lengths:
    """Run lengths as an array; raises as `runs` does."""
    try:
        lengths = np.array(counts, np.int64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("its run lengths are not whole numbers") from None
    total = size[0] * size[1]
    if (lengths < 0).any() or (lengths > total).any() or lengths.sum() != total:
        raise ValueError(f"its run lengths have a sum of {lengths.sum()}, the mask has {total} px")
    return lengths


def runs_down(lengths: Lengths, height: int) -> Draw:
    """What `check_runs` gives, counted down columns of this height: of a large image only the columns of a window."""

    def draw(window: Window) -> Mask:
        first, last = (column * height for column in (window.column, window.column + window.width))
        part = np.diff(np.cumsum(lengths).clip(first, last), prepend=first)
        if not part[1::2].any():
            return np.zeros((window.height, window.width), bool)
        return _marked(part).reshape(window.width, height).T[window.row : window.row + window.height]

    return draw


def _marked(lengths: Lengths) -> Mask:
    """Every second run."""
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)


def _drawn(window: Window, points: Points, draw: Callable[[ImageDraw.ImageDraw, Points], None]) -> Mask:
    """What is drawn around these points, within a window.

    Pillow rounds coordinates towards 0: so they must have their sign in every window, and the canvas begins where the
    shape does, at the latest where the window does. Of a large image most windows lie beside a shape.
    """
    first, size = np.array([window.column, window.row]), np.array([window.width, window.height])
    # A pixel more on each side, for outlines and rounding.
    if (points.max(axis=0) + 1 < first).any() or (points.min(axis=0) - 1 > first + size).any():
        return np.zeros((window.height, window.width), bool)
    at = np.minimum(np.maximum(np.floor(points.min(axis=0)).astype(int), 0), first)
    columns, rows = (first - at + size).tolist()
    picture = Image.new("L", (columns, rows))
    draw(ImageDraw.Draw(picture), at.astype(np.float64))
    return np.asarray(picture)[rows - window.height :, columns - window.width :] > 0


def _flat(points: Points) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def _turned(points: Points, angle_deg: float, center: Points | None = None) -> Points:
    """Points turned clockwise, as y grows downwards."""
    middle = points.mean(axis=0) if center is None else center
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    turned: Points = middle + (points - middle) @ np.array([[cosine, sine], [-sine, cosine]])
    return turned
