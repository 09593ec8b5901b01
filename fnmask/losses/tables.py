"""Reading tables over classes at every pixel."""

from keras import backend, ops

from fnmask.losses.sums import class_parts
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


def read_matrix(matrix: Tensor, rows: Tensor, columns: Tensor | int) -> Tensor:
    """`matrix[y, k]` at every pixel, for a matrix `(C, K)` and a column, or columns `(B, H, W)`, in [0, K)."""
    return ops.take(ops.reshape(extended(matrix), (-1,)), rows * matrix.shape[1] + columns)


def read_rows(matrix: Tensor, rows: Tensor) -> Tensor:
    """`matrix[y, :]` at every pixel, `(B, H, W, K)`."""
    table = extended(matrix)
    if len(class_parts(matrix.shape[0])) == 1:
        return ops.take(table, rows, axis=0)
    # Row by row, since XLA for CPUs reads a table number by number: four times as slow.
    values = table[-1]
    for row in range(table.shape[0] - 1):
        values = ops.where(rows[..., None] == row, table[row], values)
    return values


def off_diagonal(matrix: Tensor) -> Tensor:
    """What each row of a matrix `(C, C)` holds beside the diagonal, `(C,)`, where that is one number per row."""
    size = matrix.shape[0]
    places = [row * size + (row + 1) % size for row in range(size)]
    return ops.take(ops.reshape(matrix, (-1,)), ops.convert_to_tensor(places, dtype="int32"))
