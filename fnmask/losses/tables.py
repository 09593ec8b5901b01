"""Reading tables over classes at every pixel, and sums over classes that are fast."""

from functools import cache

import keras
from keras import backend, ops

from fnmask.shapes import Tensor


def as_logits(y_pred: Tensor) -> Tensor:
    """Raises half precision to float32, where sums of many pixels stay finite and argmax makes no new ties."""
    return ops.cast(y_pred, backend.result_type(y_pred.dtype, "float32"))


def ramped(error_weights: Tensor, ramp: Tensor) -> Tensor:
    """A_r = (1 - r) * 1 + r * A, exact at r = 0 and r = 1, and 1 on the diagonal for every r."""
    return (1.0 - ramp) + ramp * error_weights


def extended(table: Tensor) -> Tensor:
    """A table over true classes with the two rows that `label_rows` points at: zeros for void, NaN for undeclared."""
    blank = ops.zeros_like(table[:1])
    return ops.concatenate([table, blank, blank + float("nan")], axis=0)


def read_vector(vector: Tensor, rows: Tensor) -> Tensor:
    """`vector[y]` at every pixel, for a vector over true classes `(C,)`."""
    return ops.take(extended(vector), rows)


def read_matrix(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """`matrix[y, k]` at every pixel, for a matrix `(C, K)` and columns `(B, H, W)` in [0, K)."""
    return ops.take(ops.reshape(extended(matrix), (-1,)), rows * matrix.shape[1] + columns)


def read_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """`matrix[y, :]` at every pixel, `(B, H, W, K)`."""
    return ops.take(extended(matrix), rows, axis=0)


def off_diagonal(matrix: Tensor) -> Tensor:
    """What each row of a matrix `(C, C)` holds beside the diagonal, `(C,)`, where that is one number per row."""
    size = matrix.shape[0]
    places = [row * size + (row + 1) % size for row in range(size)]
    return ops.take(ops.reshape(matrix, (-1,)), ops.convert_to_tensor(places, dtype="int32"))


def class_sum(values: Tensor) -> Tensor:
    """The sum over the last axis, `(..., C)` -> `(...)`."""
    if not _sums_by_product():
        return ops.sum(values, axis=-1)
    # XLA for CPUs writes `values` to memory before it sums them, but computes them on the fly for a product with a
    # vector: five times as fast for exp(logits).
    ones = ops.ones((values.shape[-1], 1), dtype=values.dtype)
    return ops.squeeze(ops.matmul(values, ones), axis=-1)


def pixel_sum(values: Tensor) -> Tensor:
    """The sum of a map `(B, H, W)`."""
    if not _sums_by_product():
        return ops.sum(values)
    # XLA for CPUs adds one by one, which loses 1e-3 of two million equal float32 numbers, and takes ten times as long.
    return ops.sum(ops.matmul(values, ops.ones((ops.shape(values)[-1], 1), dtype=values.dtype)))


def pixel_sum_by_class(weights: Tensor, values: Tensor) -> Tensor:
    """The sums over pixels of `weights * values`, `(B, H, W)` and `(B, H, W, C)` -> `(C,)`."""
    if not _sums_by_product():
        return ops.sum(weights[..., None] * values, axis=(0, 1, 2))
    return ops.sum(ops.einsum("bhw,bhwc->bhc", weights, values), axis=(0, 1))


@cache
def _sums_by_product() -> bool:
    if keras.backend.backend() == "torch":
        return False
    # On a GPU a product would be rounded to the 10 bits of TensorFloat-32. Without an argument the list is that of the
    # accelerators, or of the CPUs if there are none; to ask JAX for a kind that it has not is an error.
    return all(device.lower().startswith("cpu") for device in keras.distribution.list_devices())
