"""A synthetic overhead data set: no download, every picture made from its number."""

import hashlib
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from fnmask.data.aerial_canvas import VOID
from fnmask.data.aerial_scene import paint_scene
from fnmask.data.source import SPLITS, Split, check_split

# Raise it with every change of the pictures: it is part of the digest, so that old results are not compared with new.
GENERATOR_VERSION = 1


class Aerial:
    """Towns seen from above at about half a meter per pixel: land, building, road, vegetation and water.

    Made to be learnable but not easy: gray roofs and paved yards look like roads, dirt roads like land, shadows like
    water, trees hang over lanes, cars stand on them, and houses stand close to the road. Real pictures are harder;
    use the set to try things out and to test, not to claim.

    An image depends on `seed`, the split, its index and `size_px` only, so adding images keeps the ones before.
    """

    # The painter's ids (aerial_canvas) are positions in this tuple.
    class_names: tuple[str, ...] = ("land", "building", "road", "vegetation", "water")
    class_colors: tuple[tuple[int, int, int], ...] = (
        (222, 205, 166),
        (200, 60, 50),
        (90, 90, 110),
        (70, 150, 60),
        (50, 110, 200),
    )
    ignore_class: int | None = VOID

    def __init__(
        self,
        *,
        seed: Annotated[int, Ge(0)] = 0,
        n_train: Annotated[int, Ge(1)] = 96,
        n_val: Annotated[int, Ge(1)] = 24,
        n_test: Annotated[int, Ge(1)] = 48,
        size_px: Annotated[int, Ge(32)] = 128,
    ) -> None:
        """Describe the set; pictures are painted when they are loaded.

        Args:
            seed: Another seed gives another country.
            n_train: Number of training images.
            n_val: Number of validation images.
            n_test: Number of test images.
            size_px: Height and width in pixels. Things keep their size, so a larger picture shows more of the town.

        Raises:
            ValueError: A number is below its minimum.
        """
        for name, value, least in (
            ("seed", seed, 0),
            ("n_train", n_train, 1),
            ("n_val", n_val, 1),
            ("n_test", n_test, 1),
            ("size_px", size_px, 32),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}; give {least} or more.")
        self.seed = seed
        self.size_px = size_px
        self.counts: dict[Split, int] = {"train": n_train, "val": n_val, "test": n_test}

    def ids(self, split: Split) -> tuple[str, ...]:
        """Return names such as "train_0007"."""
        check_split(split)
        return tuple(f"{split}_{index:04d}" for index in range(self.counts[split]))

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Paint one scene (S, S, 3) with its labels (S, S), 0..4 or 255 for void, S = `size_px`."""
        check_split(split)
        if not 0 <= index < self.counts[split]:
            raise IndexError(f"The {split} split has the images 0..{self.counts[split] - 1}, not {index}.")
        return paint_scene(np.random.default_rng([self.seed, SPLITS.index(split), index]), self.size_px)

    def digest(self) -> str:
        """Return a SHA-256 over the version of the generator and its parameters, not over pixels."""
        what = f"aerial {GENERATOR_VERSION} seed={self.seed} size_px={self.size_px} {sorted(self.counts.items())}"
        return hashlib.sha256(what.encode()).hexdigest()
