"""How far readings move with the seed: variances that the variants of a sweep lend to each other.

Three seeds say little about the noise of one variant, but all variants together say much. Readings are taken apart
into variant + seed + rest; the rest of a variant gives its own variance, and the variances of all variants an
inverse-gamma prior of d0 degrees of freedom, by which each is moderated:

    s~_v^2 = (d0 s0^2 + d_v s_v^2) / (d0 + d_v)        degrees of freedom d0 + d_v, at most those of all variants

Equally noisy variants make d0 large: then this is the pooled variance of Dunnett's comparison with a control. Very
different ones make it small: then each stands for itself. With a single variant it is the paired t-test.

A variant is never taken for less noisy than it was seen to be, nor than all are on average (where no one counts for
more than six times the median). Few variants cannot show that they differ; a class that comes and goes with the seed
would borrow the calm of the others; and one that was calm by chance would raise a false alarm.

Source: G. Smyth, Linear Models and Empirical Bayes Methods for Assessing Differential Expression in Microarray
Experiments, Statistical Applications in Genetics and Molecular Biology 3(1), 2004, section 6.2. Ours: the degrees of
freedom of a row of an unbalanced layout are the sum of 1 - h_ii over its readings, h the hat matrix; and the fit weighs
variants by the variances found, in three rounds (iterated generalized least squares).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDS = 3
_MOST_OF_MEDIAN = 6.0
# Of the median: a reading that is the same for all seeds, such as an IoU of 0, would else say that there is no noise.
_LEAST_VARIANCE = 1e-5


@dataclass(frozen=True)
class SeedNoise:
    """The noise of one reading from seed to seed.

    Attributes:
        variance: of each variant for one seed, `(V,)`; NaN where nothing is known.
        df: degrees of freedom of each, `(V,)`.
        df_pooled: those of all together; 0 when no variant has a second seed.
    """

    variance: FloatArray
    df: FloatArray
    df_pooled: float

    def of_difference(self, row: int, control: int, n_seeds: int) -> tuple[float, float]:
        """Variance of the mean difference of two variants over their common seeds, and its degrees of freedom."""
        parts = self.variance[[row, control]] / n_seeds
        variance = float(parts.sum())
        if not variance > 0:
            return variance, self.df_pooled
        df = variance**2 / float((parts**2 / self.df[[row, control]]).sum())
        return variance, min(df, self.df_pooled)


def seed_noise(readings: FloatArray, *, paired: bool = True) -> SeedNoise:
    """The noise of one reading.

    Args:
        readings: by variant and seed, `(V, S)`; NaN where a variant lacks the seed, or the reading is not defined.
        paired: what a seed does to all variants alike is no noise, since it is not in their differences.

    Example:
        >>> noise = seed_noise(np.array([[1.0, 2.0, 4.0], [3.0, 2.0, 7.0]]))
        >>> variance, df = noise.of_difference(1, 0, n_seeds=3)
        >>> round(variance, 6), round(df, 6)  # of 2, 0, 3: 7/3 over 3 seeds
        (0.777778, 2.0)
    """
    n_variants = len(readings)
    known = ~np.isnan(readings)
    rows, columns = np.nonzero(known)
    values = readings[known]
    design = np.zeros((len(values), n_variants + readings.shape[1]))
    design[np.arange(len(values)), rows] = 1
    if paired:
        design[np.arange(len(values)), n_variants + columns] = 1
    squares, df = _rest_by_row(values, design, rows, np.ones(len(values)), n_variants)
    found = _moderated(squares, df)
    # A noisy variant tells little of what a seed does to all; else its noise would be in the rest of every other one.
    for _ in range(_ROUNDS):
        if not (found.variance > 0).all():
            break
        weights = 1 / found.variance[rows]
        squares, df = _rest_by_row(values, design, rows, weights / weights.mean(), n_variants)
        found = _moderated(squares, df)
    told = df > 0
    if not told.any():
        return found
    own = np.divide(squares, df, out=np.zeros(df.shape), where=told)
    pooled = float(np.average(np.minimum(own, _MOST_OF_MEDIAN * np.median(own[told])), weights=df))
    return replace(found, variance=np.maximum(found.variance, np.maximum(own, pooled)))


def _rest_by_row(
    values: FloatArray, design: FloatArray, rows: IntArray, weights: FloatArray, n_variants: int
) -> tuple[FloatArray, FloatArray]:
    """What variant and seed leave unexplained: sum of squares and degrees of freedom of each variant, `(V,)`."""
    inverse = np.linalg.pinv((design.T * weights) @ design, rcond=1e-10, hermitian=True)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design, optimize=True) * weights
    rest = values - design @ (inverse @ (design.T @ (weights * values)))
    df: FloatArray = np.bincount(rows, weights=1 - leverage, minlength=n_variants).astype(np.float64)
    squares: FloatArray = np.bincount(rows, weights=rest**2, minlength=n_variants).astype(np.float64)
    return squares, np.where(df < 1e-9, 0.0, df)


def _moderated(squares: FloatArray, df: FloatArray) -> SeedNoise:
    """Variances moderated by those of all, from sums of squares and degrees of freedom `(V,)`."""
    pooled_df = float(df.sum())
    if pooled_df == 0:
        return SeedNoise(np.full(df.shape, np.nan), np.zeros(df.shape), 0.0)
    told = df > 0
    own = np.divide(squares, df, out=np.zeros(df.shape), where=told)
    own = np.maximum(own, _LEAST_VARIANCE * float(np.median(own[told])))
    prior, prior_df = _prior(own[told], df[told])
    if np.isinf(prior_df):
        return SeedNoise(np.full(df.shape, prior), np.full(df.shape, pooled_df), pooled_df)
    total = df + prior_df
    return SeedNoise((prior_df * prior + df * own) / total, np.minimum(total, pooled_df), pooled_df)


def _prior(own: FloatArray, df: FloatArray) -> tuple[float, float]:
    """The variance that the variants share, and how many degrees of freedom it is worth; inf: they do not differ."""
    pooled = float((own * df).sum() / df.sum())
    if len(own) < 3 or not (own > 0).all():
        return pooled, np.inf
    logs = np.log(own) - digamma(df / 2) + np.log(df / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, df / 2).mean())
    if excess <= 0:
        return pooled, np.inf
    prior_df = 2 * _inverse_trigamma(excess)
    return float(np.exp(logs.mean() + digamma(prior_df / 2) - np.log(prior_df / 2))), prior_df


def _inverse_trigamma(value: float) -> float:
    """x > 0 with trigamma(x) = value, by Newton's method on 1 / trigamma, which is nearly linear and convex."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
