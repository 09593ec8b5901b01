"""The post-hoc threshold frontier: every operating point that a plain model reaches without being trained again.

    predict c      iff  score > t, otherwise the best other class r = argmax_{k != c} z_k
    "contest"      score = p_c / (p_c + p_r)     t = 1/2 is argmax; t = 1 / (1 + alpha) is the Bayes decision when a
                                                 missed pixel of c costs alpha and every other error 1
    "probability"  score = p_c

A threshold on the score is one on its log-odds, where neither end saturates: z_c - z_r for a contest, else
z_c - log sum_{k != c} exp(z_k). Log-odds are counted in cells over [-16, 16], together with the label and the best
other class; cumulative sums of that one histogram are the confusion matrices of all thresholds.

A masked loss has to beat this curve: a plain model moves along it for free.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fnmask.metrics import confusion
from fnmask.metrics.confusion import FloatArray, IntArray
from fnmask.shapes import check_class_indices

Score = Literal["contest", "probability"]
SCORES: tuple[Score, ...] = ("contest", "probability")
LIMIT = 16


@dataclass(frozen=True)
class FrontierCurve:
    """The readings along the frontier, one entry per threshold; float64 `(T,)` in [0, 1], NaN where not defined.

    Attributes:
        thresholds: t, growing from 0 (the target everywhere) to 1 (the target nowhere).
        recall: of the target; does not grow with t.
        precision: of the target.
        iou: of the target.
        miou: mean IoU over the present classes.
        miou_without_target: the same without the target.
    """

    thresholds: FloatArray
    recall: FloatArray
    precision: FloatArray
    iou: FloatArray
    miou: FloatArray
    miou_without_target: FloatArray


def frontier_log_odds(bins: int) -> FloatArray:
    """The thresholds on log-odds: -inf, `bins + 1` of them evenly over [-16, 16], inf; float64 `(bins + 3,)`.

    Raises:
        ValueError: `bins` is not a power of two of at least 2.
    """
    check_frontier_bins(bins)
    inner = (np.arange(bins + 1) - bins // 2) * (2 * LIMIT / bins)
    return np.concatenate([[-np.inf], inner, [np.inf]])


def frontier_thresholds(bins: int) -> FloatArray:
    """The thresholds t = 1 / (1 + exp(-log-odds)), float64 `(bins + 3,)` from 0 to 1; entry `bins // 2 + 1` is 1/2."""
    return np.asarray(1 / (1 + np.exp(-frontier_log_odds(bins))))


def frontier_matrices(counts: IntArray, *, target: int) -> IntArray:
    """The confusion matrix of every threshold.

    Args:
        counts: integers `(bins + 2, C, C - 1)`: cell of log-odds, label, best other class (target left out), as
            `frontier_counts` gives them, added up over batches.
        target: c.

    Returns:
        int64 `(T, C, C)`, T = bins + 3 for the thresholds of `frontier_thresholds`. Every reading of
        `fnmask.metrics.confusion` takes them.

    Raises:
        ValueError: not such counts, or a target that is no class.
    """
    _check_counts(counts)
    num_classes = counts.shape[1]
    check_class_indices([target], num_classes=num_classes, name="target")
    # below[i] sums the cells under threshold i: there the best other class is predicted.
    below = np.zeros((len(counts) + 1, *counts.shape[1:]), np.int64)
    np.cumsum(counts, axis=0, out=below[1:])
    matrices = np.insert(below, target, 0, axis=2)
    matrices[:, :, target] = (below[-1] - below).sum(axis=2)
    return matrices


def frontier_curve(counts: IntArray, *, target: int) -> FrontierCurve:
    """The readings along the frontier. Arguments and errors as for `frontier_matrices`."""
    matrices = frontier_matrices(counts, target=target)
    return FrontierCurve(
        thresholds=frontier_thresholds(len(counts) - 2),
        recall=confusion.recall(matrices)[:, target],
        precision=confusion.precision(matrices)[:, target],
        iou=confusion.iou(matrices)[:, target],
        miou=confusion.mean_iou(matrices),
        miou_without_target=confusion.mean_iou_without(matrices, [target]),
    )


def check_frontier_bins(bins: int) -> None:
    """Raises ValueError unless `bins` is a power of two of at least 2."""
    # Otherwise a log-odds times bins / 32 would be rounded, and fall on the wrong side of a threshold.
    if bins < 2 or bins & (bins - 1):
        raise ValueError(f"bins={bins}, but a power of two is needed, at least 2, such as 1024.")


def _check_counts(counts: IntArray) -> None:
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2] + 1 or counts.shape[1] < 2:
        raise ValueError(f"Frontier counts have shape (bins + 2, C, C - 1), not {counts.shape}.")
    check_frontier_bins(len(counts) - 2)
    if not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"Frontier counts are integers, not {counts.dtype}; sum those of batches, never average.")
    if (counts < 0).any():
        raise ValueError(
            "The frontier counts hold a negative number, the sign of labels that are neither a class nor ignore_class, "
            "or of NaN logits; declare ignore_class or repair them."
        )
