"""One integer confusion matrix per split, and everything that is read from it.

The names below are imported when first used: only `ConfusionMatrix` and `confusion_matrix_per_image` need Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from fnmask.metrics.readings import slug, summarize, tradeoff
    from fnmask.metrics.streaming import ConfusionMatrix, confusion_matrix_per_image

__all__ = [
    "ConfusionMatrix",
    "confusion_matrix",
    "confusion_matrix_per_image",
    "f1",
    "iou",
    "mean_iou",
    "mean_iou_without",
    "pixel_accuracy",
    "precision",
    "recall",
    "slug",
    "summarize",
    "support",
    "tradeoff",
]

_HOME = {
    "ConfusionMatrix": "streaming",
    "confusion_matrix_per_image": "streaming",
    "slug": "readings",
    "summarize": "readings",
    "tradeoff": "readings",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"fnmask.metrics.{_HOME.get(name, 'confusion')}"), name)
    raise AttributeError(f"module 'fnmask.metrics' has no attribute {name!r}")
