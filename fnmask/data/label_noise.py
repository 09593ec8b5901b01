"""Labels made worse on purpose, in training only: to study what a loss does when one class over-covers."""

import numpy as np
from numpy.typing import NDArray


def widen_class(
    labels: NDArray[np.uint8], class_index: int, widen_px: int, ignore_class: int | None
) -> NDArray[np.uint8]:
    """Grow one class over its neighbors, as when center lines are rasterized with a buffer that is too wide.

    A pixel gets the class if the center of a pixel of that class lies within `widen_px` of its own:

        labels'[p] = c   if labels[p] != void and min over q with labels[q] = c of |p - q| <= widen_px

    Args:
        labels: Class ids or void, (..., H, W); the leading axes count images.
        class_index: c, the class to grow.
        widen_px: Euclidean radius in pixels of these labels, >= 0; 0 changes nothing.
        ignore_class: Void pixels stay void; None if there are none.

    Returns:
        New labels of the same shape.

    Raises:
        ValueError: A negative radius, or c is the void id.
    """
    if widen_px < 0:
        raise ValueError(f"widen_px is {widen_px}; give 0 (no noise) or a number of pixels above it.")
    if class_index == ignore_class:
        raise ValueError(f"class_index is {class_index}, the void id; void cannot be widened.")
    source = labels == class_index
    grown = source.copy()
    height, width = labels.shape[-2:]
    for down in range(-widen_px, widen_px + 1):
        for right in range(-widen_px, widen_px + 1):
            if 0 < down * down + right * right <= widen_px * widen_px:
                to_rows, from_rows = _overlap(down, height)
                to_columns, from_columns = _overlap(right, width)
                grown[..., to_rows, to_columns] |= source[..., from_rows, from_columns]
    if ignore_class is not None:
        grown &= labels != ignore_class
    return np.where(grown, np.asarray(class_index, labels.dtype), labels)


def _overlap(shift: int, length: int) -> tuple[slice, slice]:
    """Return where a line moved by `shift` lands and where that part came from; nothing wraps around the edge."""
    kept = max(length - abs(shift), 0)
    return slice(max(shift, 0), max(shift, 0) + kept), slice(max(-shift, 0), max(-shift, 0) + kept)
