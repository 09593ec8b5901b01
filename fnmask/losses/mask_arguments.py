"""The arguments that every masked loss takes, and their checks."""

from collections.abc import Mapping, Sequence
from typing import TypedDict, get_args

import numpy as np
from numpy.typing import ArrayLike

from fnmask.losses.error_matrix import class_ids, weight_of_each
from fnmask.losses.kinds import MaskKind
from fnmask.losses.masks import MASK_NUMBERS
from fnmask.losses.numbers import scalar
from fnmask.shapes import check_option

_MASK_DEFAULTS = {"power": 1.0, "temperature": 1.0, "threshold": 0.5}


class MaskArguments(TypedDict, total=False):
    """The arguments that every masked loss takes, see `MaskedLoss`."""

    ignore_false_negatives_of: int | Sequence[int] | None
    alpha: float | Sequence[float]
    error_weights: ArrayLike | None
    class_weights: ArrayLike | None
    ramp: float
    mask: MaskKind
    power: float | None
    temperature: float | None
    threshold: float | None
    ignore_class: int | None


MASK_CHECKS = {
    "power": scalar("power", low=0),
    "temperature": scalar("temperature", low=0, open_low=True),
    "threshold": scalar("threshold", low=0),
}


def mask_numbers(mask: str, given: Mapping[str, float | None]) -> dict[str, float]:
    """The numbers of this mask; refuses one that it would not read."""
    check_option(mask, allowed=get_args(MaskKind), name="mask")
    read = MASK_NUMBERS.get(mask, ())
    for name, value in given.items():
        if value is not None and name not in read:
            readers = ", ".join(kind for kind, names in MASK_NUMBERS.items() if name in names)
            raise ValueError(f"{name}={value} has no effect with mask={mask!r}; it belongs to {readers}.")
    return {name: _MASK_DEFAULTS[name] if (value := given[name]) is None else value for name in read}


def false_negatives(
    classes: int | Sequence[int] | None, alpha: float | Sequence[float], num_classes: int
) -> dict[int, float]:
    """Class -> weight; refuses what is no class, and a weight without a class."""
    named = () if classes is None else class_ids(classes, num_classes=num_classes, name="ignore_false_negatives_of")
    if not named and np.any(np.asarray(alpha) != 0):
        raise ValueError(f"alpha={alpha} has no effect without ignore_false_negatives_of; name the class.")
    return weight_of_each(named, alpha, name="alpha")
