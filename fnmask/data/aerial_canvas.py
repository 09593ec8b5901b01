"""A picture in the making: colors, labels and shade, and how areas of it are found and filled.

Everything is drawn at `FINE` times the size and reduced at the end, which gives soft edges in the picture and exact
ones in the labels. Lengths are in pixels of the finished picture.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

LAND, BUILDING, ROAD, VEGETATION, WATER = range(5)
VOID = 255
FINE = 2

Floats = NDArray[np.float32]
Point = tuple[float, float]
Polygon = list[Point]


@dataclass
class Canvas:
    """A picture in the making: colors, labels and shade at twice the size."""

    rng: np.random.Generator
    size_px: int
    colors: Floats = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)
    shade: Floats = field(init=False)

    def __post_init__(self) -> None:
        fine = self.size_px * FINE
        self.colors = np.empty((fine, fine, 3), np.float32)
        self.labels = np.full((fine, fine), LAND, np.uint8)
        self.shade = np.ones((fine, fine), np.float32)

    def noise(self, cell_px: float) -> Floats:
        """Return smooth noise with hills about `cell_px` wide, mean 0, standard deviation about 1."""
        fine = self.size_px * FINE
        cells = max(int(self.size_px / cell_px) + 2, 3)
        grid = self.rng.standard_normal((cells, cells)).astype(np.float32)
        smooth = np.asarray(Image.fromarray(grid).resize((fine, fine), Image.Resampling.BICUBIC), dtype=np.float32)
        return smooth / np.float32(0.65)

    def speckle(self) -> Floats:
        """Return noise without structure, one value per pixel, standard deviation 1."""
        values = self.rng.standard_normal((self.size_px, self.size_px), dtype=np.float32)
        return values.repeat(FINE, axis=0).repeat(FINE, axis=1)

    def area(self, polygon: Polygon) -> "Area":
        """Return where a polygon lies, in a window that just holds it: a house costs little in a large picture."""
        fine = self.size_px * FINE
        points = [(x * FINE, y * FINE) for x, y in polygon]
        (left, right), (top, bottom) = (_span([point[axis] for point in points], fine) for axis in (0, 1))
        window = (slice(top, bottom), slice(left, right))
        if left == right or top == bottom:
            return Area(window, np.zeros((bottom - top, right - left), bool))
        picture = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(picture).polygon([(x - left, y - top) for x, y in points], fill=1)
        return Area(window, np.asarray(picture).astype(bool))

    def everywhere(self, inside: NDArray[np.bool_]) -> "Area":
        """Return an area whose window is the whole picture."""
        return Area((slice(None), slice(None)), inside)

    def fill(self, area: "Area", color: Floats, *, label: int | None, grain: Floats) -> None:
        """Paint an area with one color times (1 + grain); `label` None leaves the labels alone."""
        window, inside = area.window, area.inside
        self.colors[window][inside] = color * (1 + grain[window][inside, None])
        if label is not None:
            self.labels[window][inside] = label

    def keep(self, area: "Area", *labels: int) -> "Area":
        """Return the part of an area that has one of the labels."""
        wanted = np.zeros(256, bool)
        wanted[list(labels)] = True
        return Area(area.window, area.inside & wanted[self.labels[area.window]])


@dataclass(frozen=True)
class Area:
    """Some fine pixels: a window of the canvas and which of its pixels belong."""

    window: tuple[slice, slice]
    inside: NDArray[np.bool_]


def _span(values: list[float], length: int) -> tuple[int, int]:
    """Return the whole numbers around the values, cut to 0..length; equal if nothing is left."""
    low = min(max(math.floor(min(values)), 0), length)
    return low, max(min(math.ceil(max(values)) + 1, length), low)
