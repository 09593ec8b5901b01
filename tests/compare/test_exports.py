"""The comparison as Markdown, JSON and pictures."""

import csv
import io
import json
import math
import shutil
import sys

import pytest
from hand_worked import DOWN, PLAIN, SOFT, sweep_of, table_of, trial

from fnmask.compare.comparison import write_comparison
from fnmask.compare.curves import VariantCurves
from fnmask.compare.images import NoImagesError, on_white, write_images
from fnmask.compare.plots import pareto_figure
from fnmask.compare.report import facts_of
from fnmask.compare.table import build_table
from fnmask.compare.table_csv import table_csv
from fnmask.compare.table_html import table_html
from fnmask.compare.table_json import comparison_json
from fnmask.compare.table_markdown import comparison_markdown
from fnmask.compare.verdict import verdict


@pytest.fixture(scope="module")
def sweep():
    return sweep_of(
        *(trial(seed, "plain", PLAIN, seed=seed, control="plain") for seed in range(2)),
        *(trial(10 + seed, "down | road", DOWN, seed=seed, control="class_downweight") for seed in range(2)),
        *(trial(20 + seed, "soft_fn road", SOFT, seed=seed) for seed in range(2)),
    )


@pytest.fixture(scope="module")
def tables(sweep):
    return {split: build_table(sweep, split, resamples=50) for split in ("test", "val")}


def test_json_holds_the_numbers_of_the_tables(sweep, tables):
    curves = [VariantCurves("plain", {"val mIoU, %": [{1: 10.0, 2: 20.0}]})]
    told = json.loads(comparison_json(sweep, tables, facts_of(sweep), curves))
    assert told["verdict"] == list(verdict(sweep, tables["test"]))
    assert list(told["tables"]) == ["test", "val"]
    table = told["tables"]["test"]
    assert [row["variant"] for row in table["rows"]] == ["plain", "down | road", "soft_fn road"]
    soft = table["rows"][-1]
    # IoU of the road: 40/80 before, 30/55 now.
    assert soft["values"]["target_iou"]["mean"] == pytest.approx(100 * 30 / 55)
    assert soft["values"]["target_iou"]["seeds"] == 2
    assert soft["differences"]["target_iou"]["mean"] == pytest.approx(100 * (30 / 55 - 1 / 2))
    delta = tables["test"].rows[-1].deltas["target_iou"]
    assert soft["differences"]["target_iou"]["interval"] == pytest.approx(delta.interval(table["comparisons"]))
    assert (soft["loss"], soft["targets"], soft["seeds"]) == ("mask", ["road"], ["0", "1"])
    # There is no frontier here: what is not known is null, and no NaN is written.
    assert soft["differences"]["frontier_iou"]["mean"] is None
    assert told["curves"] == {"plain": {"val mIoU, %": [{"1": 10.0, "2": 20.0}]}}
    assert told["facts"]["study"] == "s"
    assert set(table["columns"]) == {*soft["values"], *soft["differences"]}


def test_json_has_no_number_that_json_lacks(sweep, tables):
    def refuse(text):
        raise AssertionError(text)

    json.loads(comparison_json(sweep, tables, {}), parse_constant=refuse)


def test_the_runs_of_a_variant_are_told_wherever_one_may_be_taken_from():
    seeds = [trial(seed, "soft", SOFT, seed=seed) for seed in (10, 2)]
    sweep = sweep_of(trial(0, "plain", PLAIN, control="plain"), *seeds)
    table = table_of(sweep)
    runs = ["soft-2-2", "soft-10-10"]
    rows = json.loads(comparison_json(sweep, {"test": table}, {}))["tables"]["test"]["rows"]
    assert {row["variant"]: row["runs"] for row in rows} == {"plain": ["plain-0-0"], "soft": runs}
    assert [row["runs"] for row in csv.DictReader(io.StringIO(table_csv(table)))] == ["plain-0-0", " ".join(runs)]
    assert "<small>run soft-2-2</small>" in table_html(table)


def test_markdown_says_verdict_tables_and_facts(sweep, tables):
    told = comparison_markdown(sweep, tables, facts_of(sweep))
    lines = told.splitlines()
    assert lines[0] == "# Loss variants compared: s"
    for sentence in verdict(sweep, tables["test"]):
        assert sentence.replace("_", "\\_").replace("[", "\\[").replace("]", "\\]").replace("|", "\\|") in told
    assert [line for line in lines if line.startswith("## ")] == ["## On test", "## On val", "## What was compared"]
    rows = [line for line in lines if line.startswith("| soft\\_fn road")]
    assert len(rows) == 4  # trade-off and classes, of both splits
    assert "54.5 (+4.5" in rows[0]
    # A pipe in a name divides no cell: all rows of a table have the same number of them.
    for start in (index for index, line in enumerate(lines) if line.startswith("| ---")):
        counts = {line.replace("\\|", "").count("|") for line in lines[start - 1 : start + 4]}
        assert len(counts) == 1
    assert "- study: s" in lines


def test_pictures_for_paper_are_dark_on_white(tables):
    figure = pareto_figure(tables["test"])
    copy = on_white(figure)
    assert (copy.layout.paper_bgcolor, copy.layout.plot_bgcolor) == ("white", "white")
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_without_kaleido_all_else_is_written(store, add_trial, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaleido", None)
    parent = store.open_sweep(study="s", tags={}, params={})
    add_trial(parent, 0, "plain", PLAIN, control="plain", targets="")
    add_trial(parent, 1, "soft", SOFT)
    result = write_comparison(store, ["s"], tmp_path / "out", images=["png"])
    assert "pip install 'fnmask[images]'" in result.complaint
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.html", "report.md", "report.json", "table.txt", "test.csv", "val.csv"),
    }
    attached = store.artifact_names(store.find_sweep("s").run_id, "compare")
    assert {"compare/report.md", "compare/report.json"} <= set(attached)


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("chromium", "google-chrome"))), reason="chromium is not installed")
def test_pictures_are_drawn(tables, tmp_path):
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    figure = pareto_figure(tables["test"])
    png, svg = write_images({"tradeoff": figure}, tmp_path / "figures", ["png", "svg"])
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert "down-weighted road" in svg.read_text()
    assert math.isfinite(figure.layout.height)


@pytest.mark.parametrize("told", ["no browser\nand a page about it", ""])
def test_a_browser_that_fails_is_told_in_one_sentence(tables, tmp_path, monkeypatch, told):
    import plotly.io

    pytest.importorskip("kaleido", reason="kaleido is not installed")

    def fail(*given, **named):
        raise RuntimeError(told)

    monkeypatch.setattr(plotly.io, "write_images", fail)
    with pytest.raises(
        NoImagesError, match=r"could not be drawn \(RuntimeError: (no browser)?\)\. kaleido needs Chromium"
    ):
        write_images({"tradeoff": pareto_figure(tables["test"])}, tmp_path, ["png"])
