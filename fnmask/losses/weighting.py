"""Class weights omega from the counts of a training set, or as given.

These are what `conf/weighting/*.yaml` names as `_target_`; they need no backend. Each takes the counts of a training
set and the names of the C classes, and returns float64 `(C,)` >= 0. With n_c the labeled pixels of class c:

    f_c = n_c / sum(n)                                    share of the labeled pixels
    u_c = n_c / all pixels of the images that contain c   share where it occurs; the divisor includes void
    m_c = number of images that contain c

Count once per data set (`fnmask.data.arrays.count_classes`) and weigh as often as you like: these read no pixel.

A class without a training pixel (n_c = 0) has no such weight: with `absent="error"` a ValueError names it; with "zero"
it gets weight 0 and a warning, and medians and rescalings leave it out. Counts that do not fit the names, or hold no
pixel at all, are a ValueError. Weights that come out alike (max / min of the present classes below 1.01)
are a warning. `none`, `segnet` and `manual` look at names alone: counts may be None, and absent classes do not matter.

Weights are not free: they can cost mean IoU. Always compare with `none`.
"""

import warnings
from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, get_args

import numpy as np
from annotated_types import Ge, Gt, Lt
from numpy.typing import NDArray

from fnmask.losses.spec import Weight
from fnmask.shapes import check_option

FloatArray = NDArray[np.float64]
Absent = Literal["error", "zero"]
Beta = Annotated[float, Ge(0), Lt(1)]
Offset = Annotated[float, Gt(1)]

# Of the largest weight to the smallest; below it a run is one without weights, under another name.
LEAST_RATIO = 1.01
_EVEN = "If the classes are about equally frequent, choose none, which says so."

# SegNet's weights of CamVid, from the training file its authors published. They do not follow from the labels that
# were published with it (signsymbol is 2.5 times too large), so no formula here gives them.
SEGNET = {
    "sky": 0.2595,
    "building": 0.1826,
    "pole": 4.5640,
    "road": 0.1417,
    "pavement": 0.9051,
    "tree": 0.3826,
    "signsymbol": 9.6446,
    "fence": 1.8418,
    "car": 0.6823,
    "pedestrian": 6.2478,
    "bicyclist": 7.3614,
}


class TrainingCounts(Protocol):
    """Statistics of a training set, each int64 `(C,)`."""

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels labeled c."""

    @property
    def pixels_in_images_with(self) -> NDArray[np.int64]:
        """All pixels, void included, of the images that contain c."""

    @property
    def images(self) -> NDArray[np.int64]:
        """Images that contain c."""


def none(counts: TrainingCounts | None, class_names: Sequence[str]) -> FloatArray:
    """omega_c = 1."""
    return np.ones(len(class_names))


def inverse(counts: TrainingCounts, class_names: Sequence[str], *, absent: Absent) -> FloatArray:
    """omega_c = 1 / f_c, rescaled to the mean 1 over the present classes.

    Strong: in [0, C], and a class of few pixels may have nearly all of it.
    """
    present = _present(counts, class_names, absent)
    return _weights(_rescaled(1 / _shares(counts, present)), present, "inverse", _EVEN)


def sqrt_inverse(counts: TrainingCounts, class_names: Sequence[str], *, absent: Absent) -> FloatArray:
    """omega_c = f_c ** -0.5, rescaled to the mean 1 over the present classes. `inverse`, softened; in [0, C]."""
    present = _present(counts, class_names, absent)
    return _weights(_rescaled(_shares(counts, present) ** -0.5), present, "sqrt_inverse", _EVEN)


def median_frequency(counts: TrainingCounts, class_names: Sequence[str], *, absent: Absent) -> FloatArray:
    """omega_c = median(u) / u_c over the present classes: >= 0, 1 for the class of median frequency; not rescaled.

    Source: Eigen & Fergus 2014, arXiv:1411.4734; SegNet, Badrinarayanan 2015, arXiv:1511.00561.
    """
    present = _present(counts, class_names, absent)
    frequency = counts.pixels[present] / counts.pixels_in_images_with[present]
    return _weights(np.median(frequency) / frequency, present, "median_frequency", _EVEN)


def effective_number(counts: TrainingCounts, class_names: Sequence[str], *, beta: Beta, absent: Absent) -> FloatArray:
    """omega_c = (1 - beta) / (1 - beta ** m_c), rescaled to the mean 1 over the present classes; in [0, C].

    Beta is in [0, 1): 0 gives ones, and towards 1 the weights approach 1 / m_c. m_c counts images: with pixels
    beta ** n_c is 0 for every class, and all weights are alike.

    Source: class-balanced loss, Cui 2019, arXiv:1901.05555, which counts samples.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta}, but it is in [0, 1): 0 gives ones, near 1 a class weighs 1 / its images.")
    present = _present(counts, class_names, absent)
    images = counts.images[present]
    weights = (1 - beta) / (1 - np.power(beta, images, dtype=np.float64))
    advice = (
        f"The classes lie in {images.min()} to {images.max()} images. Raise beta={beta:g} towards 1; or if these "
        "numbers are alike, choose a weighting by pixels, such as median_frequency."
    )
    return _weights(_rescaled(weights), present, "effective_number", advice)


