"""The histogram of the post-hoc threshold frontier inside Keras: of a batch by a function, or by a metric."""

from typing import Any

import keras
from keras import ops

from fnmask.compiled import compile_alone
from fnmask.metrics.confusion import FloatArray, IntArray
from fnmask.metrics.counting import CountingMetric, count_by_cell, is_stray_image
from fnmask.metrics.frontier import (
    LIMIT,
    SCORES,
    FrontierCurve,
    Score,
    check_frontier_bins,
    frontier_curve,
    frontier_matrices,
    frontier_thresholds,
)
from fnmask.shapes import Tensor, check_class_indices, check_labels, check_logits, check_option, label_rows


def frontier_counts(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    target: int,
    bins: int = 1024,
    score: Score = "contest",
    ignore_class: int | None = None,
) -> Tensor:
    """Counts the pixels of a batch by score of the target, label and best other class.

    Args:
        y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
        y_pred: logits `(B, H, W, C)`.
        target: c, the class whose threshold moves.
        bins: cells between the log-odds -16 and 16, a power of two. Two more take what lies beyond.
        score: `contest`, p_c / (p_c + p_r); or `probability`, p_c. Equal scores go as argmax has them at t = 1/2 of a
            contest; at every other threshold to the best other class.
        ignore_class: the label that marks void, or None.

    Returns:
        int32 `(bins + 2, C, C - 1)`; `fnmask.metrics.frontier` reads it. Inside a traced function every entry is -1 if
        a label is neither a class nor void, or if logits at a label are NaN.

    Raises:
        ValueError: shapes that do not fit, a target that is no class, an unknown score, `bins` not a power of two; or,
            eagerly, an undeclared label.
    """
    counts, stray_images = _count(y_true, y_pred, target, bins, score, ignore_class)
    return ops.where(stray_images > 0, -1, counts)


