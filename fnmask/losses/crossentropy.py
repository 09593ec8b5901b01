"""Cross-entropy under an error matrix, as a function of arrays.

    L = sum_i v_i omega[y_i] w_i l_i / Z        l_i = -log softmax(z_i)[y_i]

v is 1 at labeled pixels and 0 at void, omega the class weights, w the weight of `fnmask.losses.masks` and Z the
normalizer.
"""

from typing import Literal, get_args

from keras import ops

from fnmask.losses.masks import as_logits, extended, ramped, weights_at
from fnmask.losses.variants import MaskKind
from fnmask.shapes import Tensor, check_logits, check_option, label_rows

Normalizer = Literal["valid", "all", "kept", "weight", "class_weight"]


def masked_crossentropy(  # eight arguments: three numbers, three structural choices, and the two arrays
    y_true: Tensor,
    y_pred: Tensor,
    *,
    error_weights: Tensor,
    class_weights: Tensor,
    ramp: Tensor = 1.0,
    mask: MaskKind = "argmax",
    ignore_class: int | None = None,
    normalizer: Normalizer = "valid",
) -> Tensor:
    """Cross-entropy per pixel, weighted by the error matrix; the mean over all pixels is the loss L.

    Void pixels reach neither the loss nor the gradient, whatever their logits hold (NaN included). NaN at a labeled
    pixel is not hidden.

    Args:
        y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`.
        y_pred: logits `(B, H, W, C)`; half precision is raised to float32 first.
        error_weights: A `(C, K)` >= 0 with ones on the diagonal.
        class_weights: omega `(C,)` >= 0.
        ramp: r in [0, 1], the share of A that counts: (1 - r) * 1 + r * A.
        mask: A is read at the predicted class (`argmax`) or averaged over the probabilities (`confidence`).
        ignore_class: the label that marks void, or None.
        normalizer: what Z counts. `valid`: labeled pixels; the weights leave other pixels' gradients alone. `all`:
            B * H * W, as Keras does. `kept`: labeled pixels with w > 0. `weight`: sum of v omega w. `class_weight`: sum
            of v omega, as torch does. Where Z is 0, so is the loss.

    Returns:
        `(B, H, W)` = v omega w l * (B * H * W / Z), float32 (float64 for float64 logits); NaN at an undeclared label.

    Raises:
        ValueError: shapes that do not go together; or, eagerly, an undeclared label.
    """
    check_logits(y_true, y_pred)
    num_classes = y_pred.shape[-1]
    rows = label_rows(y_true, num_classes=num_classes, ignore_class=ignore_class)
    valid = rows != num_classes

    logits = as_logits(y_pred)
    weights = weights_at(rows, logits, ramped(error_weights, ramp), mask)
    omega = ops.take(ops.cast(extended(ops.convert_to_tensor(class_weights)), logits.dtype), rows)
    losses = crossentropy(rows, without_void_gradient(logits, valid))

    share = ops.mean(counted(valid, weights, omega, normalizer))  # Z / (B * H * W), a constant as the weights are
    return ops.divide_no_nan(ops.where(valid, omega * weights * losses, 0.0), share)


def crossentropy(rows: Tensor, logits: Tensor) -> Tensor:
    """-log softmax(z)[y] per pixel, from logits, with a finite value and gradient however far apart they are."""
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    is_label = rows[..., None] == ops.arange(logits.shape[-1], dtype="int32")
    return ops.log(ops.sum(ops.exp(shifted), axis=-1)) - ops.sum(ops.where(is_label, shifted, 0.0), axis=-1)


def without_void_gradient(logits: Tensor, valid: Tensor) -> Tensor:
    """The logits unchanged; on the way back, the gradient at void pixels is replaced by 0.

    Zero times NaN is NaN, so a zero weight alone would let a NaN of a void pixel through. Cutting the gradient here is
    cheaper than overwriting the logits before the softmax.
    """

    def identity(z: Tensor) -> Tensor:
        def gradient(*args: Tensor, upstream: Tensor = None) -> Tensor:
            incoming = args[0] if upstream is None else upstream  # TensorFlow passes it by position, torch by name
            return ops.where(valid[..., None], incoming, ops.zeros_like(incoming))

        return z, gradient

    return ops.custom_gradient(identity)(logits)


def counted(valid: Tensor, weights: Tensor, omega: Tensor, normalizer: Normalizer) -> Tensor:
    """What each pixel `(B, H, W)` adds to Z."""
    check_option(normalizer, allowed=get_args(Normalizer), name="normalizer")
    labeled = ops.cast(valid, weights.dtype)
    if normalizer == "all":
        return ops.ones_like(weights)
    if normalizer == "valid":
        return labeled
    if normalizer == "kept":
        return labeled * ops.cast(weights > 0, weights.dtype)
    if normalizer == "class_weight":
        return omega
    return omega * weights
