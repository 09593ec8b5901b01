"""Logits at the size of the labels or the image that they are meant for, and what they decide there."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.metrics.confusion import confusion_matrix


def resize_logits(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Logits `(h, w, C)` at another size.

    Args:
        logits: of an image that was resized to `(h, w)`.
        size: height H and width W in px.

    Returns:
        float32 `(H, W, C)`, bilinear between the centers of pixels; where a side gets smaller, smoothed first.
    """
    if logits.shape[:2] == size:
        return logits
    resize = _resizer(logits, size)
    full = np.empty((*size, logits.shape[-1]), np.float32)
    for label in range(logits.shape[-1]):
        full[..., label] = resize(label)
    return full


def decide_resized(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The class of the largest of `resize_logits` of every pixel; class by class, so that memory stays bounded.

    Returns:
        Class ids `(H, W)`; of equal logits the first class wins, as in argmax.
    """
    if logits.shape[:2] == size:
        return np.asarray(logits.argmax(axis=-1), np.uint8)
    resize = _resizer(logits, size)
    best, mask = resize(0), np.zeros(size, np.uint8)
    for label in range(1, logits.shape[-1]):
        layer = resize(label)
        np.putmask(mask, layer > best, label)
        np.maximum(best, layer, out=best)
    return mask


def full_size_matrices(
    labels: Sequence[NDArray[np.uint8]],
    logits: NDArray[np.float32],
    *,
    num_classes: int,
    ignore_class: int | None = None,
) -> NDArray[np.int64]:
    """Confusion matrices of images, each at the size of its labels.

    Args:
        labels: of N images, `(H, W)` each: class ids or void.
        logits: of N images or more, `(B, h, w, C)`; those beyond the labels do not count.
        num_classes: C, at least 2.
        ignore_class: the label that marks void, or None.

    Returns:
        int64 `(N, C, C)`, indexed [true, predicted].

    Raises:
        ValueError: a label is neither a class nor void.
    """
    told = [
        confusion_matrix(own, decide_resized(z, own.shape), num_classes=num_classes, ignore_class=ignore_class)
        for own, z in zip(labels, logits, strict=False)
    ]
    return np.stack(told) if told else np.zeros((0, num_classes, num_classes), np.int64)


def _resizer(logits: NDArray[np.float32], size: tuple[int, int]) -> Callable[[int], NDArray[np.float32]]:
    """Makes the logits of one class, `(H, W)`."""
    height, width = size
    gets_smaller = height < logits.shape[0] or width < logits.shape[1]

    def resize(label: int) -> NDArray[np.float32]:
        layer = np.ascontiguousarray(logits[..., label], np.float32)
        if gets_smaller:  # Pillow smooths, at four times the cost
            return np.array(Image.fromarray(layer).resize((width, height), Image.Resampling.BILINEAR))
        return np.asarray(cv2.resize(layer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)

    return resize
