"""The numbers of the comparison against values worked by hand."""

import csv
import io
import math
from collections.abc import Mapping

import numpy as np
import pytest

from fnmask.compare.plots import front_rows, pareto_figure
from fnmask.compare.runs import Loss, Sweep, Trial
from fnmask.compare.table import ComparisonTable, Row, Spread, build_table, table_csv
from fnmask.compare.terminal import comparison_text, shown_rows
from fnmask.compare.wording import explanation, percent, signed, takeaway
from fnmask.tracking.records import RunRecord

NAMES = ("land", "road", "car")
# [true, predicted]. IoU: land 80/110, road 40/80, car 40/50; road precision 40/70, recall 40/50.
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
# IoU: land 95/120, road 30/55, car 50/50; road precision 30/35, recall 30/50.
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]
# IoU: land 90/130, road 20/60, car 50/50.
DOWN = [[90, 10, 0], [30, 20, 0], [0, 0, 50]]
LAND, ROAD, CAR = 8000 / 110, 50.0, 80.0


def trial(
    number: int,
    variant: str,
    matrix: list[list[int]],
    *,
    seed: int = 0,
    control: str = "",
    loss: Loss | None = None,
    targets: tuple[str, ...] = ("road",),
    params: Mapping[str, str] | None = None,
) -> Trial:
    matrices = {split: np.array([matrix], dtype=np.int64) for split in ("test", "val")}
    kinds: dict[str, Loss] = {"plain": "plain", "class_downweight": "downweight"}
    kind = loss or kinds.get(control, "mask")
    return Trial("id", number, variant, control, kind, str(seed), targets, f"ref{seed}", matrices, params or {"a": "1"})


def sweep_of(*trials: Trial, class_names: tuple[str, ...] = NAMES) -> Sweep:
    record = RunRecord("run", "s", "FINISHED", {"fnmask.study": "s"}, {}, {}, 0, 1)
    baselines = {one.reference: one for one in trials if one.control == "plain"}
    return Sweep(record, class_names, trials, baselines, {"complete": len(trials)}, ())


def rows_by_name(table: ComparisonTable) -> Mapping[str, Row]:
    return {row.variant: row for row in table.rows}


