"""How masks are written: values, colors, or a file for each class. Annotations have a module each.

A format is any object with the two methods of `MaskFormat`; `Folder` asks it for the labels of one sample.
"""

import glob
import os
import re
import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import VOID, ClassMap, Color
from fnmask.data.mask_files import read_colors, read_marks, read_values, stored_palette
from fnmask.data.mask_values import UnknownValueError, decode_colors, decode_ids
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.reading import picture_size
from fnmask.data.samples import CLASS, ID, Sample, check_inside


class MaskFormat(Protocol):
    """Reads the labels of a sample."""

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The files that label it: what the digest of the set is taken of."""

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Class ids and `VOID`, `(H, W)`, of the window of the sample where it has one.

        Args:
            sample: an image and its files.
            size: height and width in px of the image or window, for formats without a size of their own.

        Raises:
            ValueError: the labels cannot be read; the message names the file.
        """


class IdMasks:
    """One file for each image, whose gray levels or palette indices, of 8 or 16 bits, are ids."""

    def __init__(self, classes: ClassMap) -> None:
        self._classes = classes

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The mask."""
        return sample.masks

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
        """See `MaskFormat`."""
        (path,) = sample.masks
        values, clear = read_values(path, sample.window)
        if values.ndim == 2:
            # An index or a gray level is an id, however it is shown.
            clear = None
        else:
            if not (values[..., 0] == values[..., 1]).all() or not (values[..., 0] == values[..., 2]).all():
                raise UnreadableError(f"{path} holds colors, not ids. Give mask_format=colors and a class map.")
            values = values[..., 0]
        return _void_where(clear, _named(path, sample.window, lambda: decode_ids(values, self._classes)))

    def shown_colors(self, sample: Sample) -> Mapping[int, Color]:
        """In which colors the palette of the mask, if it has one, shows the ids of classes: by label."""
        palette = stored_palette(sample.masks[0])
        return {label: palette[value] for label, value in enumerate(self._classes.values) if value < len(palette)}


class ColorMasks:
    """One file for each image, whose colors stand for classes; transparent pixels are void."""

    def __init__(self, classes: ClassMap) -> None:
        self._classes = classes

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The mask."""
        return sample.masks

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
        """See `MaskFormat`."""
        (path,) = sample.masks
        rgb, clear = self._read(path, sample.window)
        if clear is None or not clear.any():
            return _named(path, sample.window, lambda: decode_colors(rgb, self._classes))
        # Whatever lies under full transparency was never meant to be seen.
        known = rgb.copy()
        known[clear] = self._classes.colors[0]
        return _void_where(clear, _named(path, sample.window, lambda: decode_colors(known, self._classes)))

    def _read(self, path: Path, window: Window | None) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        """Colors `(H, W, 3)`, and where they are transparent."""
        values, clear = read_values(path, window)
        return values if values.ndim == 3 else read_colors(path, window), clear


