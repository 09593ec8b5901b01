"""The plan of a synthetic town: a turned grid of swaying streets, and where the sun stands. Lengths in pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.data.aerial_canvas import Point, Polygon

Lengths = NDArray[np.float64]


@dataclass(frozen=True)
class Street:
    """One street of the grid: where its center line runs and how it sways."""

    offset: float
    width: float
    lengthwise: bool
    sway: float
    phase: float

    def line(self, steps: Lengths) -> Lengths:
        """Return how far across the center line lies at each step along it."""
        return self.offset + self.sway * np.sin(steps / 40 + self.phase)

    def ribbon(self, town: "Town", steps: Lengths, width: float) -> Polygon:
        """Return the outline of a strip of the given width around the center line."""
        line = self.line(steps)
        there = list(zip(steps, line - width / 2, strict=True))
        back = list(zip(steps, line + width / 2, strict=True))[::-1]
        return [town.place(*(point if self.lengthwise else point[::-1])) for point in there + back]


@dataclass(frozen=True)
class Town:
    """Where things stand: a turned grid of streets, the sun, and how densely it is built."""

    center: Point
    along: Point
    across: Point
    streets: tuple[Street, ...]
    sun: Point
    density: float

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int) -> "Town":
        """Draw one at random."""
        angle, sun = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        along = (float(np.cos(angle)), float(np.sin(angle)))
        sway, phase = rng.uniform(0, 5), rng.uniform(0, 2 * np.pi)
        streets = []
        for lengthwise in (True, False):
            offset = -0.75 * size_px + rng.uniform(0, 25)
            while offset < 0.75 * size_px:
                width = rng.uniform(7, 11) if rng.random() < 0.3 else rng.uniform(3, 5.5)
                streets.append(Street(offset, width, lengthwise, sway, phase))
                offset += rng.uniform(26, 44) if lengthwise else rng.uniform(34, 80)
        return cls(
            center=(size_px / 2, size_px / 2),
            along=along,
            across=(-along[1], along[0]),
            streets=tuple(streets),
            sun=(float(np.cos(sun)), float(np.sin(sun))),
            density=rng.uniform(0.35, 0.95),
        )

    def place(self, u: float, v: float) -> Point:
        """Translate town coordinates, pixels along and across the streets, to the picture."""
        return (
            self.center[0] + u * self.along[0] + v * self.across[0],
            self.center[1] + u * self.along[1] + v * self.across[1],
        )

    def box(self, u: float, v: float, length: float, width: float) -> Polygon:
        """Return a rectangle parallel to the streets, by its corner and extent."""
        corners = ((u, v), (u + length, v), (u + length, v + width), (u, v + width))
        return [self.place(*corner) for corner in corners]
