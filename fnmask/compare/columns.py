"""The columns of a comparison: which readings, under which keys and headings, and how they are read from counts."""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.resampling import Read
from fnmask.metrics import slug
from fnmask.metrics.margins import Margins, mean_of_present

FloatArray = NDArray[np.float64]

# Key and heading. Each is in percent, its difference to plain in points.
TARGET_COLUMNS = {
    "target_iou": "target IoU",
    "target_precision": "target precision",
    "target_recall": "target recall",
    "target_f1": "target F1",
    "miou_without_target": "mIoU without target",
}
OVERALL_COLUMNS = {"miou": "mIoU", "pixel_accuracy": "pixel accuracy"}


def class_columns(class_names: Sequence[str]) -> dict[str, str]:
    """Key and heading of the IoU of every class."""
    return {f"iou/{slug(name)}": name for name in class_names}


def measured_columns(class_names: Sequence[str]) -> dict[str, str]:
    """Key and heading of everything that `reader` reads, in its order."""
    return {**TARGET_COLUMNS, **OVERALL_COLUMNS, **class_columns(class_names)}


@functools.cache
def reader(targets: tuple[int, ...]) -> Read:
    """The readings of `measured_columns`, in percent, from counts `(..., C)`: `(..., K)`.

    Args:
        targets: class indices that the target columns are for; over several each is the mean of those that are
            present, and not defined where that of one is not. Without a target these columns are NaN.
    """
    chosen = list(targets)

    def read(margins: Margins) -> FloatArray:
        iou = margins.iou
        unknown = np.full(iou.shape[:-1], np.nan)
        of_target = [
            _mean(values[..., chosen], margins.labels[..., chosen] > 0) if chosen else unknown
            for values in (iou, margins.precision, margins.recall, margins.f1)
        ]
        without = mean_of_present(np.delete(iou, chosen, axis=-1)) if chosen else unknown
        whole = [*of_target, without, mean_of_present(iou), margins.pixel_accuracy]
        return np.asarray(100 * np.concatenate([np.stack(whole, axis=-1), iou], axis=-1))

    return read


def _mean(values: FloatArray, present: NDArray[np.bool_]) -> FloatArray:
    """Mean over the last axis of the present classes; NaN where that of one of them is not defined."""
    lost = (present & np.isnan(values)).any(axis=-1)
    return np.where(lost, np.nan, mean_of_present(values))
