"""What a prediction leaves: the mask as the data set writes it, an overlay to look at, and areas as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.tracking.artifacts import ClassList

MASKS, OVERLAYS = "masks", "overlays"

_OPACITY = 0.5
# Of a side: what JPEG can hold.
_LARGEST_JPEG_PX = 65_500


def encode_mask(mask: NDArray[np.uint8], classes: ClassList) -> Image.Image:
    """A mask as the masks of the data set are written, so that its reader takes it back.

    Args:
        mask: class ids `(H, W)`.
        classes: names, colors, and which of the two encodings.

    Returns:
        `colors`: RGB. `ids`: palette indices, which are the class ids, shown in the colors of the classes.
    """
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes.colors)] = classes.colors
    if classes.mask_encoding == "colors":
        return Image.fromarray(palette[mask])
    picture = Image.fromarray(mask)
    picture.putpalette(palette.ravel().tolist())
    return picture


def draw_overlay(image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: ClassList) -> Image.Image:
    """The image under the colors of its classes; one that is too large for JPEG is drawn smaller."""
    colors = np.array(classes.colors, np.float32)
    # Row by row of the table, not of the image: an image of floats would be four times as large.
    mixed = image.copy()
    for label, color in enumerate(colors):
        here = mask == label
        mixed[here] = (image[here] * (1 - _OPACITY) + color * _OPACITY).astype(np.uint8)
    picture = Image.fromarray(mixed)
    picture.thumbnail((_LARGEST_JPEG_PX, _LARGEST_JPEG_PX))
    return picture


def write_files(folder: Path, name: str, image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: ClassList) -> None:
    """Write `masks/<name>.png` and `overlays/<name>.jpg` below a folder."""
    mask_path, overlay_path = folder / MASKS / f"{name}.png", folder / OVERLAYS / f"{name}.jpg"
    for path, picture in ((mask_path, encode_mask(mask, classes)), (overlay_path, draw_overlay(image, mask, classes))):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def areas_csv(rows: Iterable[tuple[str, NDArray[np.int64]]], class_names: Sequence[str]) -> str:
    """Pixels and percent of every class in every image.

    Args:
        rows: name of an image, and C counts of pixels.
        class_names: C names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", *(f"{name}_px" for name in class_names), *(f"{name}_percent" for name in class_names)])
    for name, counts in rows:
        shares = 100 * counts / max(1, counts.sum())
        writer.writerow([name, *counts.tolist(), *(f"{share:.3f}" for share in shares)])
    return text.getvalue()
