"""The readings of `fnmask.metrics.confusion` inside a traced step: float32, and an absent class is NaN there too."""

from typing import Literal

from keras import ops

from fnmask.shapes import Tensor

Reading = Literal["iou", "precision", "recall", "f1", "support", "miou", "pixel_accuracy", "classes_present"]
PER_CLASS: tuple[Reading, ...] = ("iou", "precision", "recall", "f1", "support")
OVERALL: tuple[Reading, ...] = ("miou", "pixel_accuracy", "classes_present")


def traced_readings(counts: Tensor) -> dict[str, Tensor]:
    """Every reading of one matrix by its name.

    Args:
        counts: float32 `(C, K)`.

    Returns:
        float32 `(C,)` for those of `PER_CLASS`, `()` for those of `OVERALL`.
    """
    truth, called, hits = ops.sum(counts, axis=1), ops.sum(counts, axis=0), ops.diagonal(counts)
    present = truth > 0
    iou = _ratio(hits, truth + called - hits, present)
    return {
        "iou": iou,
        "precision": _ratio(hits, called, present),
        "recall": _ratio(hits, truth, present),
        "f1": _ratio(2 * hits, truth + called, present),
        "support": truth,
        "miou": mean_of_present(iou),
        "pixel_accuracy": _ratio(ops.sum(hits), ops.sum(truth), ops.any(present)),
        "classes_present": ops.sum(ops.cast(present, "float32")),
    }


def mean_of_present(readings: Tensor) -> Tensor:
    """Mean over the last axis of what is not NaN; NaN if nothing is."""
    known = ops.logical_not(ops.isnan(readings))
    count = ops.sum(ops.cast(known, "float32"), axis=-1)
    return _ratio(ops.sum(ops.where(known, readings, 0.0), axis=-1), count, count > 0)


def _ratio(numerator: Tensor, denominator: Tensor, defined: Tensor) -> Tensor:
    is_known = ops.logical_and(defined, denominator > 0)
    return ops.where(is_known, numerator / ops.where(is_known, denominator, 1.0), float("nan"))
