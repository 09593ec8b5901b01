"""`python -m benchmarks.losses`: that it runs, and that those who compute the same thing agree; not how fast it is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.batch import draw_batch
from benchmarks.contestants import STOCK, STOCK_DICE, ours
from benchmarks.metric_contestants import STOCK_METRICS, metric_contestants
from benchmarks.rivals import RECIPE, TORCH, rivals

ROOT = Path(__file__).parents[2]
SHAPE = (2, 20, 24, 5)


def benchmark(tmp_path, *arguments):
    """The lines of the tables, cell by cell."""
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "benchmarks.losses", "--quick", "--rounds", "2", "--output", str(report)]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert report.read_text().strip() in done.stdout
    return [line.strip("| ").split(" | ") for line in report.read_text().splitlines() if line.startswith("| ")]


def value(name):
    """The loss of a contestant that takes labels with void."""
    contestant = next(each for each in (*rivals(), *ours()) if each.name == name)
    batch = draw_batch(SHAPE)
    labels, logits = batch.labels_as(contestant.labels), batch.logits
    if contestant.framework == "torch":
        torch = pytest.importorskip("torch")
        labels, logits = torch.from_numpy(labels).long(), torch.from_numpy(np.moveaxis(logits, -1, 1).copy())
    return float(contestant.build(batch.num_classes)(labels, logits))


def test_rivals_of_the_plain_loss_compute_what_it_computes():
    assert value("V0 plain") == pytest.approx(value(f"{STOCK}, ignore_class"), rel=1e-5)
    assert value("V0 plain") == pytest.approx(value(TORCH), rel=1e-5)


def test_the_recipe_is_right():
    assert value("V1 ignore_false_negatives") < value("V0 plain")
    assert value(RECIPE) == pytest.approx(value("V1 ignore_false_negatives"), rel=1e-5)


def test_every_variant_and_its_stock_have_names_of_their_own():
    names = [each.name for each in (*rivals(), *ours())]
    assert len(set(names)) == len(names)
    assert {each.stock for each in ours()} == {STOCK, STOCK_DICE}
    wanted = ["V0", "V0'", *(f"V{n}" for n in range(1, 15)), "V3m", "V4c"]
    assert not [id_ for id_ in wanted if not any(name.split(",")[0].split(" ")[0] == id_ for name in names)]


@pytest.mark.slow
def test_it_prints_and_writes_a_table(tmp_path):
    only = ["--only", "V2 attenuate", "--only", "recipe"]
    rows = benchmark(tmp_path, "--parts", "time", *only)
    assert rows[0][:3] == ["loss", "plain step", "ms"]
    assert [row[0] for row in rows[2:]] == [STOCK, RECIPE, STOCK_DICE, "V2 attenuate_false_negatives"]
    assert rows[2][1].startswith("**1.00** [1.00, 1.00")
    assert float(rows[5][2]) > 0
    assert rows[5][3] == "≤ 0.5"


@pytest.mark.slow
def test_everything_runs_on_tensorflow(tmp_path):
    rows = benchmark(tmp_path, "--parts", "time", "metrics")
    names = [row[0] for row in rows]
    everyone = [*(each.name for each in (*rivals(), *ours())), *(each.name for each in metric_contestants())]
    left_out = {name for name in everyone if name.startswith(("torch", "monai"))}  # where these are not installed
    assert set(everyone) - left_out <= set(names)
    assert names[names.index("metric, updated and read") + 2] == STOCK_METRICS


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_everything_runs_on_other_backends(tmp_path, backend):
    pytest.importorskip(backend)
    rows = benchmark(tmp_path, "--parts", "time", "--backend", backend)
    assert {each.name for each in ours()} <= {row[0] for row in rows}


@pytest.mark.slow
def test_memory_holds_the_gradient_at_least(tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured by what Linux tells of a process")
    rows = benchmark(tmp_path, "--parts", "memory", "--only", "V2 attenuate", "--shapes", "2,256,256,8")
    assert [row[0] for row in rows[2:]] == [STOCK, STOCK_DICE, "V2 attenuate_false_negatives"]
    assert all(float(row[3]) > 0.9 for row in rows[2:])  # of the size of the logits; Linux counts in batches of pages
