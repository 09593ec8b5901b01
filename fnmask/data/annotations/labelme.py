"""LabelMe: a JSON file for each image. Later shapes lie over earlier ones; lines are as wide as LabelMe draws them.

Source: `labelme.utils.shape_to_mask`.
"""

import base64
import binascii
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fnmask.data.annotations import drawing
from fnmask.data.annotations.regions import AnnotationFile, Mask, Region, read_points, read_size

_LINE_PX, _POINT_PX = 10, 5


def is_labelme(content: Any) -> bool:
    """Whether a JSON file has this form."""
    return isinstance(content, Mapping) and isinstance(content.get("shapes"), list)


def open_labelme(path: Path, content: Mapping[str, Any]) -> AnnotationFile:
    """The annotations of a file, of the image of the same name; its classes are those that it uses, by name."""
    used = {str(shape["label"]) for shape in content["shapes"] if isinstance(shape, Mapping) and shape.get("label")}
    return AnnotationFile(path, tuple(sorted(used)), {}, {path.stem: content}, _size, _regions, lists_classes=False)


def _size(content: Mapping[str, Any]) -> tuple[int, int] | None:
    # Older versions do not write it.
    height, width = content.get("imageHeight"), content.get("imageWidth")
    return None if height is None and width is None else read_size(height, width)


def _regions(content: Mapping[str, Any], size: tuple[int, int]) -> list[Region]:
    regions = []
    for place, shape in enumerate(content["shapes"]):
        told = f"shape {place}"
        if not isinstance(shape, Mapping) or not shape.get("label"):
            raise ValueError(f"{told} has no label")
        try:
            draw = _draw(shape)
        except ValueError as error:
            raise ValueError(f"{told} ({shape['label']}): {error}") from None
        regions.append(Region(str(shape["label"]), draw, told))
    return regions


def _draw(shape: Mapping[str, Any]) -> drawing.Draw:
    kind = shape.get("shape_type") or "polygon"
    points = read_points(shape.get("points"), at_least={"polygon": 3, "point": 1}.get(str(kind), 2))
    if kind == "polygon":
        return drawing.polygon(points)
    if kind in ("line", "linestrip"):
        return drawing.line(points, _LINE_PX)
    if kind == "point":
        return drawing.ellipse(points[0], (_POINT_PX, _POINT_PX))
    if len(points) != 2:
        raise ValueError(f"a {kind} has two points, this one {len(points)}")
    if kind == "rectangle":
        return drawing.box(points[0], points[1])
    if kind == "circle":
        reach = float(np.linalg.norm(points[1] - points[0]))
        return drawing.ellipse(points[0], (reach, reach))
    if kind == "mask":
        column, row = points.min(axis=0).round().astype(int).tolist()
        return drawing.bitmap(_stored_mask(shape.get("mask")), row, column)
    raise ValueError(f"the shape {kind!r} is not known")


def _stored_mask(given: Any) -> Mask:
    """A PNG in base64."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(given, validate=True))) as picture:
            return np.asarray(picture.convert("L")) > 0
    except (TypeError, ValueError, OSError, binascii.Error, Image.DecompressionBombError, SyntaxError):
        raise ValueError("its mask is no picture") from None
