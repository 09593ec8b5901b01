"""The numbers of the comparison against values worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import CAR, DOWN, LAND, PLAIN, ROAD, SOFT, rows_by_name, sweep_of, table_of, trial
from scipy.stats import ttest_rel

from fnmask.compare.grounds import without_control
from fnmask.compare.plots import front_rows
from fnmask.compare.table import build_table
from fnmask.compare.table_csv import table_csv
from fnmask.compare.terminal import comparison_text
from fnmask.compare.verdict import verdict
from fnmask.metrics import mean_iou
from fnmask.tracking.artifacts import FrontierFile


def test_one_seed_by_hand() -> None:
    table = table_of(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
    soft, plain = rows_by_name(table)["soft"], rows_by_name(table)["plain"]
    values = {key: spread.mean for key, spread in soft.values.items()}
    land, road, car = 9500 / 120, 3000 / 55, 100.0
    assert values == pytest.approx(
        {
            "miou": (land + road + car) / 3,
            "miou_without_target": (land + car) / 2,
            "target_iou": road,
            "target_precision": 3000 / 35,
            "target_recall": 60.0,
            "target_f1": 6000 / 85,
            "pixel_accuracy": 87.5,
            "exchange_rate": 20 / ((land + car) / 2 - (LAND + CAR) / 2),
            "masked_fraction": 12.5,
            "duration_s": 90.0,
            "target_cost": ROAD - road,
            "others_gain": (land + car) / 2 - (LAND + CAR) / 2,
            "iou/land": land,
            "iou/road": road,
            "iou/car": car,
        }
    )
    assert soft.deltas["iou/land"].mean == pytest.approx(land - LAND)
    assert soft.deltas["target_precision"].mean == pytest.approx(3000 / 35 - 4000 / 70)
    assert soft.deltas["target_recall"].mean == pytest.approx(-20.0)
    assert plain.targets == ("road",), "with one target in the sweep, plain is read for it too"
    assert plain.values["target_iou"].mean == pytest.approx(ROAD)
    assert plain.deltas["miou"].mean == 0
    assert [key for key in table.columns if key.startswith("iou/")] == ["iou/land", "iou/road", "iou/car"]


def test_differences_are_paired_by_seed() -> None:
    """Seed 1 has another plain control; pairing by position or with the mean of all controls would show."""
    table = table_of(
        sweep_of(
            trial(0, "soft", SOFT, seed=1),
            trial(1, "plain", PLAIN, seed=0, control="plain"),
            trial(2, "plain", DOWN, seed=1, control="plain"),
            trial(3, "soft", SOFT, seed=0),
            trial(4, "once", SOFT, seed=1),
        ),
        "test",
    )
    soft, once = rows_by_name(table)["soft"], rows_by_name(table)["once"]
    first, second = 3000 / 55 - 50, 3000 / 55 - 2000 / 60
    assert soft.deltas["target_iou"].mean == pytest.approx((first + second) / 2)
    assert soft.deltas["target_iou"].n_seeds == 2
    assert soft.values["target_cost"].low == pytest.approx(-second)
    assert soft.values["target_cost"].high == pytest.approx(-first)
    assert once.deltas["target_iou"].mean == pytest.approx(second)
    assert once.values["target_cost"].mean == pytest.approx(-second)
    assert set(soft.seeds) == {"0", "1"}


def test_several_targets_are_each_measured_for_their_own() -> None:
    table = table_of(
        sweep_of(
            trial(0, "plain", PLAIN, control="plain"),
            trial(1, "soft road", SOFT),
            trial(2, "soft car", SOFT, targets=("car",)),
            trial(3, "soft both", SOFT, targets=("road", "car")),
        ),
        "test",
    )
    rows = rows_by_name(table)
    assert rows["plain"].targets == ()
    assert math.isnan(rows["plain"].values["target_iou"].mean)
    assert math.isnan(rows["plain"].values["miou_without_target"].mean)
    assert rows["soft car"].values["target_cost"].mean == pytest.approx(-20.0)
    assert rows["soft car"].deltas["miou_without_target"].mean == pytest.approx(
        (9500 / 120 + 3000 / 55) / 2 - (LAND + ROAD) / 2
    )
    assert rows["soft both"].values["target_iou"].mean == pytest.approx((3000 / 55 + 100) / 2)
    assert rows["soft both"].values["others_gain"].mean == pytest.approx(9500 / 120 - LAND)


def test_order_controls_first_then_gain() -> None:
    rows = table_of(
        sweep_of(
            trial(0, "worse", DOWN),
            trial(1, "better", SOFT),
            trial(2, "down", DOWN, control="class_downweight"),
            trial(3, "plain", PLAIN, control="plain"),
        ),
        "test",
    ).rows
    assert [row.variant for row in rows] == ["plain", "down", "better", "worse"]
    # "better" costs less than nothing and wins most, so it alone is on the front.
    assert [row.variant for row in rows if row.on_front] == ["better"]


def test_front_holds_plain_when_nothing_is_free() -> None:
    low = [[85, 15, 0], [15, 35, 0], [0, 5, 45]]  # IoU: land 85/115, road 35/70, car 45/50: free, small gain
    dear = DOWN  # road 20/60: cost 16.7; others gain
    table = table_of(
        sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "dear", dear), trial(2, "low", low)), "test"
    )
    # (cost, gain): plain (0, 0); low (0, 5.6); dear (16.7, 8.3). Low beats plain, dear wins more than low.
    assert [row.variant for row in front_rows(table)] == ["low", "dear"]
    assert not rows_by_name(table)["plain"].on_front


def test_without_a_control_there_are_values_but_no_differences() -> None:
    alone = trial(0, "soft", SOFT)
    sweep = replace(sweep_of(alone), notes=tuple(without_control([alone], {})))
    table = table_of(sweep, "test")
    row = table.rows[0]
    assert row.values["target_iou"].mean == pytest.approx(3000 / 55)
    assert math.isnan(row.deltas["target_iou"].mean)
    assert math.isnan(row.values["others_gain"].mean)
    text = comparison_text(sweep, table)
    assert "No plain control with seed 0" in text
    assert "IoU of every class" not in text, "it would be empty"
    assert "cannot be rated" in text


def test_absent_class_and_class_no_longer_predicted() -> None:
    plain, soft = [[90, 10, 0], [10, 40, 0], [0, 0, 0]], [[100, 0, 0], [50, 0, 0], [0, 0, 0]]
    sweep = sweep_of(trial(0, "plain", plain, control="plain"), trial(1, "soft", soft))
    table = table_of(sweep, "test")
    row = rows_by_name(table)["soft"]
    assert math.isnan(row.values["iou/car"].mean)
    assert row.values["miou"].mean == pytest.approx((10000 / 150 + 0) / 2)
    assert row.values["target_iou"].mean == 0
    assert math.isnan(row.values["target_precision"].mean)
    assert row.values["target_recall"].mean == 0
    assert "nan" not in comparison_text(sweep, table)
    assert "nan" not in table_csv(table)


def test_the_plain_control_costs_nothing_without_a_sign() -> None:
    table = table_of(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
    assert math.copysign(1, rows_by_name(table)["plain"].values["target_cost"].mean) == 1
    assert "-0.0000" not in table_csv(table)


@pytest.mark.parametrize("n_seeds", [3, 5])
@pytest.mark.parametrize("from_store", [False, True])
def test_the_interval_of_a_single_variant_is_that_of_the_paired_t_test(n_seeds: int, from_store: bool) -> None:
    """On images that are all alike; the control is not one of those that are compared with it."""
    rng = np.random.default_rng(n_seeds)
    trials = []
    for number, (variant, control) in enumerate((("plain", "plain"), ("soft", ""))):
        for seed in range(n_seeds):
            one = trial(10 * number + seed, variant, PLAIN, seed=seed, control=control)
            matrix = np.repeat(rng.integers(50, 99, (1, 3, 3)), 30, axis=0)
            trials.append(replace(one, matrices={"test": matrix}))
    sweep = sweep_of(*trials)
    if from_store:
        sweep = replace(sweep, trials=tuple(one for one in trials if not one.control))
    table = build_table(sweep, "test", resamples=20)
    values = [
        [100 * float(mean_iou(one.total("test"))) for one in trials if one.variant == name]
        for name in ("soft", "plain")
    ]
    theirs = ttest_rel(*values).confidence_interval(0.95)
    rows = rows_by_name(table)
    assert rows["soft"].deltas["miou"].interval() == pytest.approx((theirs.low, theirs.high))
    assert rows["plain"].deltas["miou"].mean == 0
    assert not rows["plain"].deltas["miou"].is_measured
    assert table.comparisons == len([key for key, own in rows["soft"].deltas.items() if own.is_measured]) - 2


def test_two_seeds_of_one_variant_are_too_few_to_mark_anything() -> None:
    trials = [trial(seed, "plain", PLAIN, seed=seed, control="plain") for seed in range(2)]
    trials += [trial(2 + seed, "soft", SOFT, seed=seed) for seed in range(2)]
    table = table_of(sweep_of(*trials))
    soft = rows_by_name(table)["soft"]
    assert not soft.deltas["miou"].knows_seeds
    assert not any(table.stands_out(soft, key) for key in soft.deltas)


def test_fronts_of_different_targets_are_apart() -> None:
    table = table_of(
        sweep_of(
            trial(0, "plain", PLAIN, control="plain"),
            trial(1, "soft road", [[82, 18, 0], [10, 40, 0], [0, 10, 40]]),
            trial(2, "soft car", SOFT, targets=("car",)),
        )
    )
    rows = rows_by_name(table)
    # The car's costs less and wins more; it wins it over other classes.
    road, car = (
        [rows[name].deltas[key].mean for key in ("target_cost", "others_gain")] for name in ("soft road", "soft car")
    )
    assert car[0] < road[0] < 0 < road[1] < car[1]
    assert rows["soft road"].on_front
    assert rows["soft car"].on_front


def test_precision_over_several_targets_needs_all_of_them() -> None:
    """Car is no longer predicted; the mean of road's alone would be of another set than plain's."""
    lost = [[95, 5, 0], [20, 30, 0], [50, 0, 0]]
    table = table_of(
        sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "both", lost, targets=("road", "car")))
    )
    both = rows_by_name(table)["both"]
    assert math.isnan(both.values["target_precision"].mean)
    assert both.values["target_recall"].mean == pytest.approx(30)


def test_a_threshold_for_another_class_takes_nothing_from_the_plain_row() -> None:
    trials = [trial(0, "plain", PLAIN, control="plain", targets=()), trial(1, "soft", SOFT)]
    trials.append(trial(2, "plain · road>0.8,car>0.6", DOWN, loss="threshold", targets=("road", "car")))
    sweep = sweep_of(*trials)
    table = table_of(sweep)
    assert rows_by_name(table)["plain"].values["target_iou"].mean == pytest.approx(ROAD)
    assert "1 moved threshold for road against" in verdict(sweep, table)[0]


def test_a_threshold_moved_on_a_masked_network_is_a_trained_variant() -> None:
    """It is no point of the plain network's frontier, and has the noise of a training of its own."""

    def kept(matrices: np.ndarray) -> FrontierFile:
        hits, predicted = matrices.diagonal(axis1=1, axis2=2), matrices.sum(axis=1)
        return FrontierFile(np.zeros(1), (1,), hits[None, :, None], predicted[None, :, None])

    plain = [trial(seed, "plain", PLAIN, seed=seed, control="plain", targets=()) for seed in range(3)]
    plain = [replace(own, frontiers={"test": kept(own.matrices["test"])}) for own in plain]
    soft = [trial(10 + seed, "soft", SOFT, seed=seed) for seed in range(3)]
    moved = [
        replace(trial(20 + seed, f"{own.variant} · road>0.8", DOWN, seed=seed, loss="threshold"), moves=own.run_id)
        for seed in range(3)
        for own in (plain[seed], soft[seed])
    ]
    rows = rows_by_name(table_of(sweep_of(*plain, *soft, *moved)))
    assert rows["soft · road>0.8"].deltas["frontier_iou"].mean == pytest.approx(
        max(20 / 60 - 40 / 80, (90 / 130 + 1) / 2 - (80 / 110 + 0.8) / 2) * 100
    )
    assert math.isnan(rows["plain · road>0.8"].deltas["frontier_iou"].mean)
