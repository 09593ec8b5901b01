"""Picture, terminal and CSV of a comparison."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import CAR, DOWN, LAND, PLAIN, ROAD, SOFT, sweep_of, table_of, trial

from fnmask.compare.plots import pareto_figure
from fnmask.compare.table_csv import table_csv
from fnmask.compare.terminal import comparison_text, shown_rows
from fnmask.compare.wording import explanation, percent, signed


def test_picture_has_a_mark_for_every_rated_variant() -> None:
    table = table_of(
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
    table = table_of(sweep, "test")
    text = comparison_text(sweep, table, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert all(name in text for name in names)
    assert "…" not in text
    assert "29 more variants" in text
    assert len(shown_rows(table)) == 12


def test_csv_holds_every_class_with_its_difference() -> None:
    table = table_of(sweep_of(trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT)), "test")
    plain, soft = csv.DictReader(io.StringIO(table_csv(table)))
    assert plain["variant"] == "plain"
    assert float(soft["iou_car_percent"]) == 100
    assert float(soft["iou_car_delta_points"]) == 20
    assert float(soft["target_cost_points"]) == pytest.approx(ROAD - 3000 / 55, abs=1e-4)
    assert soft["target"] == "road"
    assert soft["n_seeds"] == "1"


def test_csv_keeps_several_targets_apart() -> None:
    names = ("land", "traffic light", "car")
    trials = [trial(0, "plain", PLAIN, control="plain"), trial(1, "soft", SOFT, targets=names[1:])]
    _, soft = csv.DictReader(io.StringIO(table_csv(table_of(sweep_of(*trials[1:], trials[0], class_names=names)))))
    assert soft["target"] == "traffic light, car"


def test_explanation_says_when_val_was_selected_on() -> None:
    best, last = {"trainer.select": "best"}, {"trainer.select": "last"}
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain", params=last), trial(1, "soft", SOFT, params=best))
    assert "optimistic" in explanation(sweep, table_of(sweep, "val"))
    assert "optimistic" not in explanation(sweep, table_of(sweep, "test"))
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain", params=last))
    assert "optimistic" not in explanation(sweep, table_of(sweep, "val"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.04, "+2.0"), (-2.04, "−2.0"), (-0.04, "0.0"), (math.nan, "–")],  # noqa: RUF001
)
def test_signed(value: float, text: str) -> None:
    assert signed(value) == text


def test_percent_writes_no_hyphen_for_minus() -> None:
    assert percent(-4.2) == "−4.2"  # noqa: RUF001


def test_the_terminal_takes_no_name_for_markup() -> None:
    names = ("land [m]", "road [/b]", "car [red]")
    trials = [trial(0, "plain", PLAIN, control="plain"), trial(1, "soft [/i]", SOFT, targets=names[1:2])]
    sweep = sweep_of(*trials, class_names=names)
    sweep = replace(sweep, record=replace(sweep.record, tags={"fnmask.study": "run [v2] [/x]"}), metric="iou/road_b")
    text = comparison_text(sweep, table_of(sweep), width=140)
    for name in (*names, "soft [/i]", "Sweep run [v2] [/x] on test"):
        assert name in text or name.replace(" ", "\n") in text, name
