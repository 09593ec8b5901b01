"""The weight of a pixel: the error matrix read at what the network says now.

    w_i = stop_gradient( a_i + (1 - a_i) s_i )

`a` is the entry of the matrix for the label and its rival, the strongest class but the label; `s` says how far the
label survives, from 0 (a counted error) to 1 (correct). With A_r = (1 - r) * 1 + r * A for the ramp r:

    mask            s                                      variant
    argmax          [y_hat = y], so that w = A[y, y_hat]   V1, V2, V6, V7, V14
    confidence      p_y ** power                           V3, rows of one number
    expectation     w = sum_k A[y, k] p_k                  V3, any matrix
    margin          sigmoid((z_y - z_rival) / temperature) V3m
    threshold       [p_y >= threshold]                     V4
    disagreement    not (y_hat != y and max p >= threshold) V4c

The stop_gradient matters: without it the product rule adds a term that pushes the probability of the target down
wherever it is small.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from keras import ops

from fnmask.losses.kinds import MaskKind
from fnmask.losses.predictions import Predictions
from fnmask.losses.tables import as_logits, off_diagonal, ramped, read_matrix, read_vector
from fnmask.shapes import Tensor, check_option

# The numbers that a kind reads beside the matrix.
MASK_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "confidence": ("power",),
    "margin": ("temperature",),
    "threshold": ("threshold",),
    "disagreement": ("threshold",),
}

# Kinds that read one number off each row of the matrix.
ROW_MASKS = ("confidence",)


def weigh_pixels(predictions: Predictions, numbers: Mapping[str, Tensor], mask: MaskKind) -> Tensor:
    """The weight w that the error matrix gives to each pixel.

    Args:
        predictions: labels and logits.
        numbers: `error_weights` `(C, K)`, `ramp`, and those of `MASK_NUMBERS[mask]`.
        mask: how the matrix is read.

    Returns:
        `(B, H, W)` >= 0 in the dtype of the logits, no gradient; 0 at void, NaN at an undeclared label.

    Raises:
        ValueError: an unknown mask.
    """
    check_option(mask, allowed=get_args(MaskKind), name="mask")
    matrix = ramped(numbers["error_weights"], numbers["ramp"])
    weights = _READERS[mask](predictions, matrix, numbers)
    # A void pixel may hold NaN logits, and NaN times its zero row is NaN.
    return ops.stop_gradient(ops.where(predictions.is_valid, weights, ops.zeros_like(weights)))


def _by_argmax(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    return read_matrix(matrix, predictions.rows, predictions.predicted)


def _by_confidence(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    survival = ops.exp(numbers["power"] * predictions.log_probability)
    return _between(read_vector(off_diagonal(matrix), predictions.rows), survival)


def _by_expectation(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    return predictions.expected(lambda part: part.read(matrix))


def _by_margin(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    margin = predictions.label_logit - predictions.rival_logit
    return _between(
        read_matrix(matrix, predictions.rows, predictions.rival), ops.sigmoid(margin / numbers["temperature"])
    )


def _by_threshold(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    survives = ops.exp(predictions.log_probability) >= numbers["threshold"]
    attenuated = read_matrix(matrix, predictions.rows, predictions.rival)
    return ops.where(survives, predictions.labeled, attenuated)


def _by_disagreement(predictions: Predictions, matrix: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    is_sure = ops.exp(predictions.predicted_log_probability) >= numbers["threshold"]
    return ops.where(is_sure, _by_argmax(predictions, matrix, numbers), predictions.labeled)


def _between(attenuation: Tensor, survival: Tensor) -> Tensor:
    return attenuation + (1.0 - attenuation) * survival


_READERS = {
    "argmax": _by_argmax,
    "confidence": _by_confidence,
    "expectation": _by_expectation,
    "margin": _by_margin,
    "threshold": _by_threshold,
    "disagreement": _by_disagreement,
}


def weigh_labels(rows: Tensor, logits: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    """1 at every label: the weights of a loss whose matrix weighs no pixel."""
    return Predictions(rows, as_logits(logits)).labeled


def _weigh(mask: MaskKind, rows: Tensor, logits: Tensor, numbers: Mapping[str, Tensor]) -> Tensor:
    predictions = Predictions(rows, as_logits(logits))
    return weigh_pixels(predictions, predictions.as_dtype(numbers), mask)


Weigher = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]

# One object for all losses that weigh alike, so that it is compiled once.
WEIGHERS: Mapping[str, Weigher] = {mask: partial(_weigh, mask) for mask in get_args(MaskKind)}
