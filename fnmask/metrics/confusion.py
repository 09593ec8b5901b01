"""The confusion matrix, and what is read from it.

    M[y, k]    pixels of true class y that the network calls k, int64, void excluded

Every reading takes `(..., C, K)`, so one call serves a split `(C, K)` or its images `(N, C, K)`. A class without a
labeled pixel is absent: its readings are NaN, and means leave it out. A class that is present but never predicted has
precision NaN and IoU, recall and F1 of 0. Never average readings of batches: add matrices.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics.margins import Margins
from fnmask.shapes import check_label_values, check_num_classes

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def confusion_matrix(
    y_true: NDArray[np.integer[Any]],
    y_pred: NDArray[np.integer[Any]],
    *,
    num_classes: int,
    ignore_class: int | None = None,
) -> IntArray:
    """Counts pixels by true and predicted class.

    Args:
        y_true: labels of any shape, integers.
        y_pred: predicted class ids of the same shape; ignored at void.
        num_classes: C, at least 2.
        ignore_class: the label that marks void, or None.

    Returns:
        int64 `(C, K)`.

    Raises:
        ValueError: shapes that differ, a label that is neither a class nor void, or a prediction that is no class.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1, 9]), np.array([0, 1, 1, 1]), num_classes=2, ignore_class=9).tolist()
        [[1, 1], [0, 1]]
    """
    check_num_classes(num_classes)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"Labels of shape {y_true.shape} do not go with predictions of shape {y_pred.shape}.")
    check_label_values(y_true, num_classes=num_classes, ignore_class=ignore_class)
    valid = np.ones(y_true.shape, dtype=bool) if ignore_class is None else y_true != ignore_class
    truth, predicted = y_true[valid].astype(np.int64), y_pred[valid].astype(np.int64)
    if ((predicted < 0) | (predicted >= num_classes)).any():
        raise ValueError(f"The predictions hold {np.unique(predicted)}, but class ids run from 0 to {num_classes - 1}.")
    counts = np.bincount(truth * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def support(matrix: IntArray) -> IntArray:
    """Labeled pixels of each class, int64 `(..., C)`."""
    return np.asarray(Margins.of(matrix).labels)


def iou(matrix: IntArray) -> FloatArray:
    """TP / (TP + FP + FN) of each class, `(..., C)` in [0, 1], NaN for an absent class."""
    return Margins.of(matrix).iou


def precision(matrix: IntArray) -> FloatArray:
    """TP / (TP + FP) of each class, `(..., C)` in [0, 1], NaN for a class that is absent or never predicted."""
    return Margins.of(matrix).precision


def recall(matrix: IntArray) -> FloatArray:
    """TP / (TP + FN) of each class, `(..., C)` in [0, 1], NaN for an absent class."""
    return Margins.of(matrix).recall


def f1(matrix: IntArray) -> FloatArray:
    """2 TP / (2 TP + FP + FN) of each class, `(..., C)` in [0, 1], NaN for an absent class."""
    return Margins.of(matrix).f1


def mean_iou(matrix: IntArray) -> FloatArray:
    """Mean IoU over the present classes, `(...)` in [0, 1], NaN if there are none."""
    return Margins.of(matrix).mean_iou


def mean_iou_without(matrix: IntArray, targets: Sequence[int]) -> FloatArray:
    """Mean IoU over the present classes but for the targets, `(...)` in [0, 1], NaN if there are none.

    The targets still count as mistakes of the other classes: only their own IoU is left out.
    """
    return Margins.of(matrix).mean_iou_without(targets)


def pixel_accuracy(matrix: IntArray) -> FloatArray:
    """Share of the labeled pixels that are right, `(...)` in [0, 1], NaN if there are none."""
    return Margins.of(matrix).pixel_accuracy


def classes_present(matrix: IntArray) -> IntArray:
    """How many classes have a labeled pixel, int64 `(...)`: the classes that a mean is over."""
    return np.asarray((support(matrix) > 0).sum(axis=-1))
