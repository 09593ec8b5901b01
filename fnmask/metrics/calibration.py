"""How far the confidence of a network is from its accuracy: reliability by bins, and the expected calibration error.

    confidence of a pixel   max_k p_k                p = softmax(logits)
    bin m of M              ((m - 1) / M, m / M]
    ECE                     sum_m  n_m / n  |accuracy_m - confidence_m|

Only the top label counts; void is left out.

Source: C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599, equations 2 and 3.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics.confusion import FloatArray, IntArray
from fnmask.metrics.margins import ratio
from fnmask.shapes import check_label_values, check_num_classes


@dataclass(frozen=True)
class Reliability:
    """What is summed over pixels, by bin of confidence; that of several batches adds up.

    Attributes:
        pixels: int64 `(M,)`.
        hits: int64 `(M,)`, pixels whose top class is their label.
        confidence_sum: float64 `(M,)`, in [0, pixels].
    """

    pixels: IntArray
    hits: IntArray
    confidence_sum: FloatArray

    def __add__(self, other: "Reliability") -> "Reliability":
        """Those of both.

        Raises:
            ValueError: different numbers of bins.
        """
        if self.pixels.shape != other.pixels.shape:
            raise ValueError(f"{self.pixels.size} bins cannot be added to {other.pixels.size}; use one number of bins.")
        return Reliability(
            self.pixels + other.pixels, self.hits + other.hits, self.confidence_sum + other.confidence_sum
        )

    @property
    def accuracy(self) -> FloatArray:
        """Share of hits in each bin, `(M,)` in [0, 1], NaN in an empty one."""
        return ratio(self.hits, self.pixels, self.pixels > 0)

    @property
    def confidence(self) -> FloatArray:
        """Mean confidence in each bin, `(M,)` in [0, 1], NaN in an empty one."""
        return ratio(self.confidence_sum, self.pixels, self.pixels > 0)

    @property
    def expected_error(self) -> float:
        """The expected calibration error, in [0, 1]; NaN without a pixel."""
        pixels = int(self.pixels.sum())
        return float(np.abs(self.hits - self.confidence_sum).sum() / pixels) if pixels else float("nan")


def reliability(
    y_true: NDArray[Any], y_pred: NDArray[Any], *, bins: int = 15, ignore_class: int | None = None
) -> Reliability:
    """Sums hits and confidences by bin.

    Args:
        y_true: labels of any shape, integers.
        y_pred: logits of the same shape and a last axis of C classes; ignored at void.
        bins: M, at least 1.
        ignore_class: the label that marks void, or None.

    Returns:
        The sums, computed in float64.

    Raises:
        ValueError: shapes that do not go together, no bin, a label that is neither a class nor void, or NaN logits at
            a label.

    Example:
        >>> found = reliability(np.array([0, 1]), np.array([[2.0, 0.0], [2.0, 0.0]]), bins=5)
        >>> found.pixels.tolist(), found.hits.tolist(), round(found.expected_error, 3)
        ([0, 0, 0, 0, 2], [0, 0, 0, 0, 1], 0.381)
    """
    check_bins(bins)
    if y_pred.ndim == 0 or y_pred.shape[:-1] != y_true.shape:
        raise ValueError(
            f"Labels of shape {y_true.shape} do not go with logits of shape {y_pred.shape}; add classes last."
        )
    check_num_classes(y_pred.shape[-1])
    check_label_values(y_true, num_classes=y_pred.shape[-1], ignore_class=ignore_class)
    valid = np.ones(y_true.shape, bool) if ignore_class is None else y_true != ignore_class
    logits = y_pred[valid].astype(np.float64)
    if np.isnan(logits).any():
        raise ValueError("The logits hold NaN at labeled pixels; the network has diverged or its input holds NaN.")
    confidence = 1 / np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    is_hit = logits.argmax(axis=-1) == y_true[valid]
    return Reliability(
        np.bincount(place, minlength=bins).astype(np.int64),
        np.bincount(place[is_hit], minlength=bins).astype(np.int64),
        np.bincount(place, weights=confidence, minlength=bins).astype(np.float64),
    )


def expected_calibration_error(
    y_true: NDArray[Any], y_pred: NDArray[Any], *, bins: int = 15, ignore_class: int | None = None
) -> float:
    """The expected calibration error, in [0, 1]; NaN without a labeled pixel. Arguments as for `reliability`."""
    return reliability(y_true, y_pred, bins=bins, ignore_class=ignore_class).expected_error


def check_bins(bins: int) -> None:
    """Raises ValueError unless there is a bin."""
    if bins < 1:
        raise ValueError(f"bins={bins}, but at least 1 is needed; 15 is usual.")
