"""Predictions that a network might make of a label: to see, without one, what a loss would let off."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Of the smaller side of the image.
_WIDTH_SHARE, _LEAST_WIDTH_PX = 0.02, 2


def plausible_mistakes(
    labels: NDArray[np.uint8], target: int, ignore_class: int | None
) -> dict[str, NDArray[np.uint8]]:
    """Three predictions that are right but for one class.

    Args:
        labels: (H, W), class ids or void; the target and another class must be there.
        target: the class.
        ignore_class: void id, or None.

    Returns:
        Class ids (H, W), by what is wrong: the class missed altogether, drawn too narrow, drawn too wide. Pixels that
        lose the class, and void, get the class that is nearest to them.

    Raises:
        ValueError: the target, or any other class, is absent.
    """
    void = np.zeros(labels.shape, bool) if ignore_class is None else labels == ignore_class
    is_target = labels == target
    others = ~void & ~is_target
    if not is_target.any() or not others.any():
        raise ValueError(f"The labels lack class {target}, or any other one; there is nothing to mistake.")
    width_px = max(_LEAST_WIDTH_PX, round(_WIDTH_SHARE * min(labels.shape)))
    right, without = _nearest(labels, ~void), _nearest(labels, others)
    distance_in = ndimage.distance_transform_edt(is_target)
    distance_out = ndimage.distance_transform_edt(~is_target)
    narrow = np.where(is_target & (distance_in <= width_px), without, right)
    wide = np.where(distance_out <= width_px, np.uint8(target), right)
    return {
        "missed altogether": np.where(is_target, without, right),
        f"drawn {width_px} px too narrow": narrow,
        f"drawn {width_px} px too wide": wide,
    }


def let_off(
    labels: NDArray[np.uint8], predictions: NDArray[np.uint8], error_weights: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Errors that weigh less than 1, (H, W).

    Args:
        labels: (H, W), class ids or void.
        predictions: class ids (H, W).
        error_weights: (C, C), by true and predicted class.
    """
    valid = labels < len(error_weights)
    found: NDArray[np.bool_] = valid & (error_weights[np.where(valid, labels, 0), predictions] < 1)
    return found


def _nearest(labels: NDArray[np.uint8], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The labels, where they are not known those of the nearest pixel that is."""
    places = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    filled: NDArray[np.uint8] = labels[tuple(places)]
    return filled
