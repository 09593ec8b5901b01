"""Datumaro's JSON, which CVAT writes too. What has the higher z-order lies above, then what comes later.

Source: Datumaro's documentation, "Datumaro format".
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fnmask.data.annotations import drawing
from fnmask.data.annotations.coco import run_lengths
from fnmask.data.annotations.regions import MALFORMED, AnnotationFile, Region, read_points, read_size
from fnmask.data.rasters import UnreadableError

# Of the image as a whole.
_NO_AREA = ("label", "caption")


def is_datumaro(content: Any) -> bool:
    """Whether a JSON file has this form."""
    return isinstance(content, Mapping) and {"categories", "items"} <= content.keys()


def open_datumaro(path: Path, content: Mapping[str, Any]) -> AnnotationFile:
    """The annotations of a file.

    Raises:
        UnreadableError: something is missing that every such file has.
    """
    try:
        names = tuple(str(label["name"]) for label in content["categories"]["label"]["labels"])
        images = {str(item["id"]): item for item in content["items"]}
    except MALFORMED as error:
        raise UnreadableError(f"{path} is no Datumaro file: {type(error).__name__} at {error}.") from None
    return AnnotationFile(path, names, {}, images, _size, partial(_regions, names))


def _size(item: Mapping[str, Any]) -> tuple[int, int] | None:
    image = item.get("image")
    given = image.get("size") if isinstance(image, Mapping) else None
    return read_size(*given) if isinstance(given, list) and len(given) == 2 else None


def _regions(names: Sequence[str], item: Mapping[str, Any], size: tuple[int, int]) -> list[Region]:
    regions = []
    for annotation in item.get("annotations", []):
        told = f"annotation {annotation.get('id')} ({annotation.get('type')})"
        if annotation.get("type") in _NO_AREA:
            continue
        label = annotation.get("label_id")
        if not isinstance(label, int) or not 0 <= label < len(names):
            raise ValueError(f"{told} has the label {label!r}; there are {len(names)}")
        try:
            regions.append((annotation.get("z_order") or 0, Region(names[label], _draw(annotation), told)))
        except MALFORMED as error:
            raise ValueError(f"{told}: {error}") from None
    return [region for _, region in sorted(regions, key=lambda one: one[0])]


def _draw(annotation: Mapping[str, Any]) -> drawing.Draw:
    kind = annotation.get("type")
    if kind == "polygon":
        return drawing.polygon(read_points(annotation.get("points"), at_least=3))
    if kind == "bbox":
        (x, y), (width, height) = read_points(annotation.get("bbox"), at_least=2)
        return drawing.box((x, y), (x + width, y + height))
    if kind == "ellipse":
        low, high = read_points(annotation.get("points"), at_least=2)
        return drawing.ellipse((low + high) / 2, abs(high - low) / 2)
    if kind == "mask" and isinstance(annotation.get("rle"), Mapping):
        rle = annotation["rle"]
        size = read_size(*rle["size"]) if isinstance(rle.get("size"), list) and len(rle["size"]) == 2 else (0, 0)
        lengths = drawing.check_runs(run_lengths(rle.get("counts")), size)
        # As large as the image: made when it is drawn, not kept.
        return lambda window: drawing.bitmap(drawing.runs(lengths, size, by_columns=True), 0, 0)(window)
    raise ValueError("it has no area: draw a polygon, or take it out")
