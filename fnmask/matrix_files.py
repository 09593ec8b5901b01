"""The confusion matrices of a run as its files: counts per image, their sum, and the readings of each class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics.readings import per_class
from fnmask.tracking import artifacts
from fnmask.tracking.artifacts import ClassList
from fnmask.tracking.confusion_picture import confusion_picture
from fnmask.tracking.tracker import Tracker


def log_matrices(
    classes: ClassList,
    matrices: Mapping[str, NDArray[np.int64]],
    ids: Mapping[str, Sequence[str]],
    tracker: Tracker,
) -> None:
    """Log the classes and the matrices of every split that was evaluated.

    Args:
        classes: of the data set.
        matrices: by split, `(N, C, C)`; val among them.
        ids: by split, names of the N images.
        tracker: takes the files.
    """
    tracker.log_artifact(artifacts.CLASSES, artifacts.pack_classes(classes))
    columns: dict[str, NDArray[Any]] = {}
    for split, per_image in matrices.items():
        tracker.log_artifact(artifacts.confusion_name(split), artifacts.pack_confusion(per_image, ids[split]))
        columns |= {f"{split} {key}": values for key, values in per_class(per_image.sum(axis=0)).items()}
    tracker.log_artifact(artifacts.PER_CLASS, artifacts.per_class_csv(columns, classes.names))
    total = matrices["val"].sum(axis=0)
    tracker.log_artifact(artifacts.confusion_name("val", "csv"), artifacts.confusion_csv(total, classes.names))
    tracker.log_artifact(artifacts.confusion_name("val", "png"), confusion_picture(total, classes.names))
