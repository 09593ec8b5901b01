"""Losses over regions, each with its gradient with respect to the probabilities in closed form.

With m the weight of a pixel (0 at void), y_k and p_k its one-hot label and probabilities, sums over the whole batch:

    TP_k = sum m y_k p_k        FP_k = sum m (1 - y_k) p_k        FN_k = sum m y_k (1 - p_k)
    L = sum_k omega_k l_k / sum_k omega_k        over the classes with sum m y_k > 0

The weight enters all three sums: a pixel of weight 0 is as if it were not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keras import ops

from fnmask.losses.predictions import Predictions
from fnmask.shapes import Tensor

Numbers = Mapping[str, Tensor]

# The step of float32 below 1: where a score comes closer to 1, rounding is all that is left of the difference.
_RESOLUTION = 6e-8


@dataclass(frozen=True)
class RegionTerm:
    """A loss over the regions of a batch.

    Attributes:
        compiles: whether XLA is to compile it. XLA for CPUs sorts five times as slowly as TensorFlow itself.
        loss: (predictions, m, numbers) -> L, and residuals for `slopes`.
        slopes: (predictions, m, residuals) -> dL/dp `(B, H, W, C)`.
    """

    compiles: bool
    loss: Callable[[Predictions, Tensor, Numbers], tuple[Tensor, tuple[Tensor, ...]]]
    slopes: Callable[[Predictions, Tensor, tuple[Tensor, ...]], Tensor]


def _tversky(predictions: Predictions, m: Tensor, numbers: Numbers) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """l_k = (1 - T_k) ** (1 / gamma), T_k = (TP_k + s) / (TP_k + a_k FP_k + b_k FN_k + s)."""
    a, b, s = (numbers[name] for name in ("false_positive_weight", "false_negative_weight", "smoothing"))
    hits = predictions.sum_per_class(m * ops.exp(predictions.log_probability))
    called = ops.sum(m[..., None] * predictions.only_valid(predictions.probabilities), axis=(0, 1, 2))
    labeled = predictions.sum_per_class(m)
    denominator = hits + a * (called - hits) + b * (labeled - hits) + s
    score = ops.divide_no_nan(hits + s, denominator)
    losses, steepness = _rooted(ops.maximum(1.0 - score, 0.0), numbers)
    share = _class_shares(labeled, numbers)
    # dT/dp is m (1 - (1 - b) T) / D at a pixel of k and -m a T / D at another one, with D the denominator of T.
    slope = ops.divide_no_nan(share * steepness, denominator)
    return ops.sum(share * losses), (-slope * (1.0 - (1.0 - b) * score), slope * a * score)


def _rooted(miss: Tensor, numbers: Numbers) -> tuple[Tensor, Tensor]:
    """(1 - T) ** (1 / gamma) and its derivative with respect to 1 - T; without gamma, 1 - T itself."""
    if "gamma" not in numbers:
        return miss, ops.ones_like(miss)
    exponent = 1.0 / numbers["gamma"]
    # The root is infinitely steep at 0; a perfect score has nothing left to learn.
    steep = exponent * ops.power(ops.maximum(miss, _RESOLUTION), exponent - 1.0)
    return ops.power(miss, exponent), ops.where(miss > 0, steep, 0.0)


def _class_shares(labeled: Tensor, numbers: Numbers) -> Tensor:
    """omega_k / sum omega over the present classes, `(C,)`; all 0 where none is present."""
    present = numbers["class_weights"] * ops.cast(labeled > 0, labeled.dtype)
    return ops.divide_no_nan(present, ops.sum(present))


def _tversky_slopes(predictions: Predictions, m: Tensor, residuals: tuple[Tensor, ...]) -> Tensor:
    on, off = residuals
    return m[..., None] * ops.where(predictions.is_label, on, off)


def _lovasz(predictions: Predictions, m: Tensor, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """l_k = sum_i e_(i) (J_i - J_(i-1)) over the errors e = m |y_k - p_k| in falling order.

    J_i = 1 - (Y - sum m y) / (Y + sum m (1 - y)), sums over the first i pixels, Y = sum m y over all: the Jaccard loss
    of getting those i pixels wrong, where a pixel counts m times.
    """
    classes = predictions.num_classes
    is_label = _by_class(ops.cast(predictions.is_label, m.dtype), classes)
    weight = ops.reshape(m, (1, -1))
    errors = weight * ops.abs(is_label - _by_class(predictions.only_valid(predictions.probabilities), classes))
    order = ops.argsort(-errors, axis=-1)
    labeled = ops.sum(weight * is_label, axis=-1)
    found = ops.cumsum(ops.take_along_axis(weight * is_label, order, axis=-1), axis=-1)
    union = labeled[:, None] + ops.cumsum(ops.take_along_axis(weight * (1.0 - is_label), order, axis=-1), axis=-1)
    jaccard = 1.0 - ops.divide_no_nan(labeled[:, None] - found, union)
    steps = ops.concatenate([jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]], axis=-1)
    losses = ops.sum(ops.take_along_axis(errors, order, axis=-1) * steps, axis=-1)
    share = _class_shares(labeled, numbers)
    in_place = _unsorted(steps, order)
    slopes = share[:, None] * in_place * weight * (1.0 - 2.0 * is_label)
    return ops.sum(share * losses), (ops.reshape(ops.transpose(slopes), ops.shape(predictions.logits)),)


def _unsorted(values: Tensor, order: Tensor) -> Tensor:
    """The values `(C, N)` moved back to where `order` took them from."""
    rows = ops.broadcast_to(ops.arange(order.shape[0], dtype="int32")[:, None], ops.shape(order))
    places = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(ops.cast(order, "int32"), (-1,))], axis=-1)
    return ops.scatter(places, ops.reshape(values, (-1,)), ops.shape(values))


def _by_class(values: Tensor, classes: int) -> Tensor:
    """`(B, H, W, C)` as `(C, B * H * W)`."""
    return ops.transpose(ops.reshape(values, (-1, classes)))


def _lovasz_slopes(predictions: Predictions, m: Tensor, residuals: tuple[Tensor, ...]) -> Tensor:
    return residuals[0]


TVERSKY = RegionTerm(True, _tversky, _tversky_slopes)
LOVASZ = RegionTerm(False, _lovasz, _lovasz_slopes)
