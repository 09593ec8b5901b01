"""How far readings would move with other images: stratified bootstrap over the images of a split.

One resample draws as many images as there are, with replacement, within strata; every run reads the same resample, so
that differences of runs are paired by image. A resample is a row of weights `(N,)`, and what it holds is one matrix
product with the counts of the images.

Strata keep rare classes in every resample: an image belongs to the rarest class that it shows, by the number of images
that show it. Classes in fewer than `LEAST_IMAGES` images found no stratum of their own; resamples that lack one say
nothing of it, and are left out of its noise.

Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 8. Agarwal et al., Deep RL at
the Edge of the Statistical Precipice, NeurIPS 2021, stratify runs by task; here runs share their images, so images
are drawn once for all runs, and seeds are dealt with in `fnmask.compare.seed_noise`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.metrics.margins import Margins

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

N_RESAMPLES = 10_000
LEAST_IMAGES = 10

# Small enough for the caches, and for what hundreds of runs draw of it at once to fit into memory.
_WEIGHTS_AT_ONCE = 200_000

Read = Callable[[Margins], FloatArray]
"""Readings `(..., K)` of counts `(..., C)`."""


@dataclass(frozen=True)
class ImageNoise:
    """Variances over resamples, `(K,)` each; NaN where a reading is not defined in any resample.

    Attributes:
        of_mean: of the difference averaged over seeds.
        of_each: of the difference of one seed, averaged over seeds.
    """

    of_mean: FloatArray
    of_each: FloatArray


def image_counts(matrices: IntArray) -> FloatArray:
    """What resampling needs of confusion matrices `(N, C, C)`: hits, labels and predictions, float64 `(N, 3 C)`."""
    margins = Margins.of(matrices)
    return np.concatenate([margins.hits, margins.labels, margins.predicted], axis=-1).astype(np.float64)


def read_counts(counts: FloatArray, read: Read) -> FloatArray:
    """The readings `(..., K)` of sums of `image_counts`, `(..., 3 C)`."""
    return read(Margins(*np.split(counts, 3, axis=-1)))


def strata(labels: IntArray) -> IntArray:
    """The stratum of each image.

    Args:
        labels: pixels of each class in each image, `(N, C)`.

    Returns:
        int64 `(N,)`: the rarest class of the image, or -1 for images whose classes are all too rare or that show none.

    Example:
        >>> strata(np.array([[9, 0]] * 12 + [[9, 1]] * 10)).tolist() == [0] * 12 + [1] * 10
        True
    """
    shown = labels > 0
    found = np.full(len(labels), -1, np.int64)
    for index in np.argsort(shown.sum(axis=0), kind="stable"):
        chosen = shown[:, index] & (found == -1)
        if chosen.sum() >= LEAST_IMAGES:
            found[chosen] = index
    rest = found == -1
    # Too few to be drawn from by themselves: they go with the stratum that has the most images.
    if 0 < rest.sum() < LEAST_IMAGES and not rest.all():
        found[rest] = np.bincount(found[~rest]).argmax()
    return found


def resample_weights(stratum: IntArray, *, seed: int = 0, resamples: int = N_RESAMPLES) -> Iterator[FloatArray]:
    """How often each image is drawn.

    Args:
        stratum: of each image, `(N,)`.
        seed: of the draws.
        resamples: how many.

    Yields:
        Whole numbers as float64 `(R_i, N)`; all together there are `resamples` rows.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // len(stratum))
    places = [np.flatnonzero(stratum == value) for value in np.unique(stratum)]
    for first in range(0, resamples, at_once):
        weights = np.empty((min(at_once, resamples - first), len(stratum)))
        for place in places:
            weights[:, place] = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), len(weights))
        yield weights


def image_noise(
    variants: Sequence[Sequence[tuple[str, str]]],
    reads: Sequence[Read],
    counts: Mapping[str, FloatArray],
    *,
    seed: int = 0,
    resamples: int = N_RESAMPLES,
) -> list[ImageNoise]:
    """The variance over images of each variant's difference to its controls.

    Args:
        variants: of each variant the pairs of keys (run, control), one for each seed.
        reads: of each variant what is read; K may differ between variants.
        counts: by key the run's `image_counts` `(N, 3 C)`, of the same images in the same order.
        seed: of the draws.
        resamples: how many, 10,000 by default.

    Returns:
        One for each variant.
    """
    if not counts:
        return []
    first = next(iter(counts.values()))
    stratum = strata(first[:, first.shape[1] // 3 : 2 * first.shape[1] // 3].astype(np.int64))
    sums = [_Sums(len(pairs)) for pairs in variants]
    for weights in resample_weights(stratum, seed=seed, resamples=resamples):
        drawn = {key: weights @ own for key, own in counts.items()}
        # The same control stands beside many variants.
        of_controls: dict[tuple[str, Read], FloatArray] = {}
        for pairs, read, total in zip(variants, reads, sums, strict=True):
            for _, base in pairs:
                if (base, read) not in of_controls:
                    of_controls[base, read] = read_counts(drawn[base], read)
            total.add(np.stack([read_counts(drawn[run], read) - of_controls[base, read] for run, base in pairs]))
    # Within a stratum of n images the bootstrap's variance is too small by 1 - 1/n.
    n_images, n_strata = len(stratum), len(np.unique(stratum))
    inflation = n_images / (n_images - n_strata) if n_images > n_strata else np.nan
    return [ImageNoise(inflation * mean, inflation * each) for mean, each in (total.variances() for total in sums)]


class _Sums:
    """Running sums over resamples of a variant's differences and of their squares; what is not defined is left out."""

    def __init__(self, n_seeds: int) -> None:
        self._n_seeds = n_seeds
        self._moments: list[FloatArray] = []

    def add(self, differences: FloatArray) -> None:
        """Differences `(S, R, K)`."""
        samples = np.concatenate([differences, _mean_over_seeds(differences)[None]])
        known = ~np.isnan(samples)
        samples = np.where(known, samples, 0.0)
        moments = np.stack([known.sum(axis=1), samples.sum(axis=1), (samples**2).sum(axis=1)])
        self._moments.append(moments)

    def variances(self) -> tuple[FloatArray, FloatArray]:
        """Of the mean over seeds `(K,)`, and of a seed, averaged over seeds `(K,)`."""
        count, total, squares = sum(self._moments[1:], self._moments[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / count
            found = np.maximum(squares / count - mean**2, 0.0)
        return found[-1], _mean_over_seeds(found[:-1])


def _mean_over_seeds(values: FloatArray) -> FloatArray:
    """Mean over the first axis of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
