"""The loss variants by name: each is a way to write an error matrix, class weights and a schedule.

The functions here are what `conf/loss/*.yaml` names as `_target_`. They need no backend, so a configuration is checked
against their signatures in no time. `V0` ... `V5` are the names of the variants in the documentation of the losses.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from fnmask.losses.error_matrix import FloatArray, error_weights
from fnmask.shapes import check_class_indices, check_num_classes

MaskKind = Literal["argmax", "confidence"]

Weight = Annotated[float, Ge(0)]
Epochs = Annotated[float, Ge(0)]


@dataclass(frozen=True, eq=False)
class LossSpec:
    """What a loss variant asks of the loss and of its schedule.

    Attributes:
        mask: how the error matrix is read: at the predicted class (`argmax`) or as its mean under the predicted
            probabilities (`confidence`).
        error_weights: float32 `(C, K)`, see `fnmask.losses.error_matrix`.
        class_weights: float32 `(C,)`, multiplies whatever class weighting is chosen besides.
        warmup_epochs: epochs of the plain loss before the matrix starts to count.
        ramp_epochs: epochs over which it then fades in; 0 switches at once.
        targets: the classes that the variant is about: let off, weighted, or for a control read like those.
    """

    mask: MaskKind
    error_weights: FloatArray
    class_weights: FloatArray
    warmup_epochs: float
    ramp_epochs: float
    targets: tuple[int, ...]


def plain(*, num_classes: int, target: int | list[int]) -> LossSpec:
    """V0: cross-entropy, every error counts. The first control of every comparison.

    Args:
        num_classes: C, at least 2.
        target: class id, or several, that the readings "of the target" speak of; the loss treats it like any other.

    Returns:
        The spec with a matrix of ones.

    Raises:
        ValueError: a target out of range or named twice.
    """
    return LossSpec(
        mask="argmax",
        error_weights=error_weights(num_classes),
        class_weights=_ones(num_classes),
        warmup_epochs=0.0,
        ramp_epochs=0.0,
        targets=_targets(target, num_classes),
    )


def downweight_class(*, num_classes: int, target: int | list[int], alpha: Weight) -> LossSpec:
    """V0': every pixel of the target weighs alpha, hit or missed. The second control.

    Args:
        num_classes: C, at least 2.
        target: class id, or several.
        alpha: weight of the target's pixels, >= 0; 0 removes them from the loss.

    Returns:
        The spec with a matrix of ones and `class_weights[target] = alpha`.

    Raises:
        ValueError: a target out of range or named twice.
    """
    targets = _targets(target, num_classes)
    weights = _ones(num_classes)
    weights[list(targets)] = alpha
    return LossSpec(
        mask="argmax",
        error_weights=error_weights(num_classes),
        class_weights=weights,
        warmup_epochs=0.0,
        ramp_epochs=0.0,
        targets=targets,
    )


def ignore_false_negatives(
    *, num_classes: int, target: int | list[int], warmup_epochs: Epochs, ramp_epochs: Epochs
) -> LossSpec:
    """V1: a pixel of the target that the network calls something else costs nothing.

    Never predicting the target is an optimum of this loss; only the warm-up keeps training away from it.

    Args:
        num_classes: C, at least 2.
        target: class id, or several.
        warmup_epochs: epochs of plain loss first, >= 0.
        ramp_epochs: epochs of linear fading-in after that, >= 0; 0 switches at once.

    Returns:
        The spec with the target's row 0 off the diagonal.

    Raises:
        ValueError: a target out of range or named twice.
    """
    return attenuate_false_negatives(
        num_classes=num_classes, target=target, alpha=0.0, warmup_epochs=warmup_epochs, ramp_epochs=ramp_epochs
    )


def attenuate_false_negatives(
    *, num_classes: int, target: int | list[int], alpha: Weight, warmup_epochs: Epochs, ramp_epochs: Epochs
) -> LossSpec:
    """V2: a pixel of the target that the network calls something else weighs alpha instead of 1.

    With two classes and no warm-up, the target is predicted where its probability exceeds 1 / (1 + alpha).

    Args:
        num_classes: C, at least 2.
        target: class id, or several.
        alpha: weight of a missed pixel, >= 0; 1 is the plain loss, above 1 misses cost more.
        warmup_epochs: epochs of plain loss first, >= 0.
        ramp_epochs: epochs of linear fading-in after that, >= 0; 0 switches at once.

    Returns:
        The spec with the target's row alpha off the diagonal.

    Raises:
        ValueError: a target out of range or named twice.
    """
    targets = _targets(target, num_classes)
    return LossSpec(
        mask="argmax",
        error_weights=error_weights(num_classes, false_negatives=dict.fromkeys(targets, alpha)),
        class_weights=_ones(num_classes),
        warmup_epochs=warmup_epochs,
        ramp_epochs=ramp_epochs,
        targets=targets,
    )


def soften_false_negatives(
    *, num_classes: int, target: int | list[int], alpha: Weight, warmup_epochs: Epochs, ramp_epochs: Epochs
) -> LossSpec:
    """V3: a pixel of the target weighs alpha + (1 - alpha) p, where p is the probability the network gives the target.

    With two classes the target is predicted where its probability exceeds 2 / (3 + alpha), whatever the warm-up.
    Source: at alpha 0 the gradient is that of generalized cross-entropy with q = 1 (Zhang & Sabuncu 2018,
    arXiv:1805.07836), restricted to the target.

    Args:
        num_classes: C, at least 2.
        target: class id, or several.
        alpha: weight of a pixel that the network surely calls something else, >= 0.
        warmup_epochs: epochs of plain loss first, >= 0.
        ramp_epochs: epochs of linear fading-in after that, >= 0; 0 switches at once.

    Returns:
        The spec with the same matrix as V2, read by confidence.

    Raises:
        ValueError: a target out of range or named twice.
    """
    targets = _targets(target, num_classes)
    return LossSpec(
        mask="confidence",
        error_weights=error_weights(num_classes, false_negatives=dict.fromkeys(targets, alpha)),
        class_weights=_ones(num_classes),
        warmup_epochs=warmup_epochs,
        ramp_epochs=ramp_epochs,
        targets=targets,
    )


def _targets(target: int | list[int], num_classes: int) -> tuple[int, ...]:
    targets = (target,) if isinstance(target, int) else tuple(target)
    check_class_indices(targets, num_classes=num_classes, name="target")
    if not targets:
        raise ValueError("target is empty; name at least one class, or choose the plain loss.")
    return targets


def _ones(num_classes: int) -> FloatArray:
    check_num_classes(num_classes)
    return np.ones(num_classes, dtype=np.float32)
