"""Class weights from pixel counts.

`f_c` is the share of class c in the labeled pixels of the training set, `u_c` its share in all pixels of the images
that contain it. A class without a pixel gets weight 0 and a warning; medians and rescalings leave it out.

Every function takes the counts and the class names (for messages) and returns float64 `(C,)`. They are what
`conf/weighting/*.yaml` names as `_target_`.
"""

import warnings
from collections.abc import Sequence
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Weight = Annotated[float, Ge(0)]


class PixelCounts(Protocol):
    """Pixel statistics of a training set, each int64 `(C,)`."""

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels labeled c."""

    @property
    def pixels_in_images_with(self) -> NDArray[np.int64]:
        """All pixels, void included, of the images that contain c."""


def none(counts: PixelCounts, class_names: Sequence[str]) -> FloatArray:
    """omega_c = 1.

    Args:
        counts: pixel statistics of the training set.
        class_names: C names.

    Returns:
        `(C,)` of ones, absent classes included.
    """
    _check(counts, class_names)
    return np.ones(len(class_names))


def inverse(counts: PixelCounts, class_names: Sequence[str]) -> FloatArray:
    """omega_c = 1 / f_c, rescaled so that the weights of the present classes have the mean 1.

    Args:
        counts: pixel statistics of the training set.
        class_names: C names.

    Returns:
        `(C,)` >= 0.

    Raises:
        ValueError: no class has a pixel.
    """
    present = _present(counts, class_names)
    weights = np.divide(1.0, counts.pixels, where=present, out=np.zeros(len(present)))
    return np.asarray(weights * (present.sum() / weights.sum()))


def median_frequency(counts: PixelCounts, class_names: Sequence[str]) -> FloatArray:
    """omega_c = median(u) / u_c, the median over present classes.

    Args:
        counts: pixel statistics of the training set.
        class_names: C names.

    Returns:
        `(C,)` >= 0, 1 for the class of median frequency.

    Raises:
        ValueError: no class has a pixel.

    Source: Eigen & Fergus 2014, arXiv:1411.4734; SegNet, arXiv:1511.00561.
    """
    present = _present(counts, class_names)
    frequency = counts.pixels[present] / counts.pixels_in_images_with[present]
    weights = np.zeros(len(present))
    weights[present] = np.median(frequency) / frequency
    return weights


def manual(counts: PixelCounts, class_names: Sequence[str], *, weights: list[Weight] | dict[str, Weight]) -> FloatArray:
    """omega as given.

    Args:
        counts: pixel statistics of the training set; only their length is looked at.
        class_names: C names.
        weights: C numbers >= 0 in the order of the classes, or class name -> number with 1 for the rest.

    Returns:
        `(C,)` >= 0.

    Raises:
        ValueError: a wrong number of weights, an unknown class name, or a weight that is negative or not finite.
    """
    _check(counts, class_names)
    if isinstance(weights, dict):
        unknown = sorted(set(weights) - set(class_names))
        if unknown:
            raise ValueError(f"weights names {unknown}, but the classes are {list(class_names)}.")
        weights = [weights.get(name, 1.0) for name in class_names]
    if len(weights) != len(class_names):
        raise ValueError(
            f"weights holds {len(weights)} numbers, but there are {len(class_names)} classes: {list(class_names)}. "
            "Give one per class, or a mapping from class name to weight."
        )
    given = np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(given) & (given >= 0)).all():
        raise ValueError(f"weights={given.tolist()}, but weights are finite and not negative.")
    return given


def _present(counts: PixelCounts, class_names: Sequence[str]) -> NDArray[np.bool_]:
    _check(counts, class_names)
    present: NDArray[np.bool_] = np.asarray(counts.pixels) > 0
    absent = [name for name, found in zip(class_names, present, strict=True) if not found]
    if len(absent) == len(class_names):
        raise ValueError("No class has a labeled pixel in the training set; check its masks and ignore_class.")
    if absent:
        warnings.warn(
            f"No pixel of {', '.join(absent)} in the training set: the weight of an absent class is 0.", stacklevel=3
        )
    return present


def _check(counts: PixelCounts, class_names: Sequence[str]) -> None:
    if len(counts.pixels) != len(class_names):
        raise ValueError(f"There are counts of {len(counts.pixels)} classes, but {len(class_names)} class names.")
