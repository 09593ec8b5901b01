"""`fnmask predict`: images in, masks, overlays and areas out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fnmask.data.rasters import UnreadableError
from fnmask.data.reading import read_photo
from fnmask.inference.image_files import ImageFile
from fnmask.inference.prediction_files import areas_csv, write_files
from fnmask.inference.segmenter import Segmenter
from fnmask.inference.trained import Trained
from fnmask.tracking.artifacts import ClassList

AREAS = "areas.csv"


@dataclass
class Predicted:
    """What came of a prediction.

    Attributes:
        areas: pixels of each class, by name of the image.
        skipped: why, by path of the file.
    """

    areas: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tiles:
    """How large images are cut.

    Attributes:
        overlap: px that neighboring tiles share at least.
        scale: of the image before it is cut.
    """

    overlap: int
    scale: float


def predict_files(
    trained: Trained,
    images: Iterable[ImageFile],
    output: Path,
    *,
    tiles: Tiles | None = None,
) -> Predicted:
    """Segment files; a bad one is skipped, and its reason kept.

    Args:
        trained: the network.
        images: files.
        output: folder for `masks/`, `overlays/` and `areas.csv`; made when missing, files of the same name replaced.
        tiles: cut images into tiles; None resizes each to the size of training.

    Raises:
        OSError: `output` cannot be written to.
    """
    told, segmenter = Predicted(), Segmenter(trained)
    output.mkdir(parents=True, exist_ok=True)
    num_classes = len(trained.classes.names)
    try:
        for file in images:
            try:
                image = read_photo(file.path, **trained.photo)
                mask = _predict_file(segmenter, file.name, image, output, trained.classes, tiles)
            except UnreadableError as error:
                told.skipped[file.path] = str(error).removeprefix(f"{file.path} ")
            else:
                told.areas[file.name] = np.bincount(mask.ravel(), minlength=num_classes)
    finally:
        # Whatever ends a long prediction: the areas belong to the masks that are there.
        text = areas_csv(told.areas.items(), trained.classes.names)
        (output / AREAS).write_text(text, encoding="utf-8", newline="\n")
    return told


def _predict_file(
    segmenter: Segmenter,
    name: str,
    image: NDArray[np.uint8],
    output: Path,
    classes: ClassList,
    tiles: Tiles | None,
) -> NDArray[np.uint8]:
    """Segment one image, write what comes of it, and return the mask."""
    if tiles is None:
        mask = segmenter.segment_whole(image)
    else:
        mask = segmenter.segment_tiles(image, overlap=tiles.overlap, scale=tiles.scale)
    write_files(output, name, image, mask, classes)
    return mask
