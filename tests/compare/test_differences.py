"""Intervals of differences: what they reduce to, and whether they hold what they promise."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student_t
from scipy.stats import ttest_rel

from benchmarks.comparison import false_alarms
from benchmarks.simulated_pages import CLASS_NAMES, Noise, simulate_page
from fnmask.compare.columns import measured_columns
from fnmask.compare.differences import Difference, Group, differences
from fnmask.metrics import confusion


def page(seed, **settings):
    return simulate_page(np.random.default_rng(seed), **{"n_images": 40, "n_seeds": 3, "n_variants": 3, **settings})


def test_means_are_paired_by_block():
    groups, control = page(0)
    told = differences(groups, control, CLASS_NAMES, resamples=20)
    pairs = [
        100 * (confusion.mean_iou(own.sum(axis=0)) - confusion.mean_iou(control[block].sum(axis=0)))
        for block, own in groups[1].matrices.items()
    ]
    assert told[1]["miou"].mean == pytest.approx(np.mean(pairs))
    assert told[1]["miou"].n_seeds == 3
    assert list(told[1]) == list(measured_columns(CLASS_NAMES))


def test_on_equal_images_it_is_the_paired_t_test():
    """Copies of one image: no resample differs, and one variant has nobody to lend it noise."""
    rng = np.random.default_rng(5)

    def runs():
        return {f"s{n}": np.repeat(rng.integers(50, 99, (1, 3, 3)), 30, axis=0) for n in range(4)}

    control, variant = runs(), runs()
    # Labels of an image are what they are, whoever predicts.
    told = differences([Group((1,), variant)], control, CLASS_NAMES, resamples=20)[0]["miou"]
    values = [[float(confusion.mean_iou(own.sum(axis=0))) for own in one.values()] for one in (variant, control)]
    theirs = ttest_rel(*values)
    low, high = theirs.confidence_interval(0.95)
    assert told.interval() == pytest.approx((100 * low, 100 * high))


def test_one_seed_is_the_noise_of_the_images_and_marks_nothing():
    groups, control = page(1, n_seeds=1, effect=3.0)
    told = differences(groups, control, CLASS_NAMES, resamples=500)[0]["miou"]
    assert told.is_measured
    (of_images, df), (of_seeds, _) = told.parts
    assert (of_images > 0, df, of_seeds) == (True, 39, 0)
    assert told.mean > 5 * told.standard_error
    assert not told.stands_out(1), "another seed may differ by more"


def test_noise_of_seed_and_image_together_counts_once():
    """Every run has noise of its own on every image: the mean over S seeds has 1/S of it, by seeds and by images."""
    groups, control = page(2, n_images=400, noise=Noise(variant_image=0.0, variant_seed=0.0, all_three=0.5), n_seeds=8)
    told = differences(groups, control, CLASS_NAMES, resamples=400)
    pairs = np.array([
        [100 * float(confusion.mean_iou(own.sum(axis=0)) - confusion.mean_iou(control[block].sum(axis=0)))
         for block, own in group.matrices.items()] for group in groups
    ])  # fmt: skip
    by_seeds = np.sqrt(pairs.var(axis=1, ddof=1).mean() / 8)
    assert told[0]["miou"].standard_error == pytest.approx(by_seeds, rel=0.35)
    twice = math.sqrt(2) * by_seeds
    assert told[0]["miou"].standard_error < 0.95 * twice


def test_what_is_corrected_for_widens_the_interval():
    one = Difference(mean=2.0, parts=((0.0, 50.0), (1.0, 10.0)), n_seeds=3)
    assert one.half_width() == pytest.approx(student_t.ppf(0.975, 10))
    assert one.half_width(40) == pytest.approx(student_t.ppf(1 - 0.025 / 40, 10))
    assert one.interval(40) == pytest.approx((2 - one.half_width(40), 2 + one.half_width(40)))
    for mean, n_seeds, comparisons, stands_out in [(2.3, 3, 1, True), (2.3, 3, 40, False), (-2.3, 3, 1, True),
                                                   (2.3, 1, 1, False)]:  # fmt: skip
        assert replace(one, mean=mean, n_seeds=n_seeds).stands_out(comparisons) == stands_out
    # Of both parts alike: half of each quantile.
    both = Difference(mean=2.0, parts=((0.5, 50.0), (0.5, 10.0)), n_seeds=3)
    assert both.half_width() == pytest.approx((student_t.ppf(0.975, 10) + student_t.ppf(0.975, 50)) / 2)


def test_nothing_known_is_no_interval():
    assert not Difference().is_measured
    assert not Difference().stands_out(1)
    assert math.isnan(Difference().half_width())


def test_a_variant_without_its_control_has_no_difference():
    groups, control = page(3)
    alone = Group((1,), {"another": next(iter(groups[0].matrices.values()))})
    told = differences([alone, *groups], control, CLASS_NAMES, resamples=20)
    assert told[0] == {}
    assert told[1] == differences(groups, control, CLASS_NAMES, resamples=20)[0]
    assert differences([alone], {}, CLASS_NAMES) == [{}]


def test_readings_of_other_targets_lend_no_noise():
    """The target columns of road and car are different readings, though they stand in one column."""
    groups, control = page(4, n_variants=4)
    mixed = [Group((2,) if index % 2 else (1,), own.matrices) for index, own in enumerate(groups)]
    told = differences(mixed, control, CLASS_NAMES, resamples=50)
    same = differences(mixed[::2], control, CLASS_NAMES, resamples=50)
    assert told[0]["target_recall"] == same[0]["target_recall"]
    assert told[0]["miou"].mean == same[0]["miou"].mean
    assert told[1]["target_iou"].mean == pytest.approx(told[1]["iou/car"].mean)


def test_a_class_that_is_never_predicted_has_no_precision_to_compare():
    groups, control = page(6, n_variants=1)
    lost = {block: own.copy() for block, own in groups[0].matrices.items()}
    for own in lost.values():
        own[:, 1, 0] += own[:, 1, 1]
        own[:, :, 1] = 0
    told = differences([Group((1,), lost)], control, CLASS_NAMES, resamples=20)[0]
    assert math.isnan(told["target_precision"].mean)
    assert not told["target_precision"].is_measured
    assert told["target_recall"].mean < -10


@pytest.mark.slow
def test_intervals_hold_and_pages_of_nothing_mark_nothing():
    """The promise itself: 95 % alone, at most 5 % of pages together. The draws are the same every time."""
    alone, together = false_alarms(0, 200, 60, 3, 5, Noise())
    assert 0.93 <= alone <= 0.97
    assert together <= 0.05


def test_a_better_variant_is_found():
    groups, control = page(7, n_images=100, n_seeds=5, n_variants=4, effect=0.6)
    told = differences(groups, control, CLASS_NAMES, resamples=300)
    family = sum(one.is_measured for row in told for one in row.values())
    assert told[0]["miou"].stands_out(family)
    assert not any(row["miou"].stands_out(family) for row in told[1:])
