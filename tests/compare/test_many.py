"""Sweeps of more variants than a page can show."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import DOWN, PLAIN, SOFT, rows_by_name, sweep_of, trial

from fnmask.compare.asked import compared_with
from fnmask.compare.comparison import write_comparison
from fnmask.compare.many import OnDemand, choose_variants
from fnmask.compare.ranking import front
from fnmask.compare.table import brief_rows, build_table
from fnmask.compare.table_csv import table_csv
from fnmask.compare.terminal import comparison_text
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import explanation


def many(count, seeds=(0, 1)):
    """Plain, down-weighting, and variants that trade road for land, some of them at a worse rate than others."""
    trials = []
    for seed in seeds:
        trials.append(trial(seed, "plain", PLAIN, seed=seed, control="plain"))
        trials.append(trial(10 + seed, "down", DOWN, seed=seed, control="class_downweight"))
        for index in range(count):
            won, lost = index % 7, index % 39
            matrix = np.add(PLAIN, [[won, -won, 0], [lost, -lost, 0], [0, 0, 0]])
            matrix[1, 0] += seed
            matrix[1, 1] -= seed
            trials.append(trial(100 * index + seed, f"soft {index}", matrix.tolist(), seed=seed))
    return sweep_of(*trials)


def test_all_are_shown_up_to_a_hundred():
    assert choose_variants(many(98), "test") is None
    assert len(choose_variants(many(99), "test")) == 40


def test_controls_and_front_are_always_shown_then_the_largest_gains():
    sweep = many(30)
    rows = build_table(sweep, "test", resamples=50).rows
    must = {row.variant for row in rows if row.control or row.on_front}
    chosen = choose_variants(sweep, "test", most=10, of_more=len(must) + 2)
    gains = [row.variant for row in rows if row.variant not in must]  # the table is sorted by gain
    assert chosen == must | set(gains[:2])
    assert choose_variants(sweep, "test", most=10, of_more=1) == must


def test_the_plain_control_stays_while_another_variant_is_compared_with():
    assert "plain" in choose_variants(compared_with(many(40), "soft 3"), "test", most=10, of_more=1)


def test_brief_rows_say_what_the_whole_table_says_without_intervals():
    sweep = many(12)
    table = build_table(sweep, "test", resamples=50)
    whole, brief = rows_by_name(table), brief_rows(sweep, "test")
    assert [row.variant for row in brief] == [row.variant for row in table.rows]
    for row in brief:
        assert row.values == whole[row.variant].values
        assert (row.seeds, row.targets, row.control) == (
            whole[row.variant].seeds,
            ("road",),
            whole[row.variant].control,
        )
        for key, delta in row.deltas.items():
            expected = whole[row.variant].deltas[key]
            assert delta.mean == pytest.approx(expected.mean, nan_ok=True, abs=1e-12)
            if row.control != "plain":
                assert math.isnan(delta.half_width())
                assert delta.n_seeds == expected.n_seeds


def test_the_front_is_that_of_the_table():
    rows = build_table(many(25), "test", resamples=50).rows
    assert front(rows) == {row.variant for row in rows if row.on_front and row.control != "plain"}
    assert len(front(rows)) > 3


def test_what_is_shown_is_corrected_for_what_is_not():
    sweep = many(10)
    whole = build_table(sweep, "test", resamples=50)
    shown = frozenset({"plain", "down", "soft 3", "soft 4"})
    part = build_table(sweep, "test", resamples=50, shown=shown)
    assert {row.variant for row in part.rows} == shown
    assert {row.variant for row in part.left_out} == {row.variant for row in whole.rows} - shown
    assert (
        part.comparisons
        == whole.comparisons
        > build_table(
            sweep_of(*(one for one in sweep.trials if one.variant in shown)), "test", resamples=50
        ).comparisons
    )
    means = {row.variant: row.deltas["miou"].mean for row in whole.rows}
    assert {row.variant: row.deltas["miou"].mean for row in (*part.rows, *part.left_out)} == pytest.approx(means)


def test_the_texts_say_what_is_left_out_and_the_csv_has_it():
    sweep = many(10)
    table = build_table(sweep, "test", resamples=50, shown=frozenset({"plain", "down", "soft 3", "soft 4"}))
    told = " ".join(comparison_text(sweep, table).split())
    other = explanation(sweep, replace(table, metric="iou/car"))
    assert "Shown are the controls, the front, and those that do best by IoU of car: 4 of 12 variants." in other
    assert "Shown are the controls, the front, and those that won the others most: 4 of 12 variants." in told
    assert "0 more variants are in the page, all of them in the CSV file." in told
    assert verdict(sweep, table)[0].startswith("10 masked losses and 1 class down-weighting")
    rows = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert [row["variant"] for row in rows[:2]] == ["plain", "down"]
    assert len(rows) == 12
    last = rows[-1]
    assert float(last["miou_percent"]) > 0
    assert last["miou_delta_points"] != ""
    assert last["miou_delta_points_low"] == ""


def test_matrices_that_are_read_on_demand_make_the_same_page(store, add_trial, monkeypatch):
    parent = store.open_sweep(study="s", tags={}, params={})
    for seed in (0, 1):
        add_trial(parent, seed, "plain", PLAIN, seed=seed, control="plain")
        add_trial(parent, 2 + seed, "soft road", SOFT, seed=seed)
    write_comparison(store, ["s"], store.root / "held", attach=False)
    monkeypatch.setattr("fnmask.compare.loading.MOST_HELD", 3)
    read = write_comparison(store, ["s"], store.root / "read", attach=False)
    assert all(isinstance(own.matrices, OnDemand) for own in read.sweep.trials)
    for name in ("test.csv", "val.csv", "table.txt", "report.html"):
        assert (store.root / "held" / name).read_text() == (store.root / "read" / name).read_text(), name
    own = read.sweep.trials[0].matrices
    assert dict(own).keys() == {"test", "val"}
    with pytest.raises(KeyError):
        own["train"]
