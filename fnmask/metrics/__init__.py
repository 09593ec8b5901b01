"""What segmentation networks are judged by: integer counts of a split, and everything that is read from them.

The names below are imported when first used: only the streaming metrics (`ConfusionMatrix`, `ExpectedCalibrationError`,
`Frontier`) and the functions that count for them (`confusion_matrix_per_image`, `frontier_counts`) need Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnmask.metrics.boundary import (
        tolerant_counts,
        tolerant_iou,
        tolerant_mean_iou,
        tolerant_precision,
        tolerant_recall,
    )
    from fnmask.metrics.calibration import Reliability, expected_calibration_error, reliability
    from fnmask.metrics.calibration_metric import ExpectedCalibrationError
    from fnmask.metrics.confusion import (
        confusion_matrix,
        f1,
        iou,
        mean_iou,
        mean_iou_without,
        pixel_accuracy,
        precision,
        recall,
        support,
    )
    from fnmask.metrics.frontier import FrontierCurve, frontier_curve, frontier_matrices, frontier_thresholds
    from fnmask.metrics.frontier_metric import Frontier, frontier_counts
    from fnmask.metrics.readings import slug, summarize, tradeoff
    from fnmask.metrics.streaming import ConfusionMatrix, confusion_matrix_per_image

__all__ = [
    "ConfusionMatrix",
    "ExpectedCalibrationError",
    "Frontier",
    "FrontierCurve",
    "Reliability",
    "confusion_matrix",
    "confusion_matrix_per_image",
    "expected_calibration_error",
    "f1",
    "frontier_counts",
    "frontier_curve",
    "frontier_matrices",
    "frontier_thresholds",
    "iou",
    "mean_iou",
    "mean_iou_without",
    "pixel_accuracy",
    "precision",
    "recall",
    "reliability",
    "slug",
    "summarize",
    "support",
    "tolerant_counts",
    "tolerant_iou",
    "tolerant_mean_iou",
    "tolerant_precision",
    "tolerant_recall",
    "tradeoff",
]

_HOME = {
    "ConfusionMatrix": "streaming",
    "ExpectedCalibrationError": "calibration_metric",
    "Frontier": "frontier_metric",
    "FrontierCurve": "frontier",
    "Reliability": "calibration",
    "confusion_matrix_per_image": "streaming",
    "expected_calibration_error": "calibration",
    "frontier_counts": "frontier_metric",
    "frontier_curve": "frontier",
    "frontier_matrices": "frontier",
    "frontier_thresholds": "frontier",
    "reliability": "calibration",
    "slug": "readings",
    "summarize": "readings",
    "tolerant_counts": "boundary",
    "tolerant_iou": "boundary",
    "tolerant_mean_iou": "boundary",
    "tolerant_precision": "boundary",
    "tolerant_recall": "boundary",
    "tradeoff": "readings",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"fnmask.metrics.{_HOME.get(name, 'confusion')}"), name)
    raise AttributeError(f"module 'fnmask.metrics' has no attribute {name!r}")
