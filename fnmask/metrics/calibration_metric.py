"""The expected calibration error inside Keras, over an evaluation."""

from typing import Any

import keras
import numpy as np
from keras import ops

from fnmask.compiled import compile_alone
from fnmask.metrics.calibration import Reliability, check_bins
from fnmask.metrics.counting import CountingMetric, is_stray_image, sum_by_cell
from fnmask.shapes import Tensor, check_labels, check_logits, label_rows

# Confidences are summed as integers, in steps of 1 / (bins * STEPS), so that batches and their order change nothing. A
# step count has a coarse and a fine half, whose sums over an image stay below 2^31.
STEPS = 2**16
HALF = 2**8
LARGEST_IMAGE_PX = 2**23 - 1


@keras.saving.register_keras_serializable(package="fnmask")
class ExpectedCalibrationError(CountingMetric):
    """The expected calibration error of logits: sum_m n_m/n |accuracy_m - confidence_m|, in [0, 1].

    The same as `fnmask.metrics.expected_calibration_error`, but for confidences in float32 that are rounded to steps of
    1 / (2^16 bins): it differs by less than 1e-5. Sums are integers and do not depend on how images are batched.

    Args:
        num_classes: C, at least 2.
        bins: M, equal bins of confidence ((m - 1) / M, m / M].
        ignore_class: the label that marks void pixels, or None.
        name: name of the metric in Keras' logs.

    Raises:
        ValueError: fewer than two classes, or no bin.

    Source:
        C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599.

    Example:
        >>> metric = ExpectedCalibrationError(2)
        >>> metric.update_state(np.array([[[0, 1]]]), np.array([[[[2.0, 0.0], [2.0, 0.0]]]]))
        >>> round(float(metric.result()), 3)
        0.381
    """

    def __init__(
        self, num_classes: int, *, bins: int = 15, ignore_class: int | None = None, name: str = "calibration_error"
    ) -> None:
        check_bins(bins)
        super().__init__((4, bins), num_classes=num_classes, ignore_class=ignore_class, name=name)
        self.bins = bins

    def count(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels, hits, and the coarse and fine halves of confidence, `(B, 4, M)`; and the number of stray images.

        Raises:
            ValueError: shapes that do not fit, an image of 2^23 pixels or more, or, eagerly, an undeclared label.
        """
        check_logits(y_true, y_pred)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={self.num_classes}.")
        check_labels(y_true, num_classes=self.num_classes, ignore_class=self.ignore_class)
        height, width = y_pred.shape[1:3]
        if height and width and height * width > LARGEST_IMAGE_PX:
            raise ValueError(
                f"An image of {height} x {width} pixels is too large to be summed exactly; cut it in tiles."
            )
        sizes = {"bins": self.bins, "ignore_class": self.ignore_class}
        sums, stray_images = compile_alone(_sums)(y_true, y_pred, **sizes)
        return sums, stray_images

    def result(self) -> Tensor:
        """The expected calibration error, float32; NaN without a labeled pixel, or if labels were undeclared."""
        pixels, hits, coarse, fine = (self.totals()[row] for row in range(4))
        steps = (coarse * HALF + fine) / STEPS
        lower = ops.arange(self.bins, dtype="float32")
        gaps = ops.abs(hits - (pixels * lower + steps) / self.bins)
        total = ops.sum(pixels)
        error = ops.sum(gaps) / ops.maximum(total, 1.0)
        return self.unless_stray(ops.where(total > 0, error, float("nan")))

    def reliability(self) -> Reliability:
        """The sums so far, for a reliability diagram.

        Raises:
            ValueError: labels were neither a class nor void, or logits were NaN.
        """
        pixels, hits, coarse, fine = self.exact_totals()
        steps = (coarse * HALF + fine) / STEPS
        return Reliability(pixels, hits, (pixels * np.arange(self.bins) + steps) / self.bins)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        return super().get_config() | {"bins": self.bins}


def _sums(y_true: Tensor, y_pred: Tensor, *, bins: int, ignore_class: int | None) -> tuple[Tensor, Tensor]:
    num_classes = int(y_pred.shape[-1])
    logits = ops.cast(y_pred, "float32")
    rows = label_rows(y_true, num_classes=num_classes, ignore_class=ignore_class)
    confidence = 1 / ops.sum(ops.exp(logits - ops.max(logits, axis=-1, keepdims=True)), axis=-1)
    # NaN at a label is reported like a label that is none; at void it does not matter.
    rows = ops.where(ops.logical_and(ops.isnan(confidence), rows != num_classes), num_classes + 1, rows)
    scaled = ops.where(rows < num_classes, confidence, 1.0) * bins
    place = ops.clip(ops.ceil(scaled) - 1, 0, bins - 1)
    steps = ops.cast(ops.round((scaled - place) * STEPS), "int32")
    is_hit = ops.cast(ops.cast(ops.argmax(logits, axis=-1), "int32") == rows, "int32")

    # One cell per image and bin, and one more that takes the pixels without a label.
    size = ops.shape(rows)[0]
    place = ops.where(rows < num_classes, ops.cast(place, "int32"), bins)
    cells = ops.arange(size, dtype="int32")[:, None, None] * (bins + 1) + place
    columns = (ops.ones_like(cells), is_hit, steps // HALF, steps % HALF)
    sums = [ops.reshape(sum_by_cell(column, cells, size * (bins + 1)), (-1, bins + 1)) for column in columns]
    stray_images = ops.sum(ops.cast(is_stray_image(rows, num_classes), "int32"))
    return ops.stack(sums, axis=1)[..., :bins], stray_images
