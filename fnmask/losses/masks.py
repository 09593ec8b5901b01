"""The weight of a pixel: the error matrix read at what the network says now.

    w_i = stop_gradient( A_r[y_i, argmax_k z_ik] )             mask "argmax"       (V1, V2 and any matrix)
    w_i = stop_gradient( sum_k A_r[y_i, k] softmax(z_i)_k )    mask "confidence"   (V3)

with A_r = (1 - r) * 1 + r * A. The stop_gradient matters: without it the product rule adds a term that pushes the
probability of the target down wherever it is small.
"""

from keras import backend, ops

from fnmask.losses.variants import MaskKind
from fnmask.shapes import Tensor, check_logits, label_rows


def pixel_weights(
    y_true: Tensor,
    y_pred: Tensor,
    *,
    error_weights: Tensor,
    ramp: Tensor = 1.0,
    mask: MaskKind = "argmax",
    ignore_class: int | None = None,
) -> Tensor:
    """The weight w that the error matrix gives to each pixel.

    Args:
        y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
        y_pred: logits `(B, H, W, C)`; half precision is raised to float32 first. Ties go to the lowest class.
        error_weights: `(C, K)`, see `fnmask.losses.error_matrix`.
        ramp: r in [0, 1], the share of the matrix that counts.
        mask: `argmax` or `confidence`.
        ignore_class: the label that marks void, or None.

    Returns:
        `(B, H, W)` >= 0, float32 (float64 for float64 logits), no gradient; 0 at void, NaN at an undeclared label.

    Raises:
        ValueError: shapes that do not go together; or, eagerly, an undeclared label.
    """
    check_logits(y_true, y_pred)
    rows = label_rows(y_true, num_classes=y_pred.shape[-1], ignore_class=ignore_class)
    return weights_at(rows, as_logits(y_pred), ramped(error_weights, ramp), mask)


def weights_at(rows: Tensor, logits: Tensor, table: Tensor, mask: MaskKind) -> Tensor:
    """`pixel_weights` once labels are table rows `(B, H, W)` and the ramp is in the table `(C, K)`."""
    num_classes = logits.shape[-1]
    table = ops.cast(extended(table), logits.dtype)
    if mask == "argmax":
        predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")
        weights = ops.take(ops.reshape(table, (-1,)), rows * num_classes + predicted)
    else:
        weights = ops.sum(ops.take(table, rows, axis=0) * ops.softmax(logits, axis=-1), axis=-1)
    # A void pixel may hold NaN logits, and NaN times its zero row is NaN.
    return ops.stop_gradient(ops.where(rows == num_classes, 0.0, weights))


def ramped(error_weights: Tensor, ramp: Tensor) -> Tensor:
    """A_r = (1 - r) * 1 + r * A, exact at r = 0 and r = 1, and 1 on the diagonal for every r."""
    return (1.0 - ramp) + ramp * ops.convert_to_tensor(error_weights)


def extended(table: Tensor) -> Tensor:
    """A table over true classes with the two rows that `label_rows` points at: zeros for void, NaN for undeclared."""
    blank = ops.zeros_like(table[:1])
    return ops.concatenate([table, blank, blank + float("nan")], axis=0)


def as_logits(y_pred: Tensor) -> Tensor:
    """Raises half precision to float32, where sums of many pixels stay finite and argmax makes no new ties."""
    return ops.cast(y_pred, backend.result_type(y_pred.dtype, "float32"))
