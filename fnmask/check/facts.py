"""What is measured of one image and its labels, once, while both are in memory."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.data.class_map import Color
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.rasters import UnreadableError
from fnmask.data.source import DataSource, Split

Fault = Literal["unreadable", "refused", "unknown", "size", "shape"]

# Gray levels of an image that are kept: one column more than there are differences between neighbors in a row.
THUMB_ROWS, THUMB_COLUMNS = 16, 17
_THUMB_FROM_ROWS = 64
_CHECKSUM_COLUMNS = 64
_CHECKSUM_WEIGHTS = np.random.default_rng(0).integers(2**63, size=_CHECKSUM_COLUMNS, dtype=np.uint64) * 2 + 1


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """One image.

    Attributes:
        split: it belongs to.
        id: of the image.
        fault: why it cannot be trained on, or None; then what follows is not measured but where it says so.
        detail: the fault in words.
        unknown: pixels of every value that is neither a class nor void; with the fault `unknown`.
        size: height and width in px.
        pixels: of each class, (C,).
        void: pixels without annotation.
        thumb: gray levels of the image, made small; (16, 17) uint8.
        image_sum: checksum of the pixels of the image.
        label_sum: the same of its labels.
        borders: pairs of neighbors, in a row or a column, of different labels.
        specks: pixels of each class that belong to a connected region (by four neighbors) of one or two pixels, (C,).
        is_turn_unsure: whether a camera's note turned the image, and the mask has the same size turned or not.
        shown: color in which the palette of the mask shows each class of it, where it has one.
    """

    split: Split
    id: str
    fault: Fault | None = None
    detail: str = ""
    unknown: dict[str, int] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    pixels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    void: int = 0
    thumb: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((THUMB_ROWS, THUMB_COLUMNS), np.uint8))
    image_sum: int = 0
    label_sum: int = 0
    borders: int = 0
    specks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    is_turn_unsure: bool = False
    shown: Mapping[int, Color] = field(default_factory=dict)

    @property
    def labeled(self) -> int:
        """Pixels of a class."""
        return int(self.pixels.sum())


def measure(source: DataSource, split: Split, index: int) -> ImageFacts:
    """Facts of one image; whatever is wrong with it is one of them."""
    name = source.ids(split)[index]
    try:
        image, labels = source.load(split, index)
        is_turn_unsure = getattr(source, "is_turn_unsure", lambda split, index: False)(split, index)
        shown: Mapping[int, Color] = getattr(source, "shown_colors", lambda split, index: {})(split, index)
    except UnknownValueError as error:
        return ImageFacts(split, name, "unknown", str(error), error.found)
    except (UnreadableError, OSError) as error:
        return ImageFacts(split, name, "unreadable", str(error))
    except Exception as error:  # a reader of somebody else; one bad image must not end the check
        return ImageFacts(split, name, "refused", str(error) or type(error).__name__)
    facts = measure_arrays(source, split, name, image, labels)
    own = {label: color for label, color in shown.items() if label < len(facts.pixels) and facts.pixels[label]}
    return replace(facts, is_turn_unsure=is_turn_unsure, shown=own) if is_turn_unsure or own else facts


def measure_arrays(
    source: DataSource, split: Split, name: str, image: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> ImageFacts:
    """Facts of an image `(H, W, 3)` and its labels `(H, W)`."""
    if image.dtype != np.uint8 or labels.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        detail = f"image {image.dtype} {image.shape}, labels {labels.dtype} {labels.shape}"
        return ImageFacts(split, name, "shape", f"{detail}; want uint8, (H, W, 3) and (H, W)")
    if labels.shape != image.shape[:2]:
        detail = f"image {_px(image.shape)}, labels {_px(labels.shape)}"
        return ImageFacts(split, name, "size", detail, size=image.shape[:2])
    # Pillow counts bytes several times as fast as NumPy does.
    counts = np.array(Image.fromarray(labels).histogram(), np.int64)
    num_classes = len(source.class_names)
    unknown = {str(value): int(counts[value]) for value in np.flatnonzero(counts) if value >= num_classes}
    void = 0 if source.ignore_class is None else int(counts[source.ignore_class])
    unknown.pop(str(source.ignore_class), None)
    if unknown:
        first = min(unknown, key=int)
        row, column = np.argwhere(labels == int(first))[0]
        void_text = "" if source.ignore_class is None else f" and void {source.ignore_class}"
        detail = f"label {first}, first at row {row}, column {column}; known are 0..{num_classes - 1}{void_text}"
        return ImageFacts(split, name, "unknown", detail, unknown)
    pixels = counts[:num_classes]
    if source.ignore_class is not None and source.ignore_class < num_classes:
        pixels[source.ignore_class] = 0
    borders, specks = _regions(labels, num_classes)
    return ImageFacts(
        split,
        name,
        size=image.shape[:2],
        pixels=pixels,
        void=void,
        thumb=make_thumb(image),
        image_sum=checksum(image),
        label_sum=checksum(labels),
        borders=borders,
        specks=specks,
    )


def make_thumb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image `(H, W, 3)` as a few gray levels, means over its parts."""
    # Some rows stand for all, and the gap lets Pillow average whole blocks first: nearly the same, and much faster.
    some = image[:: max(1, len(image) // _THUMB_FROM_ROWS)]
    small = Image.fromarray(some).resize((THUMB_COLUMNS, THUMB_ROWS), Image.Resampling.BOX, reducing_gap=1.0)
    return np.asarray(small.convert("L"))


def checksum(values: NDArray[np.uint8]) -> int:
    """A number that any change of an array changes, but for one that is made to deceive.

    The CRC-32 of sums over its bytes, in words of eight, by rows and by columns of a table of them: half the time of
    the CRC-32 of all bytes. Sums of rows are weighted: plain ones do not tell two objects in opposite corners of a
    rectangle from the same in the other two.
    """
    content = np.ascontiguousarray(values).ravel()
    n_table = len(content) - len(content) % (8 * _CHECKSUM_COLUMNS)
    words = content[:n_table].view(np.uint64).reshape(-1, _CHECKSUM_COLUMNS)
    rows, columns = np.einsum("rc,c->r", words, _CHECKSUM_WEIGHTS), words.sum(axis=0, dtype=np.uint64)
    return zlib.crc32(content[n_table:].tobytes(), zlib.crc32(rows.tobytes() + columns.tobytes()))


def _regions(labels: NDArray[np.uint8], num_classes: int) -> tuple[int, NDArray[np.int64]]:
    """Pairs of neighbors of different labels, and by class the pixels in regions of one or two pixels."""
    height, width = labels.shape
    # Whether a pixel differs from the one above, and from the one to its left; the edge of the image differs.
    above, left = np.ones((height + 1, width), bool), np.ones((height, width + 1), bool)
    np.not_equal(labels[1:], labels[:-1], out=above[1:-1])
    np.not_equal(labels[:, 1:], labels[:, :-1], out=left[:, 1:-1])
    borders = np.count_nonzero(above[1:-1]) + np.count_nonzero(left[:, 1:-1])
    # Few pixels differ from both neighbors in a direction, and only those can be of a small region.
    flat, tall = above[:-1] & above[1:], left[:, :-1] & left[:, 1:]
    counts = np.bincount(labels.ravel()[np.flatnonzero(flat & tall)], minlength=256)
    for thin, beside, down, right in ((flat, left, 0, 1), (tall, above, 1, 0)):
        rows, columns = np.divmod(np.flatnonzero(thin), width)
        inside = (rows + down < height) & (columns + right < width)
        rows, columns = rows[inside], columns[inside]
        # Two thin pixels side by side, alike, and unlike what is before and after them.
        pair = thin[rows + down, columns + right] & ~beside[rows + down, columns + right]
        pair &= beside[rows, columns] & beside[rows + 2 * down, columns + 2 * right]
        counts += 2 * np.bincount(labels[rows[pair], columns[pair]], minlength=256)
    return int(borders), counts[:num_classes].astype(np.int64)


def _px(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape[:2]) + " px"
