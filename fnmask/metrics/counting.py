"""Integer sums inside Keras: by cell of a histogram, and added up over batches without overflow.

JAX has no 64-bit integers unless it is told to, so a total is kept as two numbers, `high * 2^16 + low`. Every sum of a
part of a batch stays below 2^31; totals are exact up to 2^47, which is more pixels than there are.
"""

from abc import abstractmethod
from typing import Any

import keras
import numpy as np
from keras import ops

from fnmask.metrics.confusion import IntArray
from fnmask.shapes import Tensor, check_num_classes

LIMB = 2**16


def sum_by_cell(values: Tensor, cells: Tensor, num_cells: Tensor) -> Tensor:
    """Sums integers by cell.

    Args:
        values: int32 of any shape.
        cells: int32 of the same shape, in [0, num_cells).
        num_cells: how many there are.

    Returns:
        int32 `(num_cells,)`.
    """
    # A bincount does not compile with XLA, and a segment sum adds in float32 on torch, where it stops at 2^24.
    nothing = ops.zeros((num_cells,), dtype="int32")
    return ops.scatter_update(nothing, ops.reshape(cells, (-1, 1)), ops.reshape(values, (-1,)), reduction="add")


def count_by_cell(cells: Tensor, num_cells: Tensor) -> Tensor:
    """How often each cell is named, int32 `(num_cells,)`; the cells are as in `sum_by_cell`."""
    return sum_by_cell(ops.ones_like(cells), cells, num_cells)


def is_stray_image(rows: Tensor, num_classes: int) -> Tensor:
    """`(B,)`: whether an image has a pixel in row C + 1 of `fnmask.shapes.label_rows`."""
    return ops.any(rows == num_classes + 1, axis=(1, 2))


class CountingMetric(keras.metrics.Metric):  # type: ignore[misc,unused-ignore]
    """What the streaming metrics share: an array of integer totals, and the refusal to read it with stray images.

    A subclass says in `count` what one batch adds. An image is stray if it has a label that is neither a class nor void
    (or a prediction that is none); where nothing can be raised, inside a traced step, strays are counted.

    Args:
        shape: of the totals.
        num_classes: C, at least 2.
        ignore_class: the label that marks void pixels, or None.
        name: of the metric in Keras' logs.

    Raises:
        ValueError: fewer than two classes.
    """

    def __init__(self, shape: tuple[int, ...], *, num_classes: int, ignore_class: int | None, name: str) -> None:
        super().__init__(name=name)
        check_num_classes(num_classes)
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        # Not int32 everywhere: a GPU step that TensorFlow compiles cannot reach its int32 variables.
        dtype = "int32" if keras.backend.backend() == "jax" else "int64"
        self.counts = self.add_variable((2, *shape), "zeros", dtype=dtype, name="counts")
        self.stray_images = self.add_variable((), "zeros", dtype=dtype, name="stray_images")

    @abstractmethod
    def count(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """What a batch adds: int32 `(parts, *shape)`, summed over its parts; and the number of its stray images."""

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Adds the pixels of a batch.

        Args:
            y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
            y_pred: logits `(B, H, W, C)`.
            sample_weight: not accepted, because counts are integers.

        Raises:
            ValueError: a `sample_weight`, shapes that do not go together, or, eagerly, an undeclared label.
        """
        if sample_weight is not None:
            raise ValueError(f"{type(self).__name__} takes no sample_weight; mark pixels that shall not count as void.")
        parts, stray_images = self.count(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        parts = ops.cast(parts, self.counts.dtype)
        carried = ops.floor_divide(parts, LIMB)
        low = self.counts[1] + ops.sum(parts - carried * LIMB, axis=0)
        full = ops.floor_divide(low, LIMB)
        self.counts.assign(ops.stack([self.counts[0] + ops.sum(carried, axis=0) + full, low - full * LIMB]))
        self.stray_images.assign_add(ops.cast(stray_images, self.stray_images.dtype))

    def totals(self) -> Tensor:
        """The totals so far inside a step, float32 of the given shape: exact below 2^24, to 7 digits above."""
        return ops.cast(self.counts[0], "float32") * LIMB + ops.cast(self.counts[1], "float32")

    def exact_totals(self) -> IntArray:
        """The totals so far, int64 of the given shape.

        Raises:
            ValueError: there were stray images.
        """
        if int(self.stray_images) > 0:
            raise ValueError(
                f"{int(self.stray_images)} images hold labels outside 0..{self.num_classes - 1} that are not "
                f"ignore_class={self.ignore_class}, or predictions that are no class; "
                "declare the void label or repair them."
            )
        high, low = np.asarray(ops.convert_to_numpy(self.counts), dtype=np.int64)
        return np.asarray(high * LIMB + low)

    def unless_stray(self, reading: Tensor) -> Tensor:
        """The reading, or NaN with stray images."""
        return ops.where(self.stray_images > 0, float("nan"), reading)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this metric again."""
        return {"num_classes": self.num_classes, "ignore_class": self.ignore_class, "name": self.name}
