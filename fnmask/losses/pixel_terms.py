"""The losses of single pixels, each with its gradient with respect to the logits in closed form.

Source of the closed forms: with p = softmax(z), d log p_y / d z_k = [k = y] - p_k. A loss that depends on log p_y
alone, with slope h = -d l / d log p_y, has the gradient h (p - onehot(y)). The weight of a pixel is a constant, so the
gradient of the weighted loss is the weight times this, and one pass over the logits gives it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keras import ops

from fnmask.losses.predictions import TINY, ClassPart, Predictions
from fnmask.losses.tables import ramped, read_matrix
from fnmask.shapes import Tensor

Numbers = Mapping[str, Tensor]

_HUGE = 1e30


@dataclass(frozen=True)
class PixelTerm:
    """A loss of single pixels.

    Attributes:
        losses: (predictions, numbers) -> l `(B, H, W)`, >= 0, finite where the logits are; and the maps that
            `gradients` needs of the same pass.
        gradients: (predictions, numbers, scale, *maps) -> scale * dl/dz `(B, H, W, C)`, for scale `(B, H, W)`.
    """

    losses: Callable[[Predictions, Numbers], tuple[Tensor, tuple[Tensor, ...]]]
    gradients: Callable[..., Tensor]


def _crossentropy(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[()]]:
    """-log p_y; smoothed, -sum_k t_k log p_k with t = (1 - epsilon) onehot(y) + epsilon / C."""
    losses = -predictions.log_probability
    if "label_smoothing" not in numbers:
        return losses, ()
    epsilon = numbers["label_smoothing"]
    mean_logit = predictions.class_sum(lambda part: part.logits) / predictions.num_classes
    return (1.0 - epsilon) * losses + epsilon * (predictions.log_normalizer - mean_logit), ()


def _crossentropy_gradients(predictions: Predictions, numbers: Numbers, scale: Tensor) -> Tensor:
    target = ops.cast(predictions.classes.is_label, scale.dtype)
    if "label_smoothing" in numbers:
        epsilon = numbers["label_smoothing"]
        target = (1.0 - epsilon) * target + epsilon / predictions.num_classes
    return scale[..., None] * (predictions.classes.probabilities - target)


def _focal(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """(1 - p_y) ** gamma * -log p_y, both factors from the log-odds: neither rounds to 0 before it has to.

    h = q**gamma + gamma p q**(gamma - 1) (-log p) with q = 1 - p, where (-log p) / q -> 1 as q -> 0: the power
    gamma - 1 alone would overflow there for gamma < 1.
    """
    odds, gamma = predictions.log_odds_against, numbers["gamma"]
    small = ops.exp(-ops.abs(odds))
    rest = ops.log1p(small)
    # Bounded, since 0 times infinity would be no number at a label with the logit -inf.
    log_p, log_q = -ops.minimum(ops.relu(odds) + rest, _HUGE), -(ops.relu(-odds) + rest)
    leads, total = odds < 0, 1.0 + small
    p, q = ops.where(leads, 1.0, small) / total, ops.where(leads, small, 1.0) / total
    is_sure = odds < -15.0
    ratio = ops.where(is_sure, 1.0, -log_p / ops.where(is_sure, 1.0, q))
    focus = ops.exp(gamma * log_q)
    return focus * -log_p, (focus * (1.0 + gamma * p * ratio),)


def _generalized(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """(1 - p_y ** q) / q, with h = p_y ** q."""
    power = numbers["q"] * predictions.log_probability
    return -ops.expm1(power) / numbers["q"], (ops.exp(power),)


def _toward_label(predictions: Predictions, numbers: Numbers, scale: Tensor, steepness: Tensor) -> Tensor:
    """h (p - onehot(y))."""
    slope, classes = (scale * steepness)[..., None], predictions.classes
    return slope * (classes.probabilities - ops.cast(classes.is_label, slope.dtype))


def _expected_cost(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """mu * -log p_y + lambda * sum_k E[y, k] p_k, with E = A off the diagonal and 0 on it."""
    share, cost = _cost_shares(numbers)
    expected = predictions.expected(lambda part: _costs(part, numbers))
    return _times(share, -predictions.log_probability) + cost * expected, (expected,)


def _expected_cost_gradients(predictions: Predictions, numbers: Numbers, scale: Tensor, expected: Tensor) -> Tensor:
    share, cost = _cost_shares(numbers)
    classes = predictions.classes
    p = classes.probabilities
    toward_cheap = p * (_costs(classes, numbers) - expected[..., None])
    return scale[..., None] * (share * (p - ops.cast(classes.is_label, p.dtype)) + cost * toward_cheap)


def _cost_shares(numbers: Numbers) -> tuple[Tensor, Tensor]:
    """How much of the loss is cross-entropy and how much expected cost: before the ramp, cross-entropy alone."""
    ramp = numbers["ramp"]
    return (1.0 - ramp) + ramp * numbers["crossentropy_weight"], ramp * numbers["cost_weight"]


def _costs(classes: ClassPart, numbers: Numbers) -> Tensor:
    """E[y, k]."""
    return ops.where(classes.is_label, 0.0, classes.read(numbers["error_weights"]))


def _label_set(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[Tensor]]:
    """-log sum_k R[y, k] p_k with R = 1 - A off the diagonal and 1 on it: the label may stand for other classes."""
    log_shares = _log_shares(numbers)
    # Not from p, which is 0 where logits are far apart; and bounded, for a label with the logit -inf.
    top = ops.maximum(predictions.class_max(lambda part: part.logits + part.read(log_shares)), -_HUGE)
    total = predictions.class_sum(lambda part: ops.exp(part.logits + part.read(log_shares) - part.beside(top)))
    log_accepted = top + ops.log(ops.maximum(total, TINY))
    return predictions.log_normalizer - log_accepted, (log_accepted,)


def _label_set_gradients(predictions: Predictions, numbers: Numbers, scale: Tensor, log_accepted: Tensor) -> Tensor:
    classes = predictions.classes
    accepted = classes.logits + classes.read(_log_shares(numbers))
    return scale[..., None] * (classes.probabilities - ops.exp(accepted - log_accepted[..., None]))


def _log_shares(numbers: Numbers) -> Tensor:
    """log R `(C, K)`."""
    matrix = ramped(numbers["error_weights"], numbers["ramp"])
    return ops.log(1.0 - matrix + ops.eye(matrix.shape[0], dtype=matrix.dtype))


def _relabel(predictions: Predictions, numbers: Numbers) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Cross-entropy against a onehot(y) + (1 - a) onehot(y_hat), with a = A[y, y_hat]."""
    matrix, called = ramped(numbers["error_weights"], numbers["ramp"]), predictions.predicted
    kept = read_matrix(matrix, predictions.rows, called)
    losses = _times(kept, -predictions.log_probability) - (1.0 - kept) * predictions.predicted_log_probability
    return losses, (kept, called)


def _relabel_gradients(
    predictions: Predictions, numbers: Numbers, scale: Tensor, kept: Tensor, called: Tensor
) -> Tensor:
    kept, classes = kept[..., None], predictions.classes
    is_called = ops.cast(called[..., None] == classes.indices, scale.dtype)
    target = kept * ops.cast(classes.is_label, scale.dtype) + (1.0 - kept) * is_called
    return scale[..., None] * (classes.probabilities - target)


def _times(share: Tensor, losses: Tensor) -> Tensor:
    """Their product, 0 where the share is 0 and the loss infinite."""
    return ops.where(share == 0, 0.0, share * losses)


CROSSENTROPY = PixelTerm(_crossentropy, _crossentropy_gradients)
FOCAL = PixelTerm(_focal, _toward_label)
GENERALIZED = PixelTerm(_generalized, _toward_label)
EXPECTED_COST = PixelTerm(_expected_cost, _expected_cost_gradients)
LABEL_SET = PixelTerm(_label_set, _label_set_gradients)
RELABEL = PixelTerm(_relabel, _relabel_gradients)
