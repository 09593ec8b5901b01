"""Drawn regions of an image, and how labels are made of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import Color
from fnmask.data.files import read_text
from fnmask.data.rasters import UnreadableError, Window

Mask = NDArray[np.bool_]

# What JSON of another shape than expected ends in.
MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Region:
    """A drawn region.

    Attributes:
        name: of its class.
        draw: the region within a window, `(H, W)`; raises ValueError for what is no region.
        told: which one it is, for a message.
    """

    name: str
    draw: Callable[[Window], Mask]
    told: str


@dataclass(frozen=True)
class AnnotationFile:
    """A file of annotations, of one image or of many.

    Attributes:
        path: of the file.
        names: of its classes, in their order.
        colors: of them, where the file tells.
        images: what belongs to each image, by the file name that is written there.
        size: height and width of an image in px, as its entry says; None where it does not.
        regions: of an entry, for an image of this height and width; the later ones lie over the earlier ones. Both
            raise ValueError for what is no such entry.
        lists_classes: whether its names are those of the whole set, not those that it happens to use.
    """

    path: Path
    names: tuple[str, ...]
    colors: Mapping[str, Color]
    images: Mapping[str, Any]
    size: Callable[[Any], tuple[int, int] | None]
    regions: Callable[[Any, tuple[int, int]], Sequence[Region]]
    lists_classes: bool = True

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[str]]:
        by_name: dict[str, list[str]] = {}
        for name in self.images:
            by_name.setdefault(_stem(name), []).append(name)
        return by_name

    def key_of(self, image: Path) -> str | None:
        """The name under which an image is written: its path, or the end of it, with suffix or without; or None.

        Raises:
            UnreadableError: several fit.
        """
        fitting = [key for key in self._by_name.get(image.stem, ()) if _ends_with(image, key)]
        fitting += [key for key in self._by_name.get(_stem(image.stem), ()) if _ends_with(image, key)]
        fitting = list(dict.fromkeys(fitting))
        if len(fitting) > 1:
            raise UnreadableError(f"{self.path} has several entries for {image}: {', '.join(fitting)}.")
        return fitting[0] if fitting else None


def _stem(name: str) -> str:
    """The last part, without what may be a suffix."""
    last = _parts(name)[-1:] or [""]
    return PurePosixPath(last[0]).stem


def _ends_with(image: Path, name: str) -> bool:
    """Whether the path of an image ends with this name, with its suffix or without."""
    parts, whole = _parts(name), list(image.parts)
    return bool(parts) and parts in (whole[-len(parts) :], [*whole[:-1], image.stem][-len(parts) :])


def _parts(name: str) -> list[str]:
    """Tools write paths as their system does."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def load_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{path} is no JSON file: {error}") from None


def read_size(height: Any, width: Any) -> tuple[int, int]:
    """Height and width in px.

    Raises:
        ValueError: not two whole numbers above 0.
    """
    if not all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 2**31 for side in (height, width)):
        raise ValueError(f"its height and width are {height!r} and {width!r}; both must be whole numbers above 0")
    return height, width


def read_points(given: Any, *, at_least: int) -> NDArray[np.float64]:
    """Points `(N, 2)`, x and y in px, of a flat list or of pairs.

    Raises:
        ValueError: not numbers, not in pairs, or too few.
    """
    try:
        points = np.array(given, np.float64).reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("its points are not pairs of numbers") from None
    if len(points) < at_least:
        raise ValueError(f"it has {len(points)} points, and needs {at_least}")
    if not np.isfinite(points).all() or np.abs(points).max() > _FARTHEST_PX:
        raise ValueError(f"a coordinate is not finite or farther than {_FARTHEST_PX} px from the image")
    return points


# Beyond any image; drawing takes time in proportion.
_FARTHEST_PX = 10**6
