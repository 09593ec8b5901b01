"""Annotations as masks: opening files of any form, and painting what they hold."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fnmask.data.annotations.coco import is_coco, open_coco
from fnmask.data.annotations.cvat import open_cvat
from fnmask.data.annotations.datumaro import is_datumaro, open_datumaro
from fnmask.data.annotations.labelme import is_labelme, open_labelme
from fnmask.data.annotations.regions import MALFORMED, AnnotationFile, Region, load_json
from fnmask.data.class_map import VOID, VOID_NAMES, ClassMap
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.reading import picture_size
from fnmask.data.samples import Sample

ANNOTATION_SUFFIXES = (".json", ".xml")

_FORMS = ((is_coco, open_coco), (is_datumaro, open_datumaro), (is_labelme, open_labelme))


def open_annotations(path: Path) -> AnnotationFile:
    """A file in the form that its content shows; the last few stay in memory.

    Raises:
        UnreadableError: of none of them.
    """
    return _open(path, _changed_ns(path))


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


# One for each split, and one for each image that is read at the same time.
@lru_cache(maxsize=8)
def _open(path: Path, changed_ns: int) -> AnnotationFile:
    if path.suffix.lower() == ".xml":
        return open_cvat(path)
    content = load_json(path)
    for fits, open_form in _FORMS:
        if fits(content):
            return open_form(path, content)
    raise UnreadableError(f"{path} is of no form that is known: COCO, Datumaro, LabelMe, or XML of CVAT for images.")


# Of a large image that is read tile by tile; one for each core that reads.
@lru_cache(maxsize=8)
def _regions_of(path: Path, changed_ns: int, key: str, size: tuple[int, int]) -> Sequence[Region]:
    file = open_annotations(path)
    return file.regions(file.images[key], size)


class AnnotationMasks:
    """Labels that annotations draw.

    Args:
        classes: names and their order.
        rest: class of the pixels that nothing marks; None for void.
        void: names of annotations that mean no class.
    """

    def __init__(self, classes: ClassMap, rest: str | None, void: Iterable[str]) -> None:
        self._labels = {name: label for label, name in enumerate(classes.names)}
        self._void = {name.lower() for name in (*VOID_NAMES, *void)} - {name.lower() for name in classes.names}
        if rest is not None and rest not in self._labels:
            raise ValueError(f"rest is {rest!r}, which is no class: {', '.join(classes.names)}.")
        self._rest = VOID if rest is None else self._labels[rest]

    def files(self, sample: Sample) -> tuple[Path, ...]:
        """The file that the image is written in, maybe with others."""
        return sample.masks

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.uint8]:
        """See `fnmask.data.mask_formats.MaskFormat`."""
        (path,) = sample.masks
        file = open_annotations(path)
        key = file.key_of(sample.image)
        if key is None:
            raise UnreadableError(f"{path} has no entry for {sample.image}.")
        entry, whole = file.images[key], size if sample.window is None else picture_size(sample.image)
        with _told_of(path, key):
            drawn = file.size(entry) or whole
        # Whether a camera's turn was applied is told by the size.
        if drawn not in (whole, whole[::-1]) or (sample.window and drawn != whole):
            raise UnreadableError(f"{path}, {key}: the image was {drawn} px when it was labeled; it is {whole} px.")
        window = sample.window or Window(0, 0, *drawn)
        with _told_of(path, key):
            return self._painted(_regions_of(path, _changed_ns(path), key, drawn), window)

    def _painted(self, regions: Sequence[Region], window: Window) -> NDArray[np.uint8]:
        labels = np.full((window.height, window.width), self._rest, np.uint8)
        unknown: Counter[str] = Counter()
        for region in regions:
            mask = region.draw(window)
            label = self._labels.get(region.name, VOID)
            if label == VOID and region.name.lower() not in self._void:
                unknown[region.name] += int(mask.sum())
            labels[mask] = label
        if unknown:
            told = ", ".join(f"{name!r} ({count} px)" for name, count in unknown.most_common())
            raise UnknownValueError(
                f"it is annotated with {told}; the classes are {', '.join(self._labels)}.", dict(unknown)
            )
        return labels


@contextmanager
def _told_of(path: Path, key: str) -> Iterator[None]:
    """Complaints with the file and the image that they are about."""
    try:
        yield
    except UnknownValueError as error:
        raise UnknownValueError(f"{path}, {key}: {error}", error.found) from None
    except MALFORMED as error:
        why = str(error).rstrip(".") if isinstance(error, ValueError) else f"{type(error).__name__} at {error}"
        raise UnreadableError(f"{path}, {key}: {why}.") from None


def annotated_names(paths: Sequence[Path]) -> Mapping[str, tuple[int, int, int] | None]:
    """The classes that files name, with their colors where they tell.

    Their order is that of the files, or where a file has only the names that it uses that of the alphabet: neither an
    image more nor another split may give the classes other ids.
    """
    names: dict[str, tuple[int, int, int] | None] = {}
    are_listed = True
    for path in sorted(paths):
        file = open_annotations(path)
        are_listed &= file.lists_classes
        for name in file.names:
            names[name] = names.get(name) or file.colors.get(name)
    return names if are_listed else dict(sorted(names.items()))


def without_partner(samples: Iterable[Sample]) -> list[str]:
    """Images that their file does not have, and entries of files without an image.

    Raises:
        UnreadableError: an entry fits several images, whose labels would be those of one.
    """
    found: dict[Path, dict[str, Path]] = {}
    alone = []
    for sample in samples:
        (path,) = sample.masks
        key = open_annotations(path).key_of(sample.image)
        taken = found.setdefault(path, {})
        if key is None:
            alone.append(sample.id)
        elif taken.setdefault(key, sample.image) != sample.image:
            raise UnreadableError(
                f"{path}: the entry {key!r} fits both {taken[key]} and {sample.image}. Write there the folder too, "
                "or give each folder a file of its own."
            )
    for path, keys in found.items():
        alone += sorted(open_annotations(path).images.keys() - keys.keys())
    return alone
