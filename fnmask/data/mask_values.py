"""From the values or colors of a mask to class ids; what is neither a class nor void is refused."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import count

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.data.class_map import VOID, ClassMap, hex_color

# Of the unknown values of a mask so many are told.
_MOST_TOLD = 8


class UnknownValueError(ValueError):
    """A mask holds what the class map does not know.

    Attributes:
        found: pixels of each unknown value, as `#RRGGBB` or a number, the most frequent first.
    """

    def __init__(self, message: str, found: dict[str, int]) -> None:
        super().__init__(message)
        self.found = found


def decode_ids(values: NDArray[np.integer], classes: ClassMap) -> NDArray[np.uint8]:
    """Labels of a mask of ids.

    Args:
        values: `(H, W)` unsigned integers of 8 or 16 bits.
        classes: which value is which class.

    Returns:
        Class ids and `VOID`, uint8 `(H, W)`.

    Raises:
        UnknownValueError: there are others.
    """
    if values.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"values are {values.dtype}; they must be uint8 or uint16.")
    n_values = 2**8 if values.dtype == np.uint8 else 2**16
    table = np.full(n_values, VOID, np.uint8)
    is_known = np.zeros(n_values, bool)
    for value, label in [
        *((value, VOID) for value in classes.void_values),
        *zip(classes.values, count(), strict=False),
    ]:
        if value < n_values:
            table[value], is_known[value] = label, True
    if values.dtype == np.uint8:
        # Pillow counts and maps bytes several times as fast as NumPy does.
        picture = Image.fromarray(values)
        counts = np.array(picture.histogram())
    else:
        counts = np.bincount(values.ravel(), minlength=n_values)
    unknown = np.flatnonzero((counts > 0) & ~is_known)
    if unknown.size:
        listed = [*classes.values, *classes.void_values]
        told = [str(value) for value in unknown]
        raise _refuse("value", told, counts[unknown], [str(value) for value in sorted(listed)])
    labels: NDArray[np.uint8] = np.array(picture.point(table.tolist())) if values.dtype == np.uint8 else table[values]
    return labels


def decode_colors(rgb: NDArray[np.uint8], classes: ClassMap) -> NDArray[np.uint8]:
    """Labels of a mask of colors `(H, W, 3)`; returns and raises as `decode_ids`."""
    codes, table = pack_colors(rgb), _color_table(classes)
    labels: NDArray[np.uint8] = table[codes]
    empty = codes[labels == VOID]
    strange = empty[~np.isin(empty, [_code(color) for color in classes.void_colors])]
    if strange.size:
        unknown, counts = np.unique(strange, return_counts=True)
        listed = [hex_color(color) for color in (*classes.colors, *classes.void_colors)]
        raise _refuse("color", [f"#{code:06X}" for code in unknown], counts, listed)
    return labels


@lru_cache(maxsize=2)  # of 16 MiB each
def _color_table(classes: ClassMap) -> NDArray[np.uint8]:
    """Label of every color 0xRRGGBB; `VOID` of those that are no class."""
    table = np.full(2**24, VOID, np.uint8)
    table[[_code(color) for color in classes.colors]] = np.arange(len(classes.colors))
    return table


def pack_colors(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number 0xRRGGBB for each pixel."""
    # Four bytes of a number, the lowest first: in one pass.
    wide = np.zeros((*rgb.shape[:-1], 4), np.uint8)
    wide[..., :3] = rgb[..., ::-1]
    packed: NDArray[np.uint32] = wide.view("<u4")[..., 0]
    return packed


def _code(color: Sequence[int]) -> int:
    return (color[0] << 16) | (color[1] << 8) | color[2]


def _refuse(what: str, unknown: Sequence[str], counts: NDArray[np.int64], listed: Sequence[str]) -> UnknownValueError:
    order = np.argsort(-counts, kind="stable")
    found = {unknown[place]: int(counts[place]) for place in order}
    told = ", ".join(f"{value} ({count} px)" for value, count in list(found.items())[:_MOST_TOLD])
    more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
    return UnknownValueError(
        f"it holds the {what}s {told}{more}, which are neither a class nor void. The class map lists "
        f"{', '.join(listed)}.",
        found,
    )
