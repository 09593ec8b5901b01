"""The post-hoc threshold frontier image by image, for whoever resamples images: see `fnmask.metrics.frontier`.

Score: contest. A few dozen thresholds, evenly spaced in log-odds where most of a curve lies and ever further apart
beyond, since trained networks may be sure of half of their pixels by log-odds of 12 and more; between two of them a
curve is nearly straight.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.shapes import check_class_indices

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# Predict the target where z_target - z_other is greater, so that -inf is everywhere and inf nowhere.
LOG_ODDS = np.array([-np.inf, *np.arange(-8, 12, 0.5), *np.geomspace(12, 192, 17), np.inf])


@dataclass(frozen=True)
class ImageFrontier:
    """What every threshold on one class gives in every image.

    Attributes:
        target: the class whose threshold moves.
        log_odds: T thresholds, growing; t = 1 / (1 + exp(-log_odds)).
        hits: pixels of each class that are found, int64 `(N, T, C)`.
        predicted: labeled pixels that are called each class, int64 `(N, T, C)`.
    """

    target: int
    log_odds: FloatArray
    hits: IntArray
    predicted: IntArray


def image_frontiers(
    batches: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    targets: Sequence[int],
    *,
    num_classes: int,
    ignore_class: int | None = None,
) -> list[ImageFrontier]:
    """The frontiers of several classes, each by itself.

    Args:
        batches: labels `(B, H, W)` and logits `(B, H, W, C)`.
        targets: classes whose threshold moves.
        num_classes: C, at least 2.
        ignore_class: the label that marks void, or None.

    Returns:
        One for each target.

    Raises:
        ValueError: a target that is no class.

    Example:
        >>> labels, logits = np.array([[[0, 1]]]), np.array([[[[3.0, 0.0], [0.0, 1.0]]]])
        >>> (frontier,) = image_frontiers([(labels, logits)], [1], num_classes=2)
        >>> at = frontier.log_odds.tolist().index(1.0)  # a pixel at just the threshold goes to the other class
        >>> frontier.predicted[0, [0, at - 1, at, -1], 1].tolist()
        [2, 1, 0, 0]
    """
    check_class_indices(targets, num_classes=num_classes, name="targets")
    told: list[list[tuple[IntArray, IntArray]]] = [[] for _ in targets]
    for labels, logits in batches:
        valid = np.ones(labels.shape, bool) if ignore_class is None else labels != ignore_class
        first = logits.argmax(axis=-1)
        # Of two equal ones the lower index wins, in the runner-up as in argmax.
        others = logits.copy()
        np.put_along_axis(others, first[..., None], -np.inf, axis=-1)
        second = others.argmax(axis=-1)
        for target, own in zip(targets, told, strict=True):
            rival = np.where(first == target, second, first)
            rival_logit = np.take_along_axis(logits, rival[..., None], axis=-1)[..., 0]
            own.append(_count(labels, valid, logits[..., target] - rival_logit, rival, target, num_classes))
    return [
        ImageFrontier(target, LOG_ODDS, *(np.concatenate(parts) for parts in zip(*own, strict=True)))
        for target, own in zip(targets, told, strict=True)
    ]


def _count(
    labels: NDArray[Any],
    valid: NDArray[np.bool_],
    log_odds: NDArray[Any],
    rival: IntArray,
    target: int,
    num_classes: int,
) -> tuple[IntArray, IntArray]:
    """Hits and predictions of a batch, `(B, T, C)` each."""
    n_images, n_cells = len(labels), len(LOG_ODDS)
    # Cell i holds what is called the target up to threshold i: log-odds above LOG_ODDS[i], not above the next one.
    cell = np.clip(np.searchsorted(LOG_ODDS, log_odds, side="left") - 1, 0, n_cells - 2)
    place = np.arange(n_images)[:, None, None] * n_cells + cell

    def counted(chosen: NDArray[np.bool_], classes: IntArray) -> IntArray:
        """By image, cell and class."""
        index = (place * num_classes + classes)[chosen]
        counts = np.bincount(index, minlength=n_images * n_cells * num_classes)
        return counts.reshape(n_images, n_cells, num_classes).astype(np.int64)

    of_rival, rival_hits = counted(valid, rival), counted(valid & (labels == rival), rival)
    is_target = valid & (labels == target)
    target_hits = counted(is_target, np.full_like(rival, target))[..., target]
    # Under a threshold the rival is predicted, at or over it the target.
    predicted, hits = _below(of_rival), _below(rival_hits)
    predicted[..., target] = _from(of_rival.sum(axis=-1))
    hits[..., target] = _from(target_hits)
    return hits, predicted


def _below(counts: IntArray) -> IntArray:
    """Sums of the cells before each one, along axis 1."""
    sums = np.zeros_like(counts)
    np.cumsum(counts[:, :-1], axis=1, out=sums[:, 1:])
    return sums


def _from(counts: IntArray) -> IntArray:
    """Sums of each cell and all after it, along axis 1."""
    return np.asarray(np.cumsum(counts[:, ::-1], axis=1)[:, ::-1])
