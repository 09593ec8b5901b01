"""COCO's JSON: polygons, and run lengths with or without compression.

Larger regions lie under smaller ones; crowds are of their class, below all others.
Source: cocodataset.org/#format-data.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fnmask.data.annotations import drawing
from fnmask.data.annotations.regions import MALFORMED, AnnotationFile, Region, read_points, read_size
from fnmask.data.rasters import UnreadableError


def is_coco(content: Any) -> bool:
    """Whether a JSON file has this form."""
    return isinstance(content, Mapping) and {"images", "annotations", "categories"} <= content.keys()


def open_coco(path: Path, content: Mapping[str, Any]) -> AnnotationFile:
    """The annotations of a file.

    Raises:
        UnreadableError: something is missing that every such file has.
    """
    try:
        categories = {
            entry["id"]: str(entry["name"]) for entry in sorted(content["categories"], key=lambda one: one["id"])
        }
        by_image: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            by_image[annotation["image_id"]].append(annotation)
        images = {str(image["file_name"]): (image, by_image[image["id"]]) for image in content["images"]}
    except MALFORMED as error:
        raise UnreadableError(f"{path} is no COCO file: {type(error).__name__} at {error}.") from None
    if len(images) < len(content["images"]):
        raise UnreadableError(f"{path} names an image more than once.")
    return AnnotationFile(path, tuple(categories.values()), {}, images, _size, partial(_regions, categories))


Entry = tuple[Mapping[str, Any], list[Mapping[str, Any]]]


def _size(entry: Entry) -> tuple[int, int]:
    return read_size(entry[0].get("height"), entry[0].get("width"))


def _regions(categories: Mapping[Any, str], entry: Entry, size: tuple[int, int]) -> list[Region]:
    _, annotations = entry
    regions = [_region(annotation, categories, size) for annotation in annotations]
    order = sorted(range(len(regions)), key=lambda place: (not annotations[place].get("iscrowd"), -regions[place][1]))
    return [regions[place][0] for place in order]


def _region(annotation: Mapping[str, Any], categories: Mapping[Any, str], size: tuple[int, int]) -> tuple[Region, int]:
    """A region, and how many pixels it has."""
    told = f"annotation {annotation.get('id')}"
    if annotation.get("category_id") not in categories:
        raise ValueError(f"{told} has the category {annotation.get('category_id')!r}, which is none of the categories")
    try:
        lengths = _lengths(annotation.get("segmentation"), size)
    except ValueError as error:
        raise ValueError(f"{told}: {error}") from None
    region = Region(categories[annotation["category_id"]], drawing.runs_down(lengths, size[0]), told)
    return region, int(lengths[1::2].sum())


def _lengths(given: Any, size: tuple[int, int]) -> drawing.Lengths:
    """Run lengths: masks of a large image with many objects would not fit into memory."""
    if isinstance(given, Mapping):
        if list(given.get("size", ())) != list(size):
            raise ValueError(f"its mask has the size {given.get('size')}, the image {list(size)}")
        return drawing.check_runs(run_lengths(given.get("counts")), size)
    if not isinstance(given, list) or not given:
        raise ValueError("it has no segmentation")
    rings = [read_points(ring, at_least=3).ravel().tolist() for ring in given]
    try:
        from pycocotools import mask as reference
    except ImportError:
        raise ValueError("polygons of COCO need pycocotools: pip install 'fnmask[annotations]'") from None
    # The pixels that everybody else's programs find, bit for bit.
    drawn = reference.merge(reference.frPyObjects(rings, *size))
    return drawing.check_runs(_decompress(drawn["counts"].decode()), size)


def run_lengths(counts: Any) -> list[int]:
    """The lengths of runs, given as such or compressed.

    Raises:
        ValueError: neither.
    """
    if isinstance(counts, str):
        return _decompress(counts)
    if not isinstance(counts, list):
        raise ValueError("it has no run lengths")
    return counts


def _decompress(text: str) -> list[int]:
    """Run lengths: five bits in each letter, the lowest first; from the fourth on as differences to the last but one.

    Source: `rleFrString` of the COCO API.
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"its run lengths hold {letter!r}, which does not belong there")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        if len(lengths) > 2:
            value += lengths[-2]
        lengths.append(value)
        value = shift = 0
    if shift:
        raise ValueError("its run lengths are cut off")
    return lengths
