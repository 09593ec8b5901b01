"""Sums over classes and over pixels, in the forms that XLA for CPUs makes fast.

It writes whatever it reduces to memory first, `exp(logits)` too, but fuses a sum of separate terms into one pass over
what they are made of. So an axis is taken in parts, and the parts are added. Elsewhere the only part is the axis.
"""

from functools import cache

import keras
from keras import ops

from fnmask.shapes import Tensor

# Beyond it compiling a term for each class takes longer than the steps are worth.
_MOST_CLASSES = 64
_IMAGE_PARTS = 8


def class_parts(num_classes: int) -> list[int | slice]:
    """The parts of the class axis: each class on its own, or all of them together."""
    together = not _fuses_sums() or num_classes > _MOST_CLASSES
    return [slice(0, num_classes)] if together else list(range(num_classes))


def image_parts(height: int | None) -> list[list[slice]]:
    """The parts of the height of an image, in lists of equally high ones; one where it is not known."""
    if not _fuses_sums() or height is None or height < _IMAGE_PARTS:
        return [[slice(0, None)]]
    even = height - height % _IMAGE_PARTS
    parts = [[slice(first, even, _IMAGE_PARTS) for first in range(_IMAGE_PARTS)]]
    return parts if even == height else [*parts, [slice(even, None)]]


def pixel_sum(values: Tensor) -> Tensor:
    """The sum of a map `(B, H, W)`."""
    if not _fuses_sums():
        return ops.sum(values)
    # XLA for CPUs adds one by one, which loses 1e-3 of two million equal float32 numbers, and takes twice as long.
    return ops.sum(_row_sums(values))


def pixel_count(flags: Tensor) -> Tensor:
    """How many pixels of a map of booleans `(B, H, W)` are true, int32."""
    if not _fuses_sums():
        return ops.sum(ops.cast(flags, "int32"))
    # As floats along a row, where they are exact, since only those are added on several cores.
    return ops.sum(ops.cast(_row_sums(ops.cast(flags, "float32")), "int32"))


def _row_sums(values: Tensor) -> Tensor:
    return ops.matmul(values, ops.ones((ops.shape(values)[-1], 1), dtype=values.dtype))


@cache
def _fuses_sums() -> bool:
    if keras.backend.backend() == "torch":
        return False
    # Without an argument the list is that of the accelerators, or of the CPUs if there are none; to ask JAX for a kind
    # that it has not is an error.
    return all(device.lower().startswith("cpu") for device in keras.distribution.list_devices())
