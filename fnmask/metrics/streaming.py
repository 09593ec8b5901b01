"""The confusion matrix inside Keras: counted per image by a function, or over an evaluation by a metric."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from fnmask.compiled import compile_alone
from fnmask.metrics.confusion import IntArray
from fnmask.metrics.counting import CountingMetric, count_by_cell
from fnmask.metrics.readings import distinct_slugs
from fnmask.metrics.traced_readings import OVERALL, PER_CLASS, Reading, traced_readings
from fnmask.shapes import Tensor, check_labels, check_num_classes, check_option, check_same_pixels, label_rows


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
    if len(y_pred.shape) != 3 and y_pred.shape[-1] != num_classes:
        raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={num_classes}.")
    check_labels(y_true, num_classes=num_classes, ignore_class=ignore_class)
    pixels = (ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
    return compile_alone(_matrices)(*pixels, num_classes=num_classes, ignore_class=ignore_class)


def _matrices(y_true: Tensor, y_pred: Tensor, *, num_classes: int, ignore_class: int | None) -> Tensor:
    rows = label_rows(y_true, num_classes=num_classes, ignore_class=ignore_class)
    predicted = ops.cast(y_pred if len(y_pred.shape) == 3 else ops.argmax(y_pred, axis=-1), "int32")
    # A predicted id that is no class becomes an undeclared label, so that it is reported and not dropped.
    is_class = ops.logical_and(predicted >= 0, predicted < num_classes)
    rows = ops.where(ops.logical_or(is_class, rows == num_classes), rows, num_classes + 1)
    predicted = ops.where(is_class, predicted, 0)

    # One cell per image, row and prediction. Rows C and C + 1 (void, undeclared) are counted too and cut off again.
    images = ops.arange(ops.shape(rows)[0], dtype="int32")[:, None, None]
    cells = (images * (num_classes + 2) + rows) * num_classes + predicted
    counts = count_by_cell(cells, ops.shape(rows)[0] * (num_classes + 2) * num_classes)
    counts = ops.reshape(counts, (-1, num_classes + 2, num_classes))
    is_stray = ops.any(counts[:, num_classes + 1] > 0, axis=-1)
    return ops.where(is_stray[:, None, None], -1, counts[:, :num_classes])


@keras.saving.register_keras_serializable(package="fnmask")
class ConfusionMatrix(CountingMetric):
    """One confusion matrix over an evaluation, and any readings of it.

    Counts are integers and exact up to 2^47 pixels on every backend, so the result does not depend on how images are
    batched. `matrix()` gives them to every reading of `fnmask.metrics.confusion`; the named readings are the same in
    float32. A class without a labeled pixel is absent: its readings are NaN and the mean leaves it out.

    Args:
        num_classes: C, at least 2.
        ignore_class: the label that marks void pixels, or None.
        class_names: C names with distinct slugs, or None for the class ids.
        readings: what `result()` gives, by name: `iou`, `precision`, `recall`, `f1`, `support` of every class, `miou`,
            `pixel_accuracy`, `classes_present`. None for the mean IoU alone, as a number.
        name: without readings the name in Keras' logs, by default `miou`. With readings a prefix of all their keys, by
            default none; two metrics of one model need it, for Keras lets the second overwrite the keys of the first.

    Raises:
        ValueError: fewer than two classes; names that are too few, too many or not distinct; an unknown reading.

    Example:
        >>> metric = ConfusionMatrix(2, ignore_class=9, class_names=["land", "Road"], readings=("miou", "recall"))
        >>> metric.update_state(np.array([[[0, 0, 1, 9]]]), np.array([[[0, 1, 1, 1]]]))
        >>> metric.matrix().tolist()
        [[1, 1], [0, 1]]
        >>> {key: float(value) for key, value in metric.result().items()}
        {'miou': 0.5, 'recall_land': 0.5, 'recall_road': 1.0}
    """

    def __init__(
        self,
        num_classes: int,
        *,
        ignore_class: int | None = None,
        class_names: Sequence[str] | None = None,
        readings: Sequence[Reading] | None = None,
        name: str | None = None,
    ) -> None:
        shape = (num_classes, num_classes)
        own_name = name or ("miou" if readings is None else "confusion_matrix")
        super().__init__(shape, num_classes=num_classes, ignore_class=ignore_class, name=own_name)
        if isinstance(readings, str):
            raise ValueError(f"readings={readings!r}, but it is a list of readings, such as [{readings!r}].")
        for reading in readings or ():
            check_option(reading, allowed=(*PER_CLASS, *OVERALL), name="reading")
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"{len(class_names)} class_names were given for num_classes={num_classes}; name every class."
            )
        # As tuples, because Keras wraps a list that becomes an attribute.
        self.class_names = None if class_names is None else tuple(class_names)
        self.readings = None if readings is None else tuple(readings)
        self._slugs = tuple(distinct_slugs(self.class_names or [str(k) for k in range(num_classes)]))
        self._prefix = f"{name}_" if name else ""
        self._given_name = name

    def count(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """The matrices of a batch, `(B, C, K)`, and the number of its stray images."""
        matrices = confusion_matrix_per_image(y_true, y_pred, self.num_classes, self.ignore_class)
        return ops.maximum(matrices, 0), ops.sum(ops.cast(matrices[:, 0, 0] < 0, "int32"))

    def result(self) -> Tensor | dict[str, Tensor]:
        """The mean IoU, float32; or with readings `{"miou": ..., "recall_<class>": ...}`, float32 each.

        NaN where a reading is not defined, and everywhere if labels were undeclared.
        """
        values = traced_readings(self.totals())
        if self.readings is None:
            return self.unless_stray(values["miou"])
        named: dict[str, Tensor] = {}
        for reading in self.readings:
            if reading in OVERALL:
                named[self._prefix + reading] = self.unless_stray(values[reading])
            else:
                for k, short in enumerate(self._slugs):
                    named[f"{self._prefix}{reading}_{short}"] = self.unless_stray(values[reading][k])
        return named

    def matrix(self) -> IntArray:
        """The counts so far, int64 `(C, K)`.

        Raises:
            ValueError: labels were neither a class nor void.
        """
        return self.exact_totals()

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        given = {"class_names": self.class_names, "readings": self.readings}
        lists = {key: None if value is None else list(value) for key, value in given.items()}
        return super().get_config() | lists | {"name": self._given_name}