@keras.saving.register_keras_serializable(package="fnmask")
class Frontier(CountingMetric):
    """What every threshold on the target's score of a plain model gives, in one pass over a data set.

    Its result in Keras' logs is the highest IoU of the target that any threshold reaches. Its state takes
    `16 (bins + 2) C (C - 1)` bytes: 2 MB for 12 classes and 1024 bins, 370 MB for 150 classes.

    Args:
        num_classes: C, at least 2.
        target: c, the class whose threshold moves.
        bins: cells of log-odds, a power of two; see `fnmask.metrics.frontier`.
        score: `contest`, p_c / (p_c + p_r); or `probability`, p_c.
        ignore_class: the label that marks void pixels, or None.
        name: name of the metric in Keras' logs.

    Raises:
        ValueError: fewer than two classes, a target that is no class, an unknown score, `bins` not a power of two.

    Example:
        >>> metric = Frontier(2, target=1, bins=2)
        >>> metric.update_state(np.array([[[0, 1]]]), np.array([[[[0.0, -3.0], [0.0, 20.0]]]]))
        >>> [round(float(t), 2) for t in metric.thresholds], metric.matrices()[:, 1, 1].tolist()
        ([0.0, 0.0, 0.5, 1.0, 1.0], [1, 1, 1, 1, 0])
    """

    def __init__(
        self,
        num_classes: int,
        target: int,
        *,
        bins: int = 1024,
        score: Score = "contest",
        ignore_class: int | None = None,
        name: str = "best_target_iou",
    ) -> None:
        check_class_indices([target], num_classes=num_classes, name="target")
        check_frontier_bins(bins)
        check_option(score, allowed=SCORES, name="score")
        shape = (bins + 2, num_classes, num_classes - 1)
        super().__init__(shape, num_classes=num_classes, ignore_class=ignore_class, name=name)
        self.target = target
        self.bins = bins
        self.score: Score = score

    def count(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """The histogram of a batch, `(1, bins + 2, C, C - 1)`, and the number of its stray images."""
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={self.num_classes}.")
        counts, stray = _count(y_true, y_pred, self.target, self.bins, self.score, self.ignore_class)
        return counts[None], stray

    def result(self) -> Tensor:
        """The highest IoU of the target at any threshold, float32; NaN if absent, or if labels were undeclared."""
        called = ops.sum(self.totals(), axis=-1)
        hits = called[:, self.target]
        # Predicted from cell i on: sums from the end.
        reached, calls = (ops.flip(ops.cumsum(ops.flip(each, 0)), 0) for each in (hits, ops.sum(called, axis=-1)))
        support = ops.sum(hits)
        best = ops.max(reached / ops.maximum(calls + support - reached, 1.0))
        return self.unless_stray(ops.where(support > 0, best, float("nan")))

    @property
    def thresholds(self) -> FloatArray:
        """t of every matrix, float64 `(T,)` from 0 to 1."""
        return frontier_thresholds(self.bins)

    def matrices(self) -> IntArray:
        """The confusion matrix of every threshold, int64 `(T, C, C)`.

        Raises:
            ValueError: labels were neither a class nor void, or logits were NaN.
        """
        return frontier_matrices(self.exact_totals(), target=self.target)

    def curve(self) -> FrontierCurve:
        """The readings at every threshold. Raises as `matrices` does."""
        return frontier_curve(self.exact_totals(), target=self.target)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        return super().get_config() | {"target": self.target, "bins": self.bins, "score": self.score}


def _count(
    y_true: Tensor, y_pred: Tensor, target: int, bins: int, score: Score, ignore_class: int | None
) -> tuple[Tensor, Tensor]:
    check_logits(y_true, y_pred)
    num_classes = int(y_pred.shape[-1])
    check_class_indices([target], num_classes=num_classes, name="target")
    check_frontier_bins(bins)
    check_option(score, allowed=SCORES, name="score")
    check_labels(y_true, num_classes=num_classes, ignore_class=ignore_class)
    pixels = (ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    choices = {"target": target, "bins": bins, "score": score, "ignore_class": ignore_class}
    counts, stray_images = compile_alone(_histogram)(*pixels, **choices)
    return counts, stray_images


def _histogram(
    y_true: Tensor, y_pred: Tensor, *, target: int, bins: int, score: Score, ignore_class: int | None
) -> tuple[Tensor, Tensor]:
    num_classes = int(y_pred.shape[-1])
    logits = ops.cast(y_pred, "float32")
    rows = label_rows(y_true, num_classes=num_classes, ignore_class=ignore_class)
    others = ops.concatenate([logits[..., :target], logits[..., target + 1 :]], axis=-1)
    log_odds = logits[..., target] - (ops.max(others, axis=-1) if score == "contest" else _log_sum_exp(others))
    # NaN at a label is reported like a label that is none; at void it does not matter.
    rows = ops.where(ops.logical_and(ops.isnan(log_odds), rows != num_classes), num_classes + 1, rows)

    # Cell 0 is (-inf, -16], cell i up to the i-th inner threshold inclusive: "score > t" is exact, for the factor is a
    # power of two.
    half = bins // 2
    scaled = ops.ceil(ops.where(rows < num_classes, log_odds, 0.0) * (half / LIMIT))
    cell = ops.cast(ops.clip(scaled, -half, half + 1), "int32") + half
    if score == "contest":
        is_won_tie = ops.logical_and(log_odds == 0, ops.argmax(logits, axis=-1) == target)
        cell = ops.where(is_won_tie, half + 1, cell)

    rival = ops.cast(ops.argmax(others, axis=-1), "int32")
    # Rows C and C + 1 (void, undeclared) are counted too and cut off again.
    cells = (cell * (num_classes + 2) + rows) * (num_classes - 1) + rival
    counts = count_by_cell(cells, (bins + 2) * (num_classes + 2) * (num_classes - 1))
    counts = ops.reshape(counts, (bins + 2, num_classes + 2, num_classes - 1))
    return counts[:, :num_classes], ops.sum(ops.cast(is_stray_image(rows, num_classes), "int32"))


def _log_sum_exp(logits: Tensor) -> Tensor:
    top = ops.max(logits, axis=-1)
    # Of one logit it is that logit to the last digit. A top of -inf must not meet itself in a difference.
    base = ops.where(ops.isfinite(top), top, ops.zeros_like(top))
    return base + ops.log(ops.sum(ops.exp(logits - base[..., None]), axis=-1))
