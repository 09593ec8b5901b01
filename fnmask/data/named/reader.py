"""What the readers of public data sets share: pairing files, loading, and the digest."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import VOID, ClassMap, Color
from fnmask.data.files import read_text
from fnmask.data.mask_formats import ColorMasks, IdMasks, MaskFormat
from fnmask.data.named.facts import Facts
from fnmask.data.sampled import SampledSource
from fnmask.data.samples import Sample
from fnmask.data.source import MissingPartnersError, Split
from fnmask.data.splitting import by_fractions

SplitAs = Literal["held_out", "official"]
Splits = dict[Split, tuple[Sample, ...]]

# Of the publisher's training images, what validates where the publisher's validation images test.
HELD_OUT_FRACTION = 0.1


class NamedSet(SampledSource):
    """A public data set: a subclass states `facts` and pairs its files in `__init__`; the rest is here.

    Args:
        root: folder of the set, or the folder that the publisher's archive brings in it; "~" is expanded.
    """

    facts: ClassVar[Facts]
    class_names: tuple[str, ...]
    class_colors: tuple[Color, ...]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Known before a file is looked for.
        cls.class_names, cls.class_colors = cls.facts.classes.names, cls.facts.classes.colors

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser()
        self.place = self.facts.find_inside(self.root)
        self.samples, self.photo = {}, {}
        self._settle(self.facts.classes)

    def _settle(self, classes: ClassMap) -> None:
        """Take these classes, where an option decides."""
        self.class_names, self.class_colors = classes.names, classes.colors
        self.ignore_class: int | None = self.facts.void
        self.mask_encoding: Literal["ids", "colors"] = self.facts.encoding
        self.masks: MaskFormat = ColorMasks(classes) if self.facts.encoding == "colors" else IdMasks(classes)
        self.salt = f"{self.facts.title} {classes}"

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """See `SampledSource.load`; void is what the publisher calls it."""
        image, labels = super().load(split, index)
        return image, self._as_void(labels)

    def _as_void(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.facts.void != VOID:
            labels[labels == VOID] = self.facts.void
        return labels

    def _files(self, folder: str, ending: str, *, below: bool = False) -> dict[str, Path]:
        """Files of a folder whose names end so, by what is before.

        Args:
            folder: below the place of the set.
            ending: suffix, and what else every name has at its end.
            below: in the folders in it as well.

        Raises:
            FileNotFoundError: no such folder, or no such file in it.
            ValueError: two files of one name.
        """
        place = self.place / folder
        if not place.is_dir():
            raise FileNotFoundError(f"There is no folder {place}. {self.facts.expected}")
        found: dict[str, Path] = {}
        # Patterns of `pathlib` take seconds for the hundred thousand files of COCO.
        for where, folders, names in os.walk(place):
            folders[:] = sorted(folders) if below else []
            inside = Path(where)
            for name in names:
                # macOS leaves `._NAME` beside every file that it packs.
                if name.endswith(ending) and not name.startswith("."):
                    own = name.removesuffix(ending)
                    if own in found:
                        raise ValueError(
                            f"{found[own]} and {inside / name} are both {own!r}. Keep one. {self.facts.expected}"
                        )
                    found[own] = inside / name
        if not found:
            raise FileNotFoundError(f"There is no file *{ending} in {place}. {self.facts.expected}")
        return found

    def _listed(self, place: str) -> list[str]:
        """The first word of each line of a list.

        Raises:
            FileNotFoundError: no such list.
        """
        path = self.place / place
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}. {self.facts.expected}")
        lines = read_text(path).splitlines()
        return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]

    def _pair(self, images: Mapping[str, Path], masks: Mapping[str, Path], *, prefix: str = "") -> list[Sample]:
        """Images and masks of the same names, which become ids.

        Raises:
            MissingPartnersError: one has no partner.
        """
        alone = sorted(images.keys() ^ masks.keys())
        if alone:
            several = f"{len(alone)} files have no partner" if len(alone) > 1 else "1 file has no partner"
            told = f"{', '.join(map(repr, alone[:3]))}{', ...' if len(alone) > 3 else ''}"
            raise MissingPartnersError(
                f"{several} of the same name in {self.place}: {told}. {self.facts.expected}", alone
            )
        return [Sample(f"{prefix}{name}", images[name], (masks[name],)) for name in sorted(images)]

    def _among(self, names: Iterable[str], images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Sample]:
        """The pairs that a list names, in its order.

        Raises:
            MissingPartnersError: a file that the list names is missing.
        """
        names = list(names)
        for what, found in (("image", images), ("mask", masks)):
            missing = [name for name in names if name not in found]
            if missing:
                raise MissingPartnersError(
                    f"{len(missing)} of {len(names)} listed have no {what} in {self.place}: {missing[0]!r}. "
                    f"{self.facts.expected}",
                    missing,
                )
        return [Sample(name, images[name], (masks[name],)) for name in names]


def split_as(how: SplitAs, train: Sequence[Sample], judged: Sequence[Sample]) -> Splits:
    """Three splits of the two whose labels are public.

    Args:
        how: `held_out` keeps a tenth of the training images for validation, groups undivided, always the same ones,
            and tests on the publisher's validation images; `official` takes both as they are and has no test split.
        train: the publisher's training images.
        judged: the publisher's validation images, or test images where these have labels.
    """
    if how == "official":
        return {"train": tuple(train), "val": tuple(judged), "test": ()}
    drawn = by_fractions(train, val=HELD_OUT_FRACTION, test=0, seed=0)
    return {**drawn, "test": tuple(judged)}


def with_group(samples: Iterable[Sample], group: Callable[[Sample], str]) -> list[Sample]:
    """The samples, each with what it was taken from."""
    return [replace(sample, group=group(sample)) for sample in samples]
