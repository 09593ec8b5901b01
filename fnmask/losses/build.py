"""From specs to a loss of Keras."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike

from fnmask.losses.kinds import LabelReading
from fnmask.losses.label_losses import ExpectedCost, LabelSetCrossentropy, RelabelCrossentropy
from fnmask.losses.masked_loss import MaskedLoss
from fnmask.losses.pixel_losses import (
    MaskedCrossentropy,
    MaskedFocalCrossentropy,
    MaskedGeneralizedCrossentropy,
)
from fnmask.losses.region_losses import (
    MaskedDice,
    MaskedFocalTversky,
    MaskedJaccard,
    MaskedLovaszSoftmax,
    MaskedTversky,
)
from fnmask.losses.spec import BaseSpec, LossSpec, TermSpec, check_together
from fnmask.losses.weighted_sum import WeightedSum

AnyLoss = MaskedLoss | WeightedSum

_TERMS: dict[str, Callable[..., MaskedLoss]] = {
    "crossentropy": MaskedCrossentropy,
    "focal": MaskedFocalCrossentropy,
    "generalized_crossentropy": MaskedGeneralizedCrossentropy,
    "dice": MaskedDice,
    "jaccard": MaskedJaccard,
    "tversky": MaskedTversky,
    "focal_tversky": MaskedFocalTversky,
    "lovasz_softmax": MaskedLovaszSoftmax,
}

_LABEL_LOSSES: dict[str, Callable[..., MaskedLoss]] = {
    "expected_cost": ExpectedCost,
    "label_set": LabelSetCrossentropy,
    "relabel": RelabelCrossentropy,
}


def build_loss(loss: LossSpec, base: BaseSpec, *, class_weights: ArrayLike, ignore_class: int | None) -> AnyLoss:
    """Puts a variant on a base.

    Args:
        loss: the variant; its number of classes is that of its matrix.
        base: one term or several.
        class_weights: `(C,)` >= 0 of the chosen weighting; those of the variant multiply them.
        ignore_class: the label that marks void pixels, or None.

    Returns:
        One loss, or their weighted sum where the base has several terms or a weight other than 1.

    Raises:
        ValueError: the variant does not go with the base, or a number is out of its range.
    """
    if not isinstance(loss, LossSpec) or not isinstance(base, BaseSpec):
        raise ValueError(
            f"build_loss({loss!r}, {base!r}), but it takes specs, such as variants.plain(num_classes=5, target=2) of "
            'fnmask.losses.variants and bases.crossentropy(label_smoothing=None, normalizer="valid") of '
            "fnmask.losses.bases."
        )
    check_together(loss, base)
    shared = {
        "error_weights": loss.error_weights,
        "class_weights": np.asarray(class_weights) * loss.class_weights,
        "ignore_class": ignore_class,
    }
    losses = [_build_term(term, loss, base, shared) for term in base.terms]
    weights = [term.weight for term in base.terms]
    return losses[0] if weights == [1.0] else WeightedSum(losses, weights=weights)


def _build_term(term: TermSpec, loss: LossSpec, base: BaseSpec, shared: dict[str, Any]) -> MaskedLoss:
    num_classes = len(loss.error_weights)
    arguments: dict[str, Any] = {**shared, **term.numbers}
    if not term.is_region:
        arguments |= {"normalizer": base.normalizer, "hardest_fraction": loss.hardest_fraction}
    if loss.reading in get_args(LabelReading):
        return _LABEL_LOSSES[loss.reading](num_classes, **arguments, **loss.numbers)
    if loss.reading == "by_class":
        return _TERMS[term.kind](num_classes, by_class=True, **arguments)
    mask = "argmax" if loss.reading == "regions" else loss.reading
    return _TERMS[term.kind](num_classes, mask=mask, **arguments, **loss.numbers)
