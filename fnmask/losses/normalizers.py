"""What the weighted losses of the pixels are divided by.

L = sum_i v_i s_i omega[y_i] w_i l_i / Z        v = 1 at labels, s = sample weight, N = B * H * W

normalizer     Z                                    effect
valid          sum v                                void and mask leave the gradients of other pixels alone
all            N                                    as Keras does; the share of void scales everything
kept           sum v [w > 0]                        what is let off makes the rest count more
weight         sum v omega w s                      the same, continuously; the scale of omega does not matter
class_weight   sum v omega                          as torch does; the mask leaves other gradients alone
per_class      n Z_c, Z_c = sum_{y_i = c} v w       mean over the n classes with Z_c > 0 of their means
none           1                                    one loss per pixel, for the caller to reduce
"""

from keras import ops

from fnmask.losses.kinds import Normalizer
from fnmask.losses.predictions import Predictions
from fnmask.losses.sums import pixel_sum
from fnmask.losses.tables import read_vector
from fnmask.shapes import Tensor


def divisor(
    normalizer: Normalizer, predictions: Predictions, *, weights: Tensor, class_weights: Tensor, sample_weight: Tensor
) -> Tensor:
    """Z / N, a number or `(B, H, W)`; NaN where a label is undeclared.

    Args:
        normalizer: which Z.
        predictions: labels and logits.
        weights: w `(B, H, W)`, 0 at void.
        class_weights: omega[y] `(B, H, W)`, 0 at void.
        sample_weight: s, broadcasts to `(B, H, W)`.
    """
    if normalizer in ("all", "none"):
        return ops.ones((), dtype=weights.dtype)
    pixels = ops.cast(ops.size(weights), weights.dtype)
    if normalizer == "valid":
        return pixel_sum(predictions.labeled) / pixels
    if normalizer == "kept":
        return pixel_sum(predictions.labeled * ops.cast(weights > 0, weights.dtype)) / pixels
    if normalizer == "weight":
        return pixel_sum(class_weights * weights * sample_weight) / pixels
    if normalizer == "class_weight":
        return pixel_sum(class_weights) / pixels
    per_class = predictions.sum_per_class(weights) / pixels
    present = ops.sum(ops.cast(per_class > 0, weights.dtype))
    # Undeclared labels are in no class, so the mean over labels is what tells of them.
    return read_vector(per_class * present, predictions.rows) + 0.0 * pixel_sum(predictions.labeled)