def enet(counts: TrainingCounts, class_names: Sequence[str], *, offset: Offset, absent: Absent) -> FloatArray:
    """omega_c = 1 / ln(offset + f_c): bounded, however rare a class is; not rescaled.

    Offset is above 1; the weights are in [1 / ln(offset + 1), 1 / ln(offset)): at the paper's 1.02 from 1.42 to 50.5.

    Source: ENet, Paszke 2016, arXiv:1606.02147.
    """
    if not 1 < offset < np.inf:
        raise ValueError(f"offset={offset}, but it is a number above 1; the paper's is 1.02.")
    present = _present(counts, class_names, absent)
    weights = 1 / np.log(offset + _shares(counts, present))
    return _weights(weights, present, "enet", f"{_EVEN} Else lower offset={offset:g} towards 1.")


def segnet(counts: TrainingCounts | None, class_names: Sequence[str]) -> FloatArray:
    """The published weights of the 11 CamVid classes, found by name in any order; a capital makes no difference.

    Raises:
        ValueError: other classes than those of CamVid.

    Source: SegNet, Badrinarayanan 2015, arXiv:1511.00561; the numbers from its published training file.
    """
    names = [name.casefold() for name in class_names]
    if sorted(names) != sorted(SEGNET):
        raise ValueError(
            f"segnet holds weights for the classes {', '.join(SEGNET)}, but the classes are {', '.join(class_names)}. "
            "Choose median_frequency, the same formula on the counts of your own data, or give weights by manual."
        )
    return np.array([SEGNET[name] for name in names])


def manual(
    counts: TrainingCounts | None, class_names: Sequence[str], *, weights: list[Weight] | dict[str, Weight]
) -> FloatArray:
    """omega as given.

    Args:
        counts: not looked at.
        class_names: C names.
        weights: C numbers >= 0 in the order of the classes, or class name -> number with 1 for the rest.

    Raises:
        ValueError: a wrong number of weights, an unknown class name, or a weight that is negative or not finite.
    """
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
    if not given.any():
        raise ValueError("weights are all 0, so nothing would be learned; give a class more.")
    return given


def _present(counts: TrainingCounts, class_names: Sequence[str], absent: Absent) -> NDArray[np.bool_]:
    check_option(absent, allowed=get_args(Absent), name="absent")
    if len(counts.pixels) != len(class_names):
        raise ValueError(f"There are counts of {len(counts.pixels)} classes, but {len(class_names)} class names.")
    present: NDArray[np.bool_] = counts.pixels > 0
    missing = ", ".join(name for name, found in zip(class_names, present, strict=True) if not found)
    if not present.any():
        raise ValueError("No class has a labeled pixel in the training set; check its masks and ignore_class.")
    if missing and absent == "error":
        raise ValueError(
            f"No pixel of {missing} in the training set, so there is no weight for it. Check the split, the masks and "
            "their size after loading; or set absent=zero, which gives the weight 0."
        )
    if missing:
        warnings.warn(f"No pixel of {missing} in the training set: the weight is 0.", stacklevel=3)
    return present


def _shares(counts: TrainingCounts, present: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(counts.pixels[present] / counts.pixels.sum())


def _rescaled(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / weights.mean())


def _weights(weights: FloatArray, present: NDArray[np.bool_], name: str, advice: str) -> FloatArray:
    """The weights of the present classes among zeros, with a warning if they are all alike."""
    ratio = weights.max() / weights.min()
    if ratio < LEAST_RATIO:
        warnings.warn(
            f"{name} weighs all classes alike (largest / smallest = {ratio:.4f}), as without weights. {advice}",
            stacklevel=3,
        )
    spread = np.zeros(len(present))
    spread[present] = weights
    return spread
