"""Which file of annotations an image is written in, and the classes that the files name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fnmask.data.annotations.masks import ANNOTATION_SUFFIXES, annotated_names, without_partner
from fnmask.data.class_map import ClassMap, build_class_map
from fnmask.data.reading import IMAGE_SUFFIXES
from fnmask.data.samples import Sample, check_inside
from fnmask.data.source import MissingPartnersError

# Stands in the name of a file for the folder of a split, such as train or train2017.
SPLIT = "{split}"


def is_annotation(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in ANNOTATION_SUFFIXES


def holds_annotations(root: Path, masks: str, images: str) -> bool:
    """Whether a place of masks is one of annotations: of files of theirs alone, or of the images with theirs beside."""
    if set("*?") & set(masks):
        return is_annotation(Path(masks))
    places = [root / masks, *(folder / masks for folder in root.iterdir() if folder.is_dir())]
    suffixes = {path.suffix.lower() for place in places if place.is_dir() for path in place.rglob("*")}
    return bool(suffixes & {".json"}) and (masks == images or not suffixes & set(IMAGE_SUFFIXES))


def in_files(root: Path, masks: str, images: Mapping[str, Mapping[str, Path]]) -> list[Sample]:
    """Samples of annotations that lie in one file, or in one for each split.

    Args:
        root: of the set.
        masks: a file below it; `{split}` stands for the folder of a split.
        images: by split and id.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is that of a split, and the images lie in no folder of one.
        MissingPartnersError: an image without an entry, or an entry without an image.
    """
    samples = []
    for split, own in images.items():
        if SPLIT in masks and not split:
            raise ValueError(f"masks is {masks!r}, and the images lie in no folder called train, val or test.")
        path = root / masks.replace(SPLIT, split)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        check_inside(path, root)
        samples += [Sample(name, image, (path,), split) for name, image in own.items()]
    alone = without_partner(samples)
    if alone:
        raise MissingPartnersError(
            f"{len(alone)} images have no entry in {masks!r}, or entries no image: {', '.join(alone[:3])}"
            f"{', ...' if len(alone) > 3 else ''}.",
            alone,
        )
    return samples


def annotated_classes(paths: Sequence[Path], rest: str | None, void: Sequence[Any]) -> ClassMap:
    """The classes that files name, but for those that mean void; first of all the one of the rest, if they do not."""
    names = annotated_names(paths)
    if rest is not None and rest not in names:
        names = {rest: None, **names}
    entries = [{"name": name, "color": color, "void": name in map(str, void)} for name, color in names.items()]
    return replace(build_class_map(entries), void_colors=(), void_values=())
