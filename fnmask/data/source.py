"""What a data set must offer to be trained on: three attributes and three methods."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class MissingPartnersError(FileNotFoundError):
    """Images without a mask, or masks without an image.

    Attributes:
        alone: all of them, by id or file.
    """

    def __init__(self, message: str, alone: Sequence[str]) -> None:
        super().__init__(message)
        self.alone = tuple(alone)


class DataSource(Protocol):
    """A labelled data set with a fixed division into training, validation and test images.

    A class that has these members is a data source; it inherits from nothing and is registered nowhere: name it
    as `_target_` in a file under `conf/dataset/`. Its constructor is cheap (it lists folders at most) and raises
    ValueError or FileNotFoundError if the set cannot be used, so that a sweep finds out before it trains.

    Attributes:
        class_names: One name per class id, in order; unique.
        class_colors: One RGB color, 0..255, per class id, for pictures.
        ignore_class: The label, 0..255, of pixels without annotation (void), or None if every pixel has a class.
        mask_encoding: How the set's masks are written, for predictions to be written alike: "ids" as gray levels or
            palette indices, "colors" as RGB. May be left out: "ids".
        is_thread_safe: Whether several threads may call `load` at once; then a set is decoded on all cores. May be left
            out: False.

    A method `groups(split)` may be there too: for each id of the split what its image was taken from (a drive, a tile),
    empty for nothing known; `fnmask data check` says which of them lie in several splits. So may a method
    `is_turn_unsure(split, index)`: whether an image was turned by a note of its camera that its mask need not follow;
    `shown_colors(split, index)`: in which colors a mask of indices shows the classes; and `misplaced_masks()`: files
    that look like masks and belong to no image, and those that belong to several.
    """

    class_names: tuple[str, ...]
    class_colors: tuple[tuple[int, int, int], ...]
    ignore_class: int | None

    def ids(self, split: Split) -> tuple[str, ...]:
        """Return one unique name per image of the split, always in the same order."""
        ...

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one RGB image (H, W, 3), 0..255, and its labels (H, W): class ids or `ignore_class`."""
        ...

    def digest(self) -> str:
        """Return a SHA-256 (64 hex digits) over the content: equal digests, equal images, labels and splits."""
        ...


def check_split(split: str) -> None:
    """Raise ValueError unless `split` is one of the three."""
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}; use one of {', '.join(SPLITS)}.")
