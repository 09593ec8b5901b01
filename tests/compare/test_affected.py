"""Who gains and who loses by class, and where the pixels of a target went: by hand."""

import numpy as np
import pytest
from hand_worked import DOWN, PLAIN, SOFT, sweep_of, trial

from fnmask.compare.affected import affected_figure, misses_figure
from fnmask.compare.asked import compared_with
from fnmask.compare.report import build_report
from fnmask.compare.table import build_table


def two_targets():
    """Three masks of the road and one of the car, on two seeds; IoU of land, road, car by hand beside the matrices."""
    trials = []
    for seed in range(2):
        trials += [
            trial(seed, "plain", PLAIN, seed=seed, control="plain"),  # 80/110, 40/80, 40/50
            trial(10 + seed, "soft road", SOFT, seed=seed),  # 95/120, 30/55, 50/50
            trial(20 + seed, "hard road", DOWN, seed=seed),  # 90/130, 20/60, 50/50
            trial(30 + seed, "soft car", SOFT, seed=seed, targets=("car",)),
        ]
    return sweep_of(*trials)


ROAD = 100 * np.array([(95 / 120 + 90 / 130) / 2 - 80 / 110, (30 / 55 + 20 / 60) / 2 - 1 / 2, 1 - 40 / 50])
CAR = 100 * np.array([95 / 120 - 80 / 110, 30 / 55 - 1 / 2, 1 - 40 / 50])


@pytest.mark.parametrize("shown", [None, frozenset({"plain", "soft road", "soft car"})])
def test_a_masked_class_is_the_mean_of_all_its_masks_shown_or_not(shown):
    (drawn,) = affected_figure(build_table(two_targets(), "test", resamples=20, shown=shown)).data
    assert list(drawn.x) == ["land", "road", "car"]
    assert list(drawn.y) == ["road", "car"]
    assert np.array(drawn.z) == pytest.approx(np.array([ROAD, CAR]))


def test_the_variant_that_is_compared_with_is_no_effect_of_a_mask():
    """Its difference to itself, 0, would halve that of the other mask."""
    table = build_table(compared_with(two_targets(), "hard road"), "test", resamples=20)
    (drawn,) = affected_figure(table).data
    assert np.array(drawn.z)[0] == pytest.approx(100 * np.array([95 / 120 - 90 / 130, 30 / 55 - 20 / 60, 0]))


@pytest.mark.parametrize(
    ("baseline", "bars"), [("plain", ["plain", "down", "soft"]), ("down", ["down", "soft", "plain"])]
)
def test_the_pixels_of_the_target_in_one_bar_for_each(baseline, bars):
    """A second bar of the same name would lie on the first, and both would reach 200 %."""
    trials = [trial(1, "down", DOWN, control="class_downweight"), trial(2, "soft", SOFT)]
    sweep = compared_with(sweep_of(trial(0, "plain", PLAIN, control="plain"), *trials), baseline)
    table = build_table(sweep, "test", resamples=20)
    figure = misses_figure(sweep, table, "road")
    assert [list(trace.y) for trace in figure.data] == [bars] * 3
    # Of 50 pixels of the road: found, called land, called car.
    found = {"plain": (80, 20, 0), "down": (40, 60, 0), "soft": (60, 40, 0)}
    assert [trace.x for trace in figure.data] == [pytest.approx(own) for own in zip(*map(found.get, bars), strict=True)]
    of = "the plain control" if baseline == "plain" else "down"
    assert f"averaged over seeds: above {of}, below it" in build_report(sweep, {"test": table}).html
