"""Resampled images against SciPy's bootstrap, and against sums written out."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from fnmask.compare.columns import measured_columns, reader
from fnmask.compare.resampling import image_counts, image_noise, read_counts, resample_weights, strata
from fnmask.metrics import confusion

NAMES = ("land", "road", "car")


@pytest.fixture(scope="module")
def matrices():
    """Two runs on 60 images: `(2, 60, 3, 3)`."""
    rng = np.random.default_rng(3)
    return rng.poisson([[90, 8, 3], [6, 40, 2], [4, 3, 12]], size=(2, 60, 3, 3)) * rng.integers(1, 6, (1, 60, 1, 1))


def test_readings_from_counts_are_those_of_the_matrix(matrices):
    read = reader((1,))
    own = dict(zip(measured_columns(NAMES), read_counts(image_counts(matrices[0]).sum(axis=0), read), strict=True))
    total = matrices[0].sum(axis=0)
    assert own["miou"] == pytest.approx(100 * confusion.mean_iou(total))
    assert own["miou_without_target"] == pytest.approx(100 * confusion.mean_iou_without(total, [1]))
    assert own["target_precision"] == pytest.approx(100 * confusion.precision(total)[1])
    assert own["target_recall"] == pytest.approx(100 * confusion.recall(total)[1])
    assert own["target_f1"] == pytest.approx(100 * confusion.f1(total)[1])
    assert own["pixel_accuracy"] == pytest.approx(100 * np.trace(total) / total.sum())
    assert own["iou/car"] == pytest.approx(100 * confusion.iou(total)[2])


@pytest.mark.parametrize("column", ["target_iou", "target_precision", "miou", "iou/car"])
def test_the_spread_is_that_of_scipys_bootstrap(matrices, column):
    index = list(measured_columns(NAMES)).index(column)
    run, base = image_counts(matrices[0]), image_counts(matrices[1])
    read = reader((1,))

    def difference(images, axis):
        return (read_counts(run[images].sum(axis=axis - 1), read) - read_counts(base[images].sum(axis=axis - 1), read))[
            ..., index
        ]

    theirs = bootstrap((np.arange(60),), difference, n_resamples=4000, method="percentile", rng=1, vectorized=True)
    (ours,) = image_noise([[("run", "base")]], [read], {"run": run, "base": base}, resamples=4000)
    # 4,000 resamples know a standard error to 1.1 %; ours is corrected for 60 images in one stratum, by 60/59.
    assert np.sqrt(ours.of_mean[index]) == pytest.approx(theirs.standard_error, rel=0.06)
    assert ours.of_each[index] == pytest.approx(ours.of_mean[index])


def test_every_resample_has_as_many_images_of_each_stratum():
    stratum = np.array([0] * 10 + [2] * 15)
    weights = np.concatenate(list(resample_weights(stratum, resamples=500)))
    assert weights.shape == (500, 25)
    assert (weights[:, :10].sum(axis=1) == 10).all()
    assert (weights[:, 10:].sum(axis=1) == 15).all()
    # Drawn, not kept; and the same again from the same seed.
    assert len({tuple(row) for row in weights.tolist()}) == 500
    assert np.array_equal(weights, np.concatenate(list(resample_weights(stratum, resamples=500))))


def test_resamples_do_not_depend_on_how_many_are_held_at_once(monkeypatch):
    stratum = np.zeros(7, np.int64)
    whole = np.concatenate(list(resample_weights(stratum, resamples=20)))
    monkeypatch.setattr("fnmask.compare.resampling._WEIGHTS_AT_ONCE", 21)
    parts = list(resample_weights(stratum, resamples=20))
    assert [len(part) for part in parts] == [3] * 6 + [2]
    assert np.array_equal(np.concatenate(parts), whole)


def test_strata_are_the_rarest_class_with_enough_images():
    labels = np.zeros((40, 3), np.int64)
    labels[:, 0] = 50
    labels[:12, 1] = 5  # 12 images show class 1, and 4 class 2: too few to be a stratum
    labels[10:14, 2] = 5
    found = strata(labels)
    assert found[:12].tolist() == [1] * 12
    assert found[12:].tolist() == [0] * 28


def test_images_of_no_class_join_the_largest_stratum():
    labels = np.array([[5, 0]] * 20 + [[0, 0]] * 3)
    assert strata(labels).tolist() == [0] * 23
    assert set(strata(np.zeros((5, 2), np.int64))) == {-1}


def test_a_pair_that_is_equal_has_no_noise(matrices):
    counts = {"run": image_counts(matrices[0]), "base": image_counts(matrices[0])}
    (noise,) = image_noise([[("run", "base")]], [reader((1,))], counts, resamples=50)
    assert (noise.of_mean == 0).all()


def test_a_class_that_a_resample_lacks_is_left_out_of_its_noise():
    rng = np.random.default_rng(0)
    matrices = rng.poisson(20, (2, 12, 2, 2))
    matrices[:, 3:, 1] = 0  # class 1 is in 3 of 12 images: 3 % of the resamples do not have it
    counts = {"run": image_counts(matrices[0]), "base": image_counts(matrices[1])}
    (noise,) = image_noise([[("run", "base")]], [reader(())], counts, resamples=2000)
    told = dict(zip(measured_columns(("a", "b")), noise.of_mean, strict=True))
    assert told["iou/b"] > 0
    assert np.isnan(told["target_iou"]), "there is no target"


def test_the_variance_is_that_of_a_mean_of_few_images():
    """Accuracies of four images of equal size: s^2 / n with n - 1 in s^2, where a bootstrap by itself has n."""
    right = np.array([50, 60, 80, 90])
    run = np.stack([np.array([[hits, 100 - hits], [0, 0]]) for hits in right])
    base = np.tile(np.array([[50, 50], [0, 0]]), (4, 1, 1))
    counts = {"run": image_counts(run), "base": image_counts(base)}
    (noise,) = image_noise([[("run", "base")]], [reader(())], counts, resamples=20_000)
    told = dict(zip(measured_columns(("a", "b")), noise.of_mean, strict=True))
    assert told["pixel_accuracy"] == pytest.approx(right.var(ddof=1) / 4, rel=0.05)
