"""Where a trained variant stands to what the plain model reaches by moving a threshold, without being trained again.

Two planes, both up and to the right: (target recall, target precision) and (target IoU, mIoU without the target). The
frontier F is the plain control of the same seed with `target iff z_target - z_other > threshold`; between two
thresholds it is drawn straight. The distance of a variant v is

    min over f in F of max(v_x - f_x, v_y - f_y)

in points: positive where no threshold does as well in both, by what the nearest one lacks in its better coordinate;
negative where one does better in both, by at least that much.

Source: the additive epsilon indicator, E. Zitzler et al., Performance Assessment of Multiobjective Optimizers, IEEE
Transactions on Evolutionary Computation 7(2), 2003.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.differences import Difference
from fnmask.compare.resampling import resample_weights, strata
from fnmask.compare.seed_noise import seed_noise
from fnmask.metrics.margins import Margins, mean_of_present
from fnmask.tracking.artifacts import FrontierFile

FloatArray = NDArray[np.float64]

Plane = Literal["precision_recall", "iou"]
PLANES: tuple[Plane, ...] = ("precision_recall", "iou")

_RESAMPLES = 2000
_AT_ONCE = 250
# Points that are put between two thresholds.
_BETWEEN = 4


@dataclass(frozen=True)
class Curve:
    """A frontier, averaged over seeds, in percent; NaN where a reading is not defined.

    Attributes:
        log_odds: T thresholds; t = 1 / (1 + exp(-log_odds)).
        points: `(2, T, 2)`: by plane x and y.
    """

    log_odds: FloatArray
    points: FloatArray


def curve(frontiers: Sequence[FrontierFile], labels: Sequence[NDArray[np.int64]], target: int) -> Curve | None:
    """The mean frontier of one target over the controls.

    Args:
        frontiers: of each control.
        labels: of each control, pixels of each class in each image, `(N, C)`.
        target: the class whose threshold moves.

    Returns:
        None when the controls did not keep that target's.
    """
    known = [(own, of) for own, of in zip(frontiers, labels, strict=True) if target in own.targets]
    if not known:
        return None
    told = []
    for own, of in known:
        place = own.targets.index(target)
        told.append(_points(own.hits[place].sum(axis=0), of.sum(axis=0), own.predicted[place].sum(axis=0), target))
    return Curve(known[0][0].log_odds, np.mean(told, axis=0))


def standings(
    variants: Mapping[str, Mapping[str, NDArray[np.int64]]],
    controls: Mapping[str, tuple[FrontierFile, NDArray[np.int64]]],
    target: int,
    *,
    resamples: int = _RESAMPLES,
) -> dict[str, dict[Plane, Difference]]:
    """The distance of each variant to the frontier, over seeds.

    Args:
        variants: by name and block, matrices per image `(N, C, C)`.
        controls: by block, the plain control's frontiers and its matrices.
        target: class that all the variants let off.
        resamples: of the images.

    Returns:
        By name and plane; nothing for variants that share no block with a control that kept the target's frontier.
    """
    kept = {block: own for block, own in controls.items() if target in own[0].targets}
    paired = {name: [block for block in own if block in kept] for name, own in variants.items()}
    paired = {name: blocks for name, blocks in paired.items() if blocks}
    if not paired:
        return {}
    needed = {block for blocks in paired.values() for block in blocks}
    n_images = len(next(iter(kept.values()))[1])
    whole = _distances(np.ones((1, n_images)), variants, {block: kept[block] for block in needed}, paired, target)
    stratum = strata(next(iter(kept.values()))[1].sum(axis=2))
    drawn: dict[str, list[FloatArray]] = {name: [] for name in paired}
    for weights in resample_weights(stratum, resamples=resamples):
        for first in range(0, len(weights), _AT_ONCE):
            part = weights[first : first + _AT_ONCE]
            found = _distances(part, variants, {block: kept[block] for block in needed}, paired, target)
            for name, own in found.items():
                drawn[name].append(own)
    return _over_seeds(whole, {name: np.concatenate(own, axis=1) for name, own in drawn.items()}, paired, n_images)


def _over_seeds(
    whole: Mapping[str, FloatArray],
    drawn: Mapping[str, FloatArray],
    paired: Mapping[str, Sequence[str]],
    n_images: int,
) -> dict[str, dict[Plane, Difference]]:
    """Means over seeds with their variances; `whole` holds `(S, 1, 2)`, `drawn` `(S, R, 2)` by variant."""
    blocks = sorted({block for own in paired.values() for block in own})
    found: dict[str, dict[Plane, Difference]] = {name: {} for name in paired}
    for index, plane in enumerate(PLANES):
        table = np.full((len(paired), len(blocks)), np.nan)
        for row, (name, own) in enumerate(paired.items()):
            for seed, block in enumerate(own):
                table[row, blocks.index(block)] = whole[name][seed, 0, index]
        # What a seed does to all variants is the noise of its frontier, and stays in.
        noise = seed_noise(table, paired=False)
        for row, (name, own) in enumerate(paired.items()):
            n_seeds = len(own)
            of_images = float(np.nanvar(drawn[name][..., index].mean(axis=0)))
            of_seeds, df = (float(noise.variance[row]) / n_seeds, float(noise.df[row])) if n_seeds > 1 else (0.0, 0.0)
            parts = ((of_images, float(max(1, n_images - 1))), (of_seeds, df))
            found[name][plane] = Difference(float(np.mean(table[row][~np.isnan(table[row])])), parts, n_seeds)
    return found


def _distances(
    weights: FloatArray,
    variants: Mapping[str, Mapping[str, NDArray[np.int64]]],
    controls: Mapping[str, tuple[FrontierFile, NDArray[np.int64]]],
    paired: Mapping[str, Sequence[str]],
    target: int,
) -> dict[str, FloatArray]:
    """Distances under weights of the images `(R, N)`: by variant `(S, R, 2)`, for each seed and plane."""
    curves = {}
    for block, (own, matrices) in controls.items():
        place = own.targets.index(target)
        hits, predicted = (np.tensordot(weights, counts[place], axes=1) for counts in (own.hits, own.predicted))
        labels = (weights @ matrices.sum(axis=2))[:, None, :]
        curves[block] = _filled(_points(hits, np.broadcast_to(labels, hits.shape), predicted, target))
    found = {}
    for name, blocks in paired.items():
        told = []
        for block in blocks:
            margins = Margins.of(variants[name][block])
            hits, labels, predicted = (weights @ part for part in (margins.hits, margins.labels, margins.predicted))
            told.append(_distance(_points(hits, labels, predicted, target), curves[block]))
        found[name] = np.stack(told)
    return found


def _points(hits: NDArray, labels: NDArray, predicted: NDArray, target: int) -> FloatArray:  # type: ignore[type-arg]
    """Both planes in percent, `(2, ..., 2)`, of counts `(..., C)`."""
    margins = Margins(hits, np.broadcast_to(labels, hits.shape), predicted)
    iou = margins.iou
    without = mean_of_present(np.delete(iou, target, axis=-1))
    by_class = np.stack([margins.recall[..., target], margins.precision[..., target]], axis=-1)
    return np.asarray(100 * np.stack([by_class, np.stack([iou[..., target], without], axis=-1)]))


def _filled(points: FloatArray) -> FloatArray:
    """Curves `(2, R, T, 2)` with more points between neighbors; what is not defined is where nothing is reached."""
    steps = np.arange(_BETWEEN + 1) / (_BETWEEN + 1)
    before, after = points[:, :, :-1, None], points[:, :, 1:, None]
    between = np.where(np.isnan(after), before, before + (after - before) * steps[:, None])
    whole = np.concatenate([between.reshape(*points.shape[:2], -1, 2), points[:, :, -1:]], axis=2)
    return np.where(np.isnan(whole).any(axis=-1, keepdims=True), -np.inf, whole)


def _distance(points: FloatArray, curves: FloatArray) -> FloatArray:
    """Of points `(2, R, 2)` to curves `(2, R, T, 2)`: `(R, 2)`. A precision that is not defined counts as 0."""
    own = np.nan_to_num(points)
    # Coordinate by coordinate: a maximum along an axis of two is four times as slow.
    ahead = np.maximum(own[..., 0, None] - curves[..., 0], own[..., 1, None] - curves[..., 1])
    return np.asarray(ahead.min(axis=-1).T)
