"""The confusion matrix inside Keras: counted per image by a function, or over an evaluation by a metric."""

from typing import Any

import keras
import numpy as np
from keras import ops

from fnmask.metrics.confusion import IntArray
from fnmask.shapes import Tensor, check_num_classes, check_same_pixels, label_rows


def confusion_matrix_per_image(
    y_true: Tensor, y_pred: Tensor, num_classes: int, ignore_class: int | None = None
) -> Tensor:
    """Counts the pixels of every image by true and predicted class.

    Args:
        y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
        y_pred: logits `(B, H, W, C)`, or predicted class ids `(B, H, W)`. Ties go to the lowest class.
        num_classes: C, at least 2.
        ignore_class: the label that marks void, or None.

    Returns:
        int32 `(B, C, K)`. Inside a traced function, where nothing can be raised, every entry of an image with a label
        that is neither a class nor void (or with a predicted id that is no class) is -1, and the readings of
        `fnmask.metrics.confusion` refuse it.

    Raises:
        ValueError: shapes that do not go together; or, eagerly, an undeclared label.
    """
    check_num_classes(num_classes)
    check_same_pixels(y_true, y_pred)
    rows = label_rows(y_true, num_classes=num_classes, ignore_class=ignore_class)
    rows, predicted = _without_stray_predictions(rows, _class_ids(y_pred, num_classes), num_classes)

    # One bin per image, row and prediction. Rows C and C + 1 (void, undeclared) are counted too and cut off again.
    images = ops.arange(ops.shape(rows)[0], dtype="int32")[:, None, None]
    bins = ops.reshape((images * (num_classes + 2) + rows) * num_classes + predicted, (-1,))
    size = ops.shape(rows)[0] * (num_classes + 2) * num_classes
    # A segment sum, because a bincount does not compile with XLA.
    counts = ops.segment_sum(ops.ones_like(bins), bins, num_segments=size)
    counts = ops.reshape(counts, (-1, num_classes + 2, num_classes))
    is_stray = ops.any(counts[:, num_classes + 1] > 0, axis=-1)
    return ops.where(is_stray[:, None, None], -1, counts[:, :num_classes])


def _class_ids(y_pred: Tensor, num_classes: int) -> Tensor:
    if len(y_pred.shape) == 3:
        return ops.cast(y_pred, "int32")
    if y_pred.shape[-1] != num_classes:
        raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={num_classes}.")
    return ops.cast(ops.argmax(y_pred, axis=-1), "int32")


def _without_stray_predictions(rows: Tensor, predicted: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Turns a predicted id that is no class into an undeclared label, so that it is reported and not dropped."""
    is_class = ops.logical_and(predicted >= 0, predicted < num_classes)
    is_fine = ops.logical_or(is_class, rows == num_classes)
    return ops.where(is_fine, rows, num_classes + 1), ops.where(is_class, predicted, 0)


@keras.saving.register_keras_serializable(package="fnmask")
class ConfusionMatrix(keras.metrics.Metric):  # type: ignore[misc,unused-ignore]
    """One confusion matrix over an evaluation; its result is the mean IoU over present classes.

    Counts are integers, so the result does not depend on how images are batched. `matrix()` gives the counts to every
    other reading of `fnmask.metrics.confusion`.

    Args:
        num_classes: C, at least 2.
        ignore_class: the label that marks void pixels, or None.
        name: name of the metric in Keras' logs.

    Raises:
        ValueError: fewer than two classes.

    Example:
        >>> metric = ConfusionMatrix(2, ignore_class=9)
        >>> metric.update_state(np.array([[[0, 0, 1, 9]]]), np.array([[[0, 1, 1, 1]]]))
        >>> metric.matrix().tolist(), float(metric.result())
        ([[1, 1], [0, 1]], 0.5)
    """

    def __init__(self, num_classes: int, *, ignore_class: int | None = None, name: str = "miou") -> None:
        super().__init__(name=name)
        check_num_classes(num_classes)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.counts = self.add_variable((num_classes, num_classes), "zeros", dtype="int64", name="counts")
        self.stray_images = self.add_variable((), "zeros", dtype="int64", name="stray_images")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Adds the pixels of a batch.

        Args:
            y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
            y_pred: logits `(B, H, W, C)` or class ids `(B, H, W)`.
            sample_weight: not accepted, because counts are integers.

        Raises:
            ValueError: a `sample_weight`, shapes that do not go together, or, eagerly, an undeclared label.
        """
        if sample_weight is not None:
            raise ValueError("ConfusionMatrix takes no sample_weight; mark pixels that shall not count as void.")
        matrices = confusion_matrix_per_image(
            ops.convert_to_tensor(y_true),
            ops.convert_to_tensor(y_pred),
            self.num_classes,
            self.ignore_class,
        )
        is_stray = ops.cast(matrices[:, 0, 0] < 0, "int64")
        self.stray_images.assign_add(ops.sum(is_stray))
        self.counts.assign_add(ops.sum(ops.cast(matrices, "int64"), axis=0))

    def result(self) -> Tensor:
        """Mean IoU over present classes, float32; NaN if there are none or if labels were undeclared."""
        counts = ops.cast(self.counts, "float32")
        truth, hits = ops.sum(counts, axis=1), ops.diagonal(counts)
        ious = ops.divide_no_nan(hits, truth + ops.sum(counts, axis=0) - hits)
        present = ops.cast(truth > 0, "float32")
        mean = ops.sum(ious * present) / ops.sum(present)
        return ops.where(self.stray_images > 0, float("nan"), mean)

    def matrix(self) -> IntArray:
        """The counts so far, int64 `(C, K)`.

        Raises:
            ValueError: labels were neither a class nor void.
        """
        if int(self.stray_images) > 0:
            raise ValueError(
                f"{int(self.stray_images)} images hold labels outside 0..{self.num_classes - 1} that are not "
                f"ignore_class={self.ignore_class}; declare the void label or repair them."
            )
        return np.asarray(self.counts.numpy(), dtype=np.int64)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        return {"num_classes": self.num_classes, "ignore_class": self.ignore_class, "name": self.name}
