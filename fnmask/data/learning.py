"""Which values and colors masks hold, where nobody has said what they mean: told, to be confirmed, never assumed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fnmask.data.class_map import hex_color
from fnmask.data.mask_files import read_colors, read_values
from fnmask.data.mask_values import pack_colors

# A mask that was saved as JPEG, or smoothed, holds thousands.
_MOST_VALUES = 255
# Masks that tell whether the set is in colors.
_LOOKED_AT = 50


class LearnedClassesError(ValueError):
    """No class map was given; the message is one to complete, of what the masks hold.

    Attributes:
        found: pixels of each value or color, the most frequent first.
    """

    def __init__(self, found: dict[int | str, int]) -> None:
        self.found = found
        total = sum(found.values())
        written = [
            f"  - {{name: CLASS_{place}, {'id' if isinstance(value, int) else 'color'}: {value!r}}}  "
            f"# {100 * count / total:.2f} % of the pixels"
            for place, (value, count) in enumerate(found.items())
        ]
        super().__init__(
            f"classes is not given. The masks hold {len(found)} values; name them in a file and give it as "
            "dataset.classes=FILE.yaml, with void: true for those that mean no class:\n" + "\n".join(written)
        )


def learn_classes(masks: Iterable[Path]) -> dict[int | str, int]:
    """What the masks hold: colors as `#RRGGBB`, or ids; with their pixels, the most frequent first.

    Args:
        masks: files; those of the training images suffice.

    Raises:
        ValueError: none, some with colors and some without, or more values than there can be classes.
    """
    files = list(masks)
    # Palettes mean colors where other masks of the set are colors, or where each has one of its own, as programs make
    # them of colors; else their indices are ids.
    in_colors = any(read_values(path)[0].ndim == 3 for path in files[:_LOOKED_AT]) or _differ(files[:_LOOKED_AT])
    counts: Counter[int | str] = Counter()
    for path in files:
        values, clear = read_values(path)
        if values.ndim == 3 and not in_colors:
            raise ValueError(f"{path} holds colors, those before it do not. Give mask_format and classes.")
        codes = pack_colors(values if values.ndim == 3 else read_colors(path)) if in_colors else values
        found, pixels = np.unique(codes[~clear] if in_colors and clear is not None else codes, return_counts=True)
        for value, count in zip(found.tolist(), pixels.tolist(), strict=True):
            color = (value >> 16, value >> 8 & 255, value & 255)
            counts[hex_color(color) if in_colors else value] += count
        if len(counts) > _MOST_VALUES:
            raise ValueError(
                f"The masks hold more than {_MOST_VALUES} values up to {path}: more than there can be classes. Were "
                "they smoothed, or saved as JPEG?"
            )
    if not counts:
        raise ValueError("There is no mask to look at, and classes is not given. Give dataset.classes.")
    return dict(counts.most_common())


def _differ(files: Iterable[Path]) -> bool:
    """Whether the palettes of masks show an index that several of them use in different colors."""
    shown: dict[int, bytes] = {}
    for path in files:
        values, _ = read_values(path)
        if values.dtype != np.uint8:  # gray levels: no palette has so many
            continue
        found, places = np.unique(values, return_index=True)
        colors = read_colors(path).reshape(-1, 3)[places]
        told = {value: color.tobytes() for value, color in zip(found.tolist(), colors, strict=True)}
        if any(shown.setdefault(value, color) != color for value, color in told.items()):
            return True
    return False
