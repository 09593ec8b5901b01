"""What every reading but the off-diagonal of a confusion matrix needs: its diagonal and its two margins.

    hits       M[k, k]           pixels of class k that are found
    labels     sum_k' M[k, k']   pixels of class k
    predicted  sum_y M[y, k]     pixels called k

3 C numbers instead of C * C. They add up over images as matrices do, so resampled splits are read from them. Rules for
absent and never predicted classes are those of `fnmask.metrics.confusion`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.shapes import check_class_indices, check_confusion_matrix

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Margins:
    """Pixel counts by class, `(..., C)` each; integers, or floats where images are weighted."""

    hits: NDArray[Any]
    labels: NDArray[Any]
    predicted: NDArray[Any]

    @classmethod
    def of(cls, matrix: NDArray[Any]) -> "Margins":
        """Those of confusion matrices `(..., C, K)` indexed `[true, predicted]`.

        Raises:
            ValueError: not such matrices.
        """
        check_confusion_matrix(matrix)
        return cls(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2))

    @property
    def iou(self) -> FloatArray:
        """TP / (TP + FP + FN), `(..., C)`."""
        return ratio(self.hits, self.labels + self.predicted - self.hits, self.labels > 0)

    @property
    def precision(self) -> FloatArray:
        """TP / (TP + FP), `(..., C)`."""
        return ratio(self.hits, self.predicted, self.labels > 0)

    @property
    def recall(self) -> FloatArray:
        """TP / (TP + FN), `(..., C)`."""
        return ratio(self.hits, self.labels, self.labels > 0)

    @property
    def f1(self) -> FloatArray:
        """2 TP / (2 TP + FP + FN), `(..., C)`."""
        return ratio(2 * self.hits, self.labels + self.predicted, self.labels > 0)

    @property
    def mean_iou(self) -> FloatArray:
        """Mean IoU over the present classes, `(...)`."""
        return mean_of_present(self.iou)

    def mean_iou_without(self, targets: Sequence[int]) -> FloatArray:
        """The same without the targets, whose own IoU alone is left out, `(...)`.

        Raises:
            ValueError: a target is no class.
        """
        check_class_indices(targets, num_classes=self.hits.shape[-1], name="targets")
        return mean_of_present(np.delete(self.iou, list(targets), axis=-1))

    @property
    def pixel_accuracy(self) -> FloatArray:
        """Share of the labeled pixels that are right, `(...)`."""
        pixels = self.labels.sum(axis=-1)
        return ratio(self.hits.sum(axis=-1), pixels, pixels > 0)


def mean_of_present(readings: FloatArray) -> FloatArray:
    """Mean over the last axis of what is not NaN; NaN, without a warning, where nothing is left."""
    known = ~np.isnan(readings)
    count = known.sum(axis=-1)
    return ratio(np.where(known, readings, 0.0).sum(axis=-1), count, count > 0)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any], defined: NDArray[np.bool_]) -> FloatArray:
    """Numerator / denominator where that is defined and the denominator positive, NaN elsewhere."""
    unknown = np.full(np.shape(denominator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=unknown, where=defined & (np.asarray(denominator) > 0)))