def test_one_seed_by_hand() -> None:
    table = build_table(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
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
    table = build_table(
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
    assert soft.deltas["target_iou"] == Spread(*(pytest.approx(x) for x in ((first + second) / 2, first, second)), 2)
    assert once.deltas["target_iou"].mean == pytest.approx(second)
    assert once.values["target_cost"].mean == pytest.approx(-second)
    assert set(soft.seeds) == {"0", "1"}


def test_several_targets_are_each_measured_for_their_own() -> None:
    table = build_table(
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
    rows = build_table(
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
    table = build_table(
        sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "dear", dear), trial(2, "low", low)), "test"
    )
    # (cost, gain): plain (0, 0); low (0, 5.6); dear (16.7, 8.3). Low beats plain, dear wins more than low.
    assert [row.variant for row in front_rows(table)] == ["low", "dear"]
    assert not rows_by_name(table)["plain"].on_front


def test_without_a_control_there_are_values_but_no_differences() -> None:
    sweep = sweep_of(trial(0, "soft", SOFT))
    table = build_table(sweep, "test")
    row = table.rows[0]
    assert row.values["target_iou"].mean == pytest.approx(3000 / 55)
    assert math.isnan(row.deltas["target_iou"].mean)
    assert math.isnan(row.values["others_gain"].mean)
    text = comparison_text(sweep, table)
    assert "No plain control for seed 0" in text
    assert "IoU of every class" not in text, "it would be empty"
    assert "no masked variant to compare" in text


def test_absent_class_and_class_no_longer_predicted() -> None:
    plain, soft = [[90, 10, 0], [10, 40, 0], [0, 0, 0]], [[100, 0, 0], [50, 0, 0], [0, 0, 0]]
    sweep = sweep_of(trial(0, "plain", plain, control="plain"), trial(1, "soft", soft))
    table = build_table(sweep, "test")
    row = rows_by_name(table)["soft"]
    assert math.isnan(row.values["iou/car"].mean)
    assert row.values["miou"].mean == pytest.approx((10000 / 150 + 0) / 2)
    assert row.values["target_iou"].mean == 0
    assert math.isnan(row.values["target_precision"].mean)
    assert row.values["target_recall"].mean == 0
    assert "nan" not in comparison_text(sweep, table)
    assert "nan" not in table_csv(table)


def test_csv_holds_every_class_with_its_difference() -> None:
    table = build_table(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
    plain, soft = csv.DictReader(io.StringIO(table_csv(table)))
    assert plain["variant"] == "plain"
    assert float(soft["iou_car_percent"]) == 100
    assert float(soft["iou_car_delta_points"]) == 20
    assert float(soft["target_cost_points"]) == pytest.approx(ROAD - 3000 / 55, abs=1e-4)
    assert soft["target"] == "road"
    assert soft["n_seeds"] == "1"


def test_picture_has_a_mark_for_every_rated_variant() -> None:
    table = build_table(
        sweep_of(
            trial(0, "plain", PLAIN, control="plain"),
            trial(1, "soft", SOFT),
            trial(2, "down", DOWN, control="class_downweight"),
        ),
        "test",
    )
    traces = {trace.name: trace for trace in pareto_figure(table).data}
    assert set(traces) == {"front", "target road", "down-weighted road", "plain control"}
    assert traces["target road"].x[0] == pytest.approx(ROAD - 3000 / 55)
    assert traces["target road"].y[0] == pytest.approx((9500 / 120 + 100) / 2 - (LAND + CAR) / 2)
    assert traces["target road"].text[0] == "1"
    assert traces["down-weighted road"].marker.symbol == "diamond"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_terminal_table_fits(width: int) -> None:
    names = ("sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car", "pedestrian", "bike")

    def matrix_of(n: int) -> list[list[int]]:
        """Each class loses n pixels to its neighbor, so that nothing but the first stands on the front."""
        hit = np.eye(11, dtype=int)
        return (hit * (90 - n) + np.roll(hit, 1, axis=1) * n + 1).tolist()

    matrix = matrix_of(0)
    trials = [trial(0, "plain", matrix, control="plain"), trial(1, "plain", matrix, seed=1, control="plain")]
    trials += [
        trial(2 + n, f"attenuate_fn road a={n / 40} · median_frequency", matrix_of(n), seed=n % 2) for n in range(40)
    ]
    sweep = sweep_of(*trials, class_names=names)
    table = build_table(sweep, "test")
    text = comparison_text(sweep, table, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert all(name in text for name in names)
    assert "…" not in text
    assert "29 more variants" in text
    assert len(shown_rows(table)) == 12


def test_takeaway_is_honest_about_seeds() -> None:
    trials = [
        trial(0, "plain", PLAIN, control="plain"),
        trial(1, "soft", SOFT),
        trial(2, "down", DOWN, control="class_downweight"),
    ]
    text = takeaway(build_table(sweep_of(*trials), "test"))
    assert "soft, +13.2 points at a target cost of −4.5" in text  # noqa: RUF001
    assert "down, +8.3 points at a target cost of 16.7" in text
    assert "With 1 seed" in text


def test_takeaway_compares_like_with_like() -> None:
    trials = [
        trial(0, "plain", PLAIN, control="plain", targets=("land",)),
        trial(1, "soft road", SOFT),
        trial(2, "down car", DOWN, control="class_downweight", targets=("car",)),
    ]
    assert "must beat" not in takeaway(build_table(sweep_of(*trials), "test")), "a control of another target"
    # An ordinary trial of the search may have the control's loss; it wins least here, and counts all the same.
    weaker = [[82, 18, 0], [10, 40, 0], [0, 10, 40]]
    trials.append(trial(3, "down road", weaker, loss="downweight"))
    text = takeaway(build_table(sweep_of(*trials), "test"))
    assert "among the variants: soft road" in text
    assert "must beat: down road" in text


def test_down_weighting_by_the_search_is_no_masked_variant() -> None:
    trials = [trial(0, "plain", PLAIN, control="plain"), trial(1, "down", SOFT, loss="downweight")]
    trials.append(trial(2, "plain · median_frequency", SOFT, loss="plain"))
    table = build_table(sweep_of(*trials), "test")
    assert "no masked variant" in takeaway(table)
    traces = {trace.name: trace for trace in pareto_figure(table).data}
    assert traces["down-weighted road"].marker.symbol == "diamond"


def test_explanation_says_when_val_was_selected_on() -> None:
    best, last = {"trainer.select": "best"}, {"trainer.select": "last"}
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain", params=last), trial(1, "soft", SOFT, params=best))
    assert "optimistic" in explanation(sweep, build_table(sweep, "val"))
    assert "optimistic" not in explanation(sweep, build_table(sweep, "test"))
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain", params=last))
    assert "optimistic" not in explanation(sweep, build_table(sweep, "val"))


def test_the_plain_control_costs_nothing_without_a_sign() -> None:
    table = build_table(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
    assert math.copysign(1, rows_by_name(table)["plain"].values["target_cost"].mean) == 1
    assert "-0.0000" not in table_csv(table)


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.04, "+2.0"), (-2.04, "−2.0"), (-0.04, "0.0"), (math.nan, "–")],  # noqa: RUF001
)
def test_signed(value: float, text: str) -> None:
    assert signed(value) == text


def test_percent_writes_no_hyphen_for_minus() -> None:
    assert percent(-4.2) == "−4.2"  # noqa: RUF001
