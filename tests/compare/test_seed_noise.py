"""The noise over seeds against tests that SciPy has, and against the prior it was drawn from."""

import numpy as np
import pytest
from scipy.special import polygamma
from scipy.stats import ttest_rel

from fnmask.compare.seed_noise import _inverse_trigamma, _moderated, seed_noise


@pytest.mark.parametrize("n_seeds", [2, 3, 7])
def test_one_variant_is_the_paired_t_test(n_seeds):
    readings = np.random.default_rng(n_seeds).normal(50, 3, (2, n_seeds))
    variance, df = seed_noise(readings).of_difference(1, 0, n_seeds)
    theirs = ttest_rel(readings[1], readings[0])
    difference = readings[1].mean() - readings[0].mean()
    assert difference / np.sqrt(variance) == pytest.approx(theirs.statistic)
    assert df == pytest.approx(n_seeds - 1)


def test_equally_noisy_variants_share_their_variance():
    """The mean square of the rest in a randomized complete block design."""
    readings = np.array([[1.0, 2.0, 3.0], [2.0, 3.2, 3.8], [0.5, 1.4, 2.6], [4.0, 5.2, 5.9]])
    rest = readings - readings.mean(axis=1, keepdims=True) - readings.mean(axis=0) + readings.mean()
    expected = (rest**2).sum() / (3 * 2)
    noise = seed_noise(readings)
    assert noise.df_pooled == pytest.approx(6)
    own = (rest**2).sum(axis=1) / (2 * 3 / 4)
    assert noise.variance == pytest.approx(np.maximum(expected, own))
    assert own.max() < 6 * np.median(own), "no variant is cut off"
    assert noise.df == pytest.approx(6)


def test_what_all_variants_of_a_seed_share_is_no_noise():
    readings = np.random.default_rng(0).normal(0, 1, (5, 4))
    shifted = readings + np.array([0, 30, -10, 7]) + np.array([[0], [5], [9], [-3], [1]])
    assert seed_noise(shifted).variance == pytest.approx(seed_noise(readings).variance)


def test_one_seed_says_nothing():
    noise = seed_noise(np.array([[1.0], [2.0], [3.0]]))
    assert noise.df_pooled == 0
    assert np.isnan(noise.of_difference(1, 0, 1)[0])


def test_a_variant_with_one_seed_borrows_from_the_others():
    readings = np.random.default_rng(1).normal(0, 1, (6, 4))
    readings[5, 1:] = np.nan
    noise = seed_noise(readings)
    assert noise.variance[:5].min() <= noise.variance[5] < noise.variance[:5].max()
    assert noise.df_pooled == pytest.approx(4 * 3)


def test_a_noisy_variant_is_moderated_but_stays_noisy():
    rng = np.random.default_rng(2)
    readings = rng.normal(0, 1, (9, 4))
    readings[4] *= 30
    noise = seed_noise(readings)
    quiet = np.delete(noise.variance, 4)
    assert noise.variance[4] > 50 * quiet.max()
    assert quiet.max() < 4, "what is noisy is left to itself"
    assert (noise.df < noise.df_pooled).all()


def test_a_prior_is_found_again():
    """Variances drawn from 2 * 8 / chi2(8), each measured with 3 degrees of freedom."""
    rng = np.random.default_rng(4)
    true = 2.0 * 8 / rng.chisquare(8, 4000)
    noise = _moderated(true * rng.chisquare(3, 4000), np.full(4000, 3.0))
    assert noise.df[0] == pytest.approx(3 + 8, rel=0.15)
    # Moderated ones are nearer to the truth than their own (which err by a factor of 2) or one for all.
    error = np.abs(np.log(noise.variance / true)).mean()
    assert error < 0.9 * np.abs(np.log(true.mean() / true)).mean()


def test_a_reading_that_never_moves_has_some_noise_all_the_same():
    readings = np.random.default_rng(3).normal(0, 1, (4, 3))
    readings[3] = 0.0
    assert (seed_noise(readings).variance > 0).all()


def test_nothing_moves_at_all():
    variance, _ = seed_noise(np.zeros((3, 3))).of_difference(1, 0, 3)
    assert variance == 0


@pytest.mark.parametrize("value", [1e-3, 0.1, 1.0, 30.0, 1e4])
def test_inverse_trigamma(value):
    assert float(polygamma(1, _inverse_trigamma(value))) == pytest.approx(value, rel=1e-6)


def test_a_variant_that_was_calm_by_chance_is_taken_for_an_average_one():
    rng = np.random.default_rng(6)
    readings = rng.normal(0, 1, (8, 4)) * np.array([0.001, 0.1, 0.4, 1, 1, 2, 3, 30])[:, None]
    own = readings.var(axis=1, ddof=1)
    average = np.minimum(own, 6 * np.median(own)).mean()
    noise = seed_noise(readings, paired=False)
    assert noise.variance.min() == pytest.approx(average)
    assert average < own.mean() / 10, "one very noisy variant does not raise all others"
