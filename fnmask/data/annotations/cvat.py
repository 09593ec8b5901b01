"""CVAT's XML for images, version 1.1. What has the higher z-order lies above, then what comes later.

Source: docs.cvat.ai, "CVAT for image".
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from fnmask.data.annotations import drawing
from fnmask.data.annotations.regions import AnnotationFile, Region, read_points, read_size
from fnmask.data.class_map import Color, read_color
from fnmask.data.rasters import UnreadableError

# Of the image as a whole.
_TAG = "tag"


def open_cvat(path: Path) -> AnnotationFile:
    """The annotations of a file.

    Raises:
        UnreadableError: it is no such file.
    """
    try:
        from defusedxml import ElementTree
        from defusedxml.common import DefusedXmlException
    except ImportError:
        raise UnreadableError(f"{path} needs defusedxml: pip install 'fnmask[annotations]'.") from None
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ValueError, LookupError, ElementTree.ParseError, DefusedXmlException) as error:
        raise UnreadableError(f"{path} is no XML file of CVAT: {error}") from None
    if root.tag != "annotations" or root.find("track") is not None:
        raise UnreadableError(f"{path} is no file of CVAT for images: export the task as 'CVAT for images 1.1'.")
    colors: dict[str, Color] = {}
    names = []
    for label in root.iterfind("./meta//labels/label"):
        name = label.findtext("name") or ""
        names.append(name)
        # For pictures alone: one that is none is left out.
        with suppress(ValueError):
            colors[name] = read_color(label.findtext("color"))
    images = {image.get("name", ""): image for image in root.iterfind("image")}
    if not names:
        raise UnreadableError(f"{path} lists no labels: export the task with them.")
    return AnnotationFile(path, tuple(dict.fromkeys(names)), colors, images, _size, _regions)


def _size(image: Any) -> tuple[int, int]:
    return read_size(_whole(image.get("height")), _whole(image.get("width")))


def _regions(image: Any, size: tuple[int, int]) -> list[Region]:
    regions = []
    for place, shape in enumerate(image):
        if shape.tag == _TAG:
            continue
        told = f"shape {place} ({shape.tag} of {shape.get('label')})"
        try:
            region = Region(shape.get("label", ""), _draw(shape), told)
            regions.append((_whole(shape.get("z_order", "0")) or 0, region))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{told}: {error}") from None
    return [region for _, region in sorted(regions, key=lambda one: one[0])]


def _draw(shape: Any) -> drawing.Draw:
    number = partial(_number, shape)
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
        return drawing.polygon(read_points(pairs, at_least=3))
    if shape.tag == "box":
        corners = read_points([number(key) for key in ("xtl", "ytl", "xbr", "ybr")], at_least=2)
        return drawing.box(corners[0], corners[1], number("rotation", "0"))
    if shape.tag == "ellipse":
        points = read_points([number(key) for key in ("cx", "cy", "rx", "ry")], at_least=2)
        return drawing.ellipse(points[0], points[1], number("rotation", "0"))
    if shape.tag == "mask":
        size = read_size(*(_whole(shape.get(side)) for side in ("height", "width")))
        counts = [_whole(length) for length in shape.get("rle", "").split(",")]
        mask = drawing.runs([-1 if count is None else count for count in counts], size, by_columns=False)
        return drawing.bitmap(mask, *(_whole(shape.get(side)) or 0 for side in ("top", "left")))
    raise ValueError("it has no area: draw a polygon, or take it out")


def _number(shape: Mapping[str, str], key: str, default: str = "") -> float:
    text = shape.get(key, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"its {key} is {text!r}, and must be a number") from None


def _whole(text: str | None) -> int | None:
    try:
        return int(str(text).strip())
    except ValueError:
        return None
