"""Where a trained variant stands to what the plain model reaches by moving a threshold, without being trained again.

Two planes, both up and to the right: (target recall, target precision) and (target IoU, mIoU without the target). The
frontier F is the plain control of the same seed with `target iff z_target - z_other > threshold`; between two
thresholds it is drawn straight. The distance of a variant v is

    min over f in F of max(v_x - f_x, v_y - f_y)

in points: positive where no threshold does as well in both, by what the nearest one lacks in its better coordinate;
negative where one does better in both, by at least that much. The larger of two coordinates leans to the positive
side: a network that is distributed as the plain one lies a point or so ahead on average, within its interval. Noise of
one seed on one image is counted twice here, which widens the interval.

Source: the additive epsilon indicator, E. Zitzler et al., Performance Assessment of Multiobjective Optimizers, IEEE
Transactions on Evolutionary Computation 7(2), 2003.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.differences import Difference
from fnmask.compare.resampling import image_counts, resample_weights, strata
from fnmask.compare.seed_noise import seed_noise
from fnmask.metrics.margins import Margins
from fnmask.tracking.artifacts import FrontierFile

FloatArray = NDArray[np.float64]

Plane = Literal["precision_recall", "iou"]
PLANES: tuple[Plane, ...] = ("precision_recall", "iou")

_RESAMPLES = 2000
_AT_ONCE = 250


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
        hits, predicted = own.hits[place].sum(axis=0), own.predicted[place].sum(axis=0)
        told.append(_points(Margins(hits, np.broadcast_to(of.sum(axis=0), hits.shape), predicted), target))
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
    controls = {block: own for block, own in kept.items() if any(block in blocks for blocks in paired.values())}
    counts = {name: {block: image_counts(variants[name][block]) for block in own} for name, own in paired.items()}
    matrices = next(iter(controls.values()))[1]
    whole = _distances(np.ones((1, len(matrices))), counts, controls, target)
    drawn: dict[str, list[FloatArray]] = {name: [] for name in paired}
    for weights in resample_weights(strata(matrices.sum(axis=2)), resamples=resamples):
        for first in range(0, len(weights), _AT_ONCE):
            found = _distances(weights[first : first + _AT_ONCE], counts, controls, target)
            for name, own in found.items():
                drawn[name].append(own)
    return _over_seeds(whole, {name: np.concatenate(own, axis=1) for name, own in drawn.items()}, paired, len(matrices))


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
            known = table[row][~np.isnan(table[row])]
            if not known.size:
                continue
            # Resamples without a pixel of the target say nothing; of a single image there are no others.
            samples = drawn[name][..., index].mean(axis=0)
            samples = samples[~np.isnan(samples)]
            of_images = float(samples.var()) if n_images > 1 and samples.size > 1 else np.nan
            of_seeds, df = (float(noise.variance[row]) / len(own), float(noise.df[row])) if len(own) > 1 else (0.0, 0.0)
            parts = ((of_images, float(max(1, n_images - 1))), (of_seeds, df))
            found[name][plane] = Difference(float(known.mean()), parts, len(known))
    return found


def _distances(
    weights: FloatArray,
    counts: Mapping[str, Mapping[str, FloatArray]],
    controls: Mapping[str, tuple[FrontierFile, NDArray[np.int64]]],
    target: int,
) -> dict[str, FloatArray]:
    """Distances under weights of the images `(R, N)`: by variant `(S, R, 2)`, for each seed and plane."""
    curves = {}
    for block, (own, matrices) in controls.items():
        place = own.targets.index(target)
        hits, predicted = (np.tensordot(weights, part[place], axes=1) for part in (own.hits, own.predicted))
        labels = (weights @ matrices.sum(axis=2))[:, None, :]
        curves[block] = _continued(_points(Margins(hits, np.broadcast_to(labels, hits.shape), predicted), target))
    return {
        name: np.stack([_distance(_read(weights @ part, target), curves[block]) for block, part in own.items()])
        for name, own in counts.items()
    }


def _read(counts: FloatArray, target: int) -> FloatArray:
    """Both planes of sums of `image_counts`."""
    return _points(Margins(*np.split(counts, 3, axis=-1)), target)


def _points(margins: Margins, target: int) -> FloatArray:
    """Both planes in percent, `(2, ..., 2)`, of counts `(..., C)`."""
    by_class = np.stack([margins.recall[..., target], margins.precision[..., target]], axis=-1)
    by_iou = np.stack([margins.iou[..., target], margins.mean_iou_without([target])], axis=-1)
    return np.asarray(100 * np.stack([by_class, by_iou]))


def _continued(points: FloatArray) -> FloatArray:
    """Curves `(2, R, T, 2)` without gaps.

    A target that is no longer predicted has no precision: there the curve goes on at the last one, down to recall 0.
    """
    points = points.copy()
    for index in range(1, points.shape[2]):
        points[:, :, index] = np.where(np.isnan(points[:, :, index]), points[:, :, index - 1], points[:, :, index])
    return points


def _distance(points: FloatArray, curves: FloatArray) -> FloatArray:
    """Of points `(2, R, 2)` to curves `(2, R, T, 2)`, straight between neighbors: `(R, 2)`.

    A precision that is not defined counts as 0. NaN where there is no pixel of the target, or of any other class: there
    the curve is not defined either.
    """
    own = np.nan_to_num(points)
    # Coordinate by coordinate: a maximum along an axis of two is four times as slow.
    first, second = own[..., 0, None] - curves[..., 0], own[..., 1, None] - curves[..., 1]
    nearest = np.maximum(first, second).min(axis=-1)
    # Between two thresholds the larger of two straight lines is least at an end, or where they cross.
    lead = first - second
    before, after = lead[..., :-1], lead[..., 1:]
    crossing = before * after < 0
    share = np.divide(before, before - after, out=np.zeros(before.shape), where=crossing)
    between = np.where(crossing, first[..., :-1] + share * (first[..., 1:] - first[..., :-1]), np.inf)
    # Where the curve is not defined nothing crosses, and the NaN of the ends stays.
    return np.asarray(np.minimum(nearest, between.min(axis=-1, initial=np.inf)).T)
