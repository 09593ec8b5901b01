"""Small pictures of images with their labels over them: those that findings name, then some of every split."""

import base64
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.check.report import CheckReport
from fnmask.data.source import SPLITS, DataSource, Split

VOID_COLOR = (205, 205, 205)

_MOST_NAMED, _OF_EACH_FINDING, _OF_EACH_SPLIT = 36, 6, 4
_WIDTH_PX = 240
_OVERLAY = 0.5


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet.

    Attributes:
        name: split and id of the image.
        reasons: kinds of findings that name it; none for one that stands for its split.
        picture: data URL of a JPEG, two views side by side: the image, and its labels over it.
    """

    name: str
    reasons: tuple[str, ...]
    picture: str


def draw_sheet(source: DataSource, report: CheckReport) -> list[Cell]:
    """The sheet; at most 48 pictures of some 15 kB. Images that cannot be read have none."""
    reasons: dict[tuple[Split, str], list[str]] = defaultdict(list)
    for finding in report.findings:
        for place in finding.where[:_OF_EACH_FINDING]:
            if place.split and place.id and len(reasons) < _MOST_NAMED:
                reasons[place.split, place.id].append(finding.kind)
    cells = []
    for split, index in _chosen(source, list(reasons)):
        name = source.ids(split)[index]
        try:
            image, labels = source.load(split, index)
            picture = pair_picture(image, labels, source)
        except Exception:  # whatever it is, the check has told it
            continue
        kinds = tuple(dict.fromkeys(reasons.get((split, name), ())))
        cells.append(Cell(f"{split}/{name}", kinds, as_url(picture)))
    return cells


def pair_picture(image: NDArray[np.uint8], labels: NDArray[np.uint8], source: DataSource) -> Image.Image:
    """The image, and beside it its labels over it, made small."""
    small = fit(Image.fromarray(image))
    near = Image.fromarray(labels).resize(small.size, Image.Resampling.NEAREST)
    both = Image.new("RGB", (2 * small.width, small.height))
    both.paste(small, (0, 0))
    both.paste(Image.fromarray(overlay(np.asarray(small), np.asarray(near), source)), (small.width, 0))
    return both


def overlay(image: NDArray[np.uint8], labels: NDArray[np.uint8], source: DataSource) -> NDArray[np.uint8]:
    """Labels `(H, W)` as colors over an image `(H, W, 3)` in gray; void in light gray.

    Raises:
        IndexError: a label is neither a class nor void.
    """
    num_classes = len(source.class_names)
    colors = np.array([*source.class_colors, VOID_COLOR], np.float32)
    void = np.zeros(labels.shape, bool) if source.ignore_class is None else labels == source.ignore_class
    painted = colors[np.where(void, num_classes, labels)]
    gray = image.mean(axis=-1, keepdims=True)
    mixed: NDArray[np.uint8] = ((1 - _OVERLAY) * gray + _OVERLAY * painted).astype(np.uint8)
    return mixed


def fit(picture: Image.Image, width_px: int = _WIDTH_PX) -> Image.Image:
    """The picture at the width, its shape kept, but for very long ones."""
    height = max(1, min(round(picture.height * width_px / picture.width), 3 * width_px))
    return picture.resize((width_px, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def as_url(picture: Image.Image) -> str:
    """The picture as a JPEG inside an address."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _chosen(source: DataSource, named: list[tuple[Split, str]]) -> Iterator[tuple[Split, int]]:
    """Images by split and place: those that are named, then some spread over every split."""
    places = {(split, name): index for split in SPLITS for index, name in enumerate(source.ids(split))}
    seen = {(split, places[split, name]): None for split, name in named}
    for split in SPLITS:
        count = len(source.ids(split))
        for index in np.unique(np.linspace(0, count - 1, min(_OF_EACH_SPLIT, count)).astype(int)):
            seen.setdefault((split, int(index)))
    yield from seen
