"""Metric names, and the readings of one matrix or of a matrix against its control.

A key is `metric[/class]`; the caller puts the split before it: `val/iou/road`. Classes are written as slugs.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics import confusion
from fnmask.metrics.confusion import IntArray
from fnmask.shapes import check_class_indices

POINTS = 100.0


def slug(name: str) -> str:
    """A class name as part of a metric key: lower case, anything but letters and digits becomes one underscore.

    Raises:
        ValueError: nothing is left.

    Example:
        >>> slug("Car / Truck")
        'car_truck'
    """
    short = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not short:
        raise ValueError(f"The class name {name!r} holds no letter a-z or digit, so no metric can be named after it.")
    return short


def distinct_slugs(class_names: Sequence[str]) -> list[str]:
    """The slug of every class.

    Raises:
        ValueError: two classes have the same one.
    """
    slugs = [slug(name) for name in class_names]
    if len(set(slugs)) != len(slugs):
        raise ValueError(f"The class names {list(class_names)} give the slugs {slugs}; rename one of the equal ones.")
    return slugs


def per_class(matrix: IntArray) -> dict[str, NDArray[Any]]:
    """The readings of every class, `(C,)` each: `iou`, `precision`, `recall`, `f1` in [0, 1], `support` in pixels."""
    return {
        "iou": confusion.iou(matrix),
        "precision": confusion.precision(matrix),
        "recall": confusion.recall(matrix),
        "f1": confusion.f1(matrix),
        "support": confusion.support(matrix),
    }


def summarize(matrix: IntArray, class_names: Sequence[str], targets: Sequence[int]) -> dict[str, float]:
    """Every reading of one matrix by its metric key.

    Args:
        matrix: int64 `(C, K)`.
        class_names: C names with distinct slugs.
        targets: the classes let off; may be empty.

    Returns:
        `iou/<class>`, `precision/<class>`, `recall/<class>`, `f1/<class>` in [0, 1] and `support/<class>` in pixels;
        `miou`, `pixel_accuracy` in [0, 1], `classes_present`; with targets also `miou_without_target`. NaN as in
        `fnmask.metrics.confusion`.

    Raises:
        ValueError: not one matrix, a wrong number of names, names with one slug, or a target that is no class.
    """
    if matrix.shape != (len(class_names), len(class_names)):
        raise ValueError(f"A matrix of shape {matrix.shape} does not go with {len(class_names)} class names.")
    slugs = distinct_slugs(class_names)
    readings = {
        f"{metric}/{name}": float(value)
        for metric, values in per_class(matrix).items()
        for name, value in zip(slugs, values, strict=True)
    }
    readings["miou"] = float(confusion.mean_iou(matrix))
    if targets:
        readings["miou_without_target"] = float(confusion.mean_iou_without(matrix, targets))
    readings["pixel_accuracy"] = float(confusion.pixel_accuracy(matrix))
    readings["classes_present"] = float(confusion.classes_present(matrix))
    return readings


def tradeoff(matrix: IntArray, control: IntArray, targets: Sequence[int]) -> dict[str, float]:
    """What letting the targets off cost them and won the others, against the plain control. In points (x 100).

    Args:
        matrix: int64 `(C, K)` of the variant.
        control: int64 `(C, K)` of the plain loss with the same seed, backbone and data.
        targets: the classes let off, at least one; the readings that are defined are averaged over them.

    Returns:
        `tradeoff/target_cost`: IoU that the target lost. `tradeoff/others_gain`: mean IoU that the other classes won.
        `tradeoff/target_precision_gain`, `tradeoff/target_recall_cost`. Positive costs are bad, positive gains good.
        NaN where no target's reading is defined, such as the precision of a class that is no longer predicted.

    Raises:
        ValueError: no target, a target that is no class, or matrices over different pixels.
    """
    if not targets:
        raise ValueError("A trade-off needs at least one target; the plain loss has none.")
    check_class_indices(targets, num_classes=matrix.shape[-1], name="targets")
    if not np.array_equal(confusion.support(matrix), confusion.support(control)):
        raise ValueError("The two matrices count different pixels; compare runs on the same split at the same size.")
    chosen = list(targets)
    before, after = per_class(control), per_class(matrix)
    others = confusion.mean_iou_without(matrix, chosen) - confusion.mean_iou_without(control, chosen)
    # Costs are written as before - after, since the negative of no change would be -0.0.
    return {
        "tradeoff/target_cost": _mean_points((before["iou"] - after["iou"])[chosen]),
        "tradeoff/others_gain": POINTS * float(others),
        "tradeoff/target_precision_gain": _mean_points((after["precision"] - before["precision"])[chosen]),
        "tradeoff/target_recall_cost": _mean_points((before["recall"] - after["recall"])[chosen]),
    }


def _mean_points(differences: NDArray[Any]) -> float:
    """The mean of those that are defined, in points; NaN when none is."""
    known = differences[~np.isnan(differences)]
    return POINTS * float(known.mean()) if known.size else float("nan")
