"""Boundary-tolerant IoU: a border that is off by a few pixels is not an error.

    matched predictions   pixels called k with a label k at most `tolerance_px` away
    matched labels        pixels labeled k with a prediction of k at most `tolerance_px` away

    P = matched predictions / predictions      R = matched labels / labels      IoU = 1 / (1/P + 1/R - 1)

Distance is that of a king on a chess board, max(|dx|, |dy|). With `tolerance_px=0` P, R and IoU are the plain ones.

Source: V. Mnih and G. Hinton, Learning to Detect Roads in High-Resolution Aerial Images, ECCV 2010: relaxed precision
and recall, for one class and with rho = 3 px. The IoU is ours: TP / (TP + FP + FN) is 1 / (1/P + 1/R - 1), and here the
relaxed P and R stand in it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics.confusion import FloatArray, IntArray
from fnmask.metrics.margins import mean_of_present, ratio
from fnmask.shapes import check_label_values, check_num_classes

Bits = NDArray[np.unsignedinteger[Any]]
CLASSES_AT_ONCE = 64


def tolerant_counts(
    y_true: NDArray[np.integer[Any]],
    y_pred: NDArray[np.integer[Any]],
    *,
    num_classes: int,
    tolerance_px: int,
    ignore_class: int | None = None,
) -> IntArray:
    """Counts the matched and all pixels of every class, image by image.

    Void neither counts nor matches: a prediction there is as good as none.

    Args:
        y_true: labels `(N, H, W)`, integers.
        y_pred: predicted class ids `(N, H, W)`; ignored at void.
        num_classes: C, at least 2.
        tolerance_px: how far away a pixel still matches, in pixels, at least 0.
        ignore_class: the label that marks void, or None.

    Returns:
        int64 `(N, C, 4)`: matched predictions, predictions, matched labels, labels. Add up images, never average.

    Raises:
        ValueError: shapes other than two equal `(N, H, W)`, a negative tolerance, a label that is neither a class nor
            void, or a prediction that is no class.

    Example:
        >>> counts = tolerant_counts(
        ...     np.array([[[0, 0, 1, 1]]]), np.array([[[0, 1, 1, 1]]]), num_classes=2, tolerance_px=1
        ... )
        >>> counts.tolist()
        [[[1, 1, 2, 2], [3, 3, 2, 2]]]
    """
    _check(y_true, y_pred, num_classes, tolerance_px, ignore_class)
    valid = np.ones(y_true.shape, bool) if ignore_class is None else y_true != ignore_class
    labels = np.where(valid, y_true, num_classes).astype(np.int64)
    predicted = np.where(valid, y_pred, num_classes).astype(np.int64)
    if ((predicted < 0) | (predicted > num_classes) | (valid & (predicted == num_classes))).any():
        raise ValueError(
            f"The predictions hold {np.unique(y_pred[valid])}, but class ids run from 0 to {num_classes - 1}."
        )
    return np.stack(
        [
            _count(predicted, _is_near(predicted, labels, num_classes, tolerance_px), num_classes),
            _count(predicted, valid, num_classes),
            _count(labels, _is_near(labels, predicted, num_classes, tolerance_px), num_classes),
            _count(labels, valid, num_classes),
        ],
        axis=-1,
    )


def tolerant_precision(counts: IntArray) -> FloatArray:
    """P of each class, `(..., C)` in [0, 1] from counts `(..., C, 4)`; NaN if it is absent or never predicted."""
    matched, predictions, _, labels = _columns(counts)
    return ratio(matched, predictions, labels > 0)


def tolerant_recall(counts: IntArray) -> FloatArray:
    """R of each class, `(..., C)` in [0, 1] from counts `(..., C, 4)`; NaN for an absent class."""
    _, _, matched, labels = _columns(counts)
    return ratio(matched, labels, labels > 0)


def tolerant_iou(counts: IntArray) -> FloatArray:
    """1 / (1/P + 1/R - 1) of each class, `(..., C)` in [0, 1] from counts `(..., C, 4)`; NaN for an absent class."""
    matched, predictions, matched_labels, labels = _columns(counts)
    # P and R are 0 together. Multiplied out by the matched predictions, so that without tolerance it is plain IoU to
    # the last digit.
    per_label = np.divide(matched, matched_labels, out=np.zeros(labels.shape), where=matched_labels > 0)
    union = np.where(matched > 0, predictions + labels * per_label - matched, 1.0)
    return ratio(matched, union, labels > 0)


def tolerant_mean_iou(counts: IntArray) -> FloatArray:
    """Mean of `tolerant_iou` over the present classes, `(...)` in [0, 1], NaN if there are none."""
    return mean_of_present(tolerant_iou(counts))


def _is_near(classes: IntArray, others: IntArray, num_classes: int, tolerance_px: int) -> NDArray[np.bool_]:
    """Where the class of a pixel is among the others around it; nowhere at void, which is class C in both."""
    near = np.zeros(classes.shape, bool)
    # All classes spread at once, one bit each.
    for first in range(0, num_classes, CLASSES_AT_ONCE):
        count = min(CLASSES_AT_ONCE, num_classes - first)
        powers = np.zeros(num_classes + 1, np.min_scalar_type(2**count - 1))
        powers[first : first + count] = [2**k for k in range(count)]
        around = _spread(_spread(powers[others], tolerance_px, axis=1), tolerance_px, axis=2)
        near |= (around & powers[classes]) != 0
    return near


def _spread(bits: Bits, reach: int, *, axis: int) -> Bits:
    """The union of the bits at most `reach` away along an axis, by windows that double: log2(reach) steps each way."""
    out = np.moveaxis(bits.copy(), axis, 0)
    covered = 0
    while covered < reach:
        step = min(covered + 1, reach - covered)
        out[:-step] |= out[step:]
        covered += step
    covered = 0
    while covered < reach:
        step = min(covered + 1, reach - covered)
        out[step:] |= out[:-step]
        covered += step
    return np.moveaxis(out, 0, axis)


def _count(classes: IntArray, chosen: NDArray[np.bool_], num_classes: int) -> IntArray:
    """How many chosen pixels each class has in each image, int64 `(N, C)`."""
    images = np.arange(len(classes))[:, None, None] * num_classes
    counts = np.bincount((images + classes)[chosen], minlength=len(classes) * num_classes)
    return counts.reshape(len(classes), num_classes).astype(np.int64)


def _columns(counts: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    if counts.ndim < 2 or counts.shape[-1] != 4 or not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(
            f"Tolerant counts are integers (..., C, 4), not {counts.dtype} {counts.shape}; sum, never average."
        )
    return counts[..., 0], counts[..., 1], counts[..., 2], counts[..., 3]


def _check(
    y_true: NDArray[Any], y_pred: NDArray[Any], num_classes: int, tolerance_px: int, ignore_class: int | None
) -> None:
    check_num_classes(num_classes)
    if y_true.ndim != 3 or y_true.shape != y_pred.shape:
        raise ValueError(
            f"Labels of shape {y_true.shape} do not go with predictions of shape {y_pred.shape}; both are (N, H, W)."
        )
    if tolerance_px < 0:
        raise ValueError(f"tolerance_px={tolerance_px}, but it is a distance in pixels, at least 0.")
    check_label_values(y_true, num_classes=num_classes, ignore_class=ignore_class)
