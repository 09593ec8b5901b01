"""Losses over regions, each with its gradient with respect to the probabilities in closed form.

With m the weight of a pixel (0 at void), y_k and p_k its one-hot label and probabilities, sums over the whole batch:

    TP_k = sum m y_k p_k        FP_k = sum m (1 - y_k) p_k        FN_k = sum m y_k (1 - p_k)
    L = sum_k omega_k l_k / sum_k omega_k        over the classes with sum m y_k > 0

The weight enters all three sums: a pixel of weight 0 is as if it were not there.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keras import ops

from fnmask.losses.predictions import ClassPart, Predictions
from fnmask.losses.sums import pixel_sum
from fnmask.shapes import Tensor

Numbers = Mapping[str, Tensor]

# Of Lovasz-softmax. Sorting takes ten times as long.
_BINS = 65536

# Pixels that are added one by one; and in how many parts they come where their number is not known.
_PART_PIXELS = 65536
_PARTS = 16

# The step of float32 below 1: where a score comes closer to 1, rounding is all that is left of the difference.
_RESOLUTION = 6e-8


@dataclass(frozen=True)
class RegionTerm:
    """A loss over the regions of a batch.

    Attributes:
        loss: (predictions, m, numbers) -> L, and residuals for `slopes`.
        slopes: (some of the classes, m, residuals) -> dL/dp of those, `(B, H, W, n)`.
    """

    loss: Callable[[Predictions, Tensor, Numbers], tuple[Tensor, tuple[Tensor, ...]]]
    slopes: Callable[[ClassPart, Tensor, tuple[Tensor, ...]], Tensor]


def _tversky(predictions: Predictions, m: Tensor, numbers: Numbers) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """l_k = (1 - T_k) ** (1 / gamma), 1 - T_k = (a_k FP_k + b_k FN_k) / (TP_k + a_k FP_k + b_k FN_k + s).

    The errors are added up on their own, not taken from sums of hits: where few are left, as the difference of two
    large float32 sums they would be off by percents.
    """
    a, b, s = (numbers[name] for name in ("false_positive_weight", "false_negative_weight", "smoothing"))
    hits = predictions.sum_per_class(m * ops.exp(predictions.log_probability))
    missed = predictions.sum_per_class(m * -ops.expm1(predictions.log_probability))
    errors = a * predictions.sum_over_pixels(_elsewhere, m) + b * missed
    denominator = hits + errors + s
    miss = ops.divide_no_nan(errors, denominator)
    losses, steepness = _rooted(miss, numbers)
    share = _class_shares(hits + missed, numbers)
    # dT/dp is m (1 - (1 - b) T) / D at a pixel of k and -m a T / D at another one, with D the denominator of T.
    slope = ops.divide_no_nan(share * steepness, denominator)
    return ops.sum(share * losses), (-slope * (b + (1.0 - b) * miss), slope * a * (1.0 - miss))


def _elsewhere(predictions: Predictions, m: Tensor) -> Tensor:
    """m (1 - y_k) p_k."""
    classes = predictions.classes
    return m[..., None] * ops.where(classes.is_label, 0.0, predictions.only_valid(classes.probabilities))


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


def _tversky_slopes(classes: ClassPart, m: Tensor, residuals: tuple[Tensor, ...]) -> Tensor:
    on, off = (slope[classes.part] for slope in residuals)
    return classes.beside(m) * ops.where(classes.is_label, on, off)


def _lovasz(predictions: Predictions, m: Tensor, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """l_k = sum_i e_(i) (J_i - J_(i-1)) over the errors e = m |y_k - p_k| in falling order.

    J_i = 1 - (Y - sum m y) / (Y + sum m (1 - y)), sums over the first i pixels, Y = sum m y over all: the Jaccard loss
    of getting those i pixels wrong, where a pixel counts m times.

    Pixels are put in order by a histogram: errors that differ by less than 1 / 65536 of the largest of the
    class may change places, which moves l_k by less than that. Within a bin labeled pixels come first, and the steps of
    the others are their mean. The tables take 2 MB per class, and half a MB per class more for
    every 65536 pixels.
    """
    classes, count = predictions.classes, predictions.num_classes
    weight = ops.broadcast_to(m[..., None], ops.shape(predictions.logits))
    errors = weight * ops.abs(ops.cast(classes.is_label, m.dtype) - predictions.only_valid(classes.probabilities))
    cells = _falling_bins(errors) + _BINS * classes.indices
    cells_of_labels = ops.sum(ops.where(classes.is_label, cells, 0), axis=-1)
    labeled, counted = _by_bin(m, cells_of_labels, count), _by_bin(weight, cells, count)
    found, wrong = ops.cumsum(labeled, axis=-1), ops.cumsum(counted - labeled, axis=-1)
    total = found[:, -1:]
    before, after = total + wrong - (counted - labeled), total + wrong
    on, off = ops.divide_no_nan(1.0, before), ops.divide_no_nan(ops.divide_no_nan(total - found, before), after)
    share = _class_shares(total[:, 0], numbers)
    table = ops.reshape(share[:, None, None] * ops.stack([off, on], axis=-1), (-1,))
    steps = weight * ops.take(table, 2 * cells + ops.cast(classes.is_label, "int32"))
    slopes = weight * steps
    value = pixel_sum(predictions.class_sum(lambda part: errors[..., part.part] * steps[..., part.part]))
    return value, (ops.where(classes.is_label, -slopes, slopes),)


def _falling_bins(errors: Tensor) -> Tensor:
    """The bin of each error, int32 in [0, _BINS): 0 for the largest error of its class."""
    largest = ops.max(errors, axis=(0, 1, 2)) / (_BINS - 1)
    # Divided where it could be multiplied: XLA keeps quotients, and would compute the errors anew for each use.
    scaled = errors / ops.where(largest > 0, largest, float("inf"))
    # Not a number is no place in a table; the errors themselves carry it on into the loss.
    return _BINS - 1 - ops.cast(ops.where(scaled >= 0, scaled, 0.0), "int32")


def _by_bin(values: Tensor, cells: Tensor, classes: int) -> Tensor:
    """Sums by class and bin, `(C, _BINS)`."""
    # In parts of the pixels, one after another: added number by number, float32 loses percents of a bin that millions
    # of pixels share, as the first logits of a network and saturated ones do.
    shape, size = tuple(values.shape), classes * _BINS
    count = _PARTS if None in shape else max(1, -(-math.prod(shape[:3]) // _PART_PIXELS))
    flat = ops.reshape(cells, (-1,))
    index = ops.arange(ops.size(flat), dtype="int32") // ((ops.size(flat) + count - 1) // count)
    sums = ops.segment_sum(ops.reshape(values, (-1,)), index * size + flat, num_segments=count * size)
    return ops.sum(ops.reshape(sums, (count, classes, _BINS)), axis=0)


def _lovasz_slopes(classes: ClassPart, m: Tensor, residuals: tuple[Tensor, ...]) -> Tensor:
    return residuals[0][..., classes.part]


TVERSKY = RegionTerm(_tversky, _tversky_slopes)
LOVASZ = RegionTerm(_lovasz, _lovasz_slopes)
