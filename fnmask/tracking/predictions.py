"""What a run predicts for some images of a split, and the images themselves, as files of a run."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_QUALITY = 85


@dataclass(frozen=True)
class Predictions:
    """The content of `predictions/<split>.npz`.

    Attributes:
        ids: n names of images.
        class_ids: what each pixel is called, uint8 `(n, H, W)`.
        error_weights: of the loss at full strength `[true, predicted]`, float32 `(C, C)`; 1 counts in full.
    """

    ids: tuple[str, ...]
    class_ids: NDArray[np.uint8]
    error_weights: NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """The content of `pictures/<split>.npz`: what is the same for all runs on a data set.

    Attributes:
        ids: n names of images.
        jpegs: n images as JPEG files.
        labels: class ids or void, uint8 `(n, H, W)`.
    """

    ids: tuple[str, ...]
    jpegs: tuple[bytes, ...]
    labels: NDArray[np.uint8]


def predictions_name(split: str) -> str:
    """Name of the file with predictions."""
    return f"predictions/{split}.npz"


def pictures_name(split: str) -> str:
    """Name of the file with images and labels, which a plain control keeps for all."""
    return f"pictures/{split}.npz"


def spread_images(count: int, most: int) -> NDArray[np.int64]:
    """Which images are kept: all, or `most` of them spread over the split, since neighboring files look alike.

    Example:
        >>> spread_images(10, 3).tolist(), spread_images(2, 3).tolist()
        ([0, 4, 9], [0, 1])
    """
    if not count or not most:
        return np.zeros(0, np.int64)
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def pack_predictions(content: Predictions) -> bytes:
    """The content of the file."""
    return _pack(ids=np.array(content.ids), class_ids=content.class_ids, error_weights=content.error_weights)


def unpack_predictions(content: bytes) -> Predictions:
    """Read what `pack_predictions` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Predictions(tuple(arrays["ids"].tolist()), arrays["class_ids"], arrays["error_weights"])


def pack_pictures(ids: Sequence[str], images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> bytes:
    """The content of the file.

    Args:
        ids: n names.
        images: RGB `(n, H, W, 3)`; kept as JPEG, to be looked at.
        labels: `(n, H, W)`, kept as they are.
    """
    jpegs = [_jpeg(image) for image in images]
    ends = np.cumsum([len(jpeg) for jpeg in jpegs])
    return _pack(ids=np.array(ids), jpegs=np.frombuffer(b"".join(jpegs), np.uint8), ends=ends, labels=labels)


def unpack_pictures(content: bytes) -> Pictures:
    """Read what `pack_pictures` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        jpegs = tuple(part.tobytes() for part in np.split(arrays["jpegs"], arrays["ends"][:-1]))
        return Pictures(tuple(arrays["ids"].tolist()), jpegs, arrays["labels"])


def _pack(**arrays: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