class ClassFiles:
    """A file for each class, or for each instance of one: every pixel above 0 that is not transparent is of the class.

    Args:
        classes: names and their order; where two overlap the later class wins.
        root: of the data set.
        pattern: below the root, with `{class}`, with `{id}`, and with `*` for the instances of a class, such as
            `masks/{id}/{class}_*.png`. A class without a file is absent from the image.
        rest: class of the pixels that no file marks; None for void.
    """

    def __init__(self, classes: ClassMap, root: Path, pattern: str, rest: str | None = None) -> None:
        if CLASS not in pattern or ID not in pattern:
            raise ValueError(
                f"masks is {pattern!r}; a file for each class is named by a pattern with {ID} and {CLASS}."
            )
        if Path(pattern).is_absolute():
            raise ValueError(f"masks is {pattern!r}, which leaves the data set: give a pattern below its root.")
        if rest is not None and rest not in classes.names:
            raise ValueError(f"rest is {rest!r}, which is no class: {', '.join(classes.names)}.")
        self._classes, self._root, self._pattern = classes, root, pattern
        self._rest = VOID if rest is None else classes.names.index(rest)
        self._listed: dict[Path, list[str]] = {}
        self._inside: set[Path] = set()

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The files of all classes.

        Raises:
            ValueError: one is a link that leaves the root.
        """
        found = self._found(sample)
        for path in found:
            # To follow every path to its end takes longer than to find them.
            if path.parent not in self._inside or path.is_symlink():
                check_inside(path, self._root)
                self._inside.add(path.parent)
        return found

    def _found(self, sample: Sample) -> tuple[Path, ...]:
        return tuple(path for label in range(len(self._classes.names)) for path in self._files_of(sample, label))

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
        """See `MaskFormat`.

        Raises:
            ValueError: there is no file of any class, one is of two classes, or has another size than the image.
        """
        files = self.files(sample)
        if not files:
            raise UnreadableError(f"{sample.image} has no mask: nothing fits {self._pattern!r}.")
        if twice := [path for path, count in Counter(files).items() if count > 1]:
            raise UnreadableError(
                f"{twice[0]} fits {self._pattern!r} for two classes, one of whose names begins or ends the other's: "
                f"put a sign beside {CLASS}, as in '{CLASS}_*.png'."
            )
        labels: NDArray[np.uint8] | None = None
        for label in range(len(self._classes.names)):
            for path in self._files_of(sample, label):
                marked = read_marks(path, sample.window)
                if labels is None and marked.shape in (size, size[::-1]):
                    labels = np.full(marked.shape, self._rest, np.uint8)
                whole = sample.window is None or picture_size(path) == picture_size(sample.image)
                if labels is None or marked.shape != labels.shape or not whole:
                    raise UnreadableError(f"{path} has {marked.shape} px, its image {size}: they must be of one size.")
                labels[marked] = label
        assert labels is not None
        return labels

    def misplaced(self, samples: Iterable[Sample]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """Files that fit the pattern for no class and image that there is, and files that fit it for several images."""
        # Tiles of an image have its files.
        whole = {sample.image: sample for sample in samples}
        claims = Counter(path for sample in whole.values() for path in set(self._found(sample)))
        ids = {"*/" * (sample.stem or sample.id).count("/") + "*" for sample in whole.values()}
        fitting = {path for sign in ids for path in self._root.glob(_any_class(self._pattern.replace(ID, sign)))}
        unused = {path for path in fitting if path.is_file()} - claims.keys() - whole.keys()
        return tuple(sorted(unused)), tuple(sorted(path for path, count in claims.items() if count > 1))

    def _files_of(self, sample: Sample, label: int) -> Sequence[Path]:
        # Signs in the names of images and classes mean themselves.
        sample_id, name = glob.escape(sample.stem or sample.id), glob.escape(self._classes.names[label])
        pattern = self._pattern.replace(ID, sample_id).replace(CLASS, name)
        folder, _, last = pattern.rpartition("/")
        if "**" in pattern or glob.has_magic(folder) or not glob.has_magic(last):
            return sorted(self._root.glob(pattern))
        # One folder may hold the files of all images: it is listed once, and only names that begin so are compared.
        names, begin = self._names_in(self._root / folder), re.split(r"[*?[]", last, maxsplit=1)[0]
        candidates = names[bisect_left(names, begin) : bisect_left(names, begin + chr(sys.maxunicode))]
        return [self._root / folder / found for found in candidates if fnmatchcase(found, last)]

    def _names_in(self, folder: Path) -> Sequence[str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = sorted(os.listdir(folder))
            except OSError:  # it then holds no file of any class, which is told with the image
                self._listed[folder] = []
        return self._listed[folder]


def _any_class(pattern: str) -> str:
    """The pattern of all classes; stars that come to lie beside each other are one, but for a folder of that name."""
    return re.sub(r"(?<=[^/*])\*\*+|\*\*+(?=[^/*])", "*", pattern.replace(CLASS, "*"))


def _void_where(clear: NDArray[np.bool_] | None, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if clear is not None:
        labels[clear] = VOID
    return labels


def _named(path: Path, window: Window | None, decode: "Decode") -> NDArray[np.uint8]:
    """Labels; a complaint about them with the name of the file and the place in it."""
    try:
        return decode()
    except UnknownValueError as error:
        place = "" if window is None else f", from row {window.row}, column {window.column}"
        raise UnknownValueError(f"{path}{place}: {error}", error.found) from None


class Decode(Protocol):
    """Makes labels."""

    def __call__(self) -> NDArray[np.uint8]:
        """Class ids and `VOID`."""
