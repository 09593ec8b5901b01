"""Curves over the epochs, read from a real store."""

from collections.abc import Callable

import numpy as np
import pytest

from fnmask.compare.curves import curves_figure, load_curves
from fnmask.compare.loading import load_sweep
from fnmask.compare.table import build_table
from fnmask.tracking.mlflow_run import MlflowTracker
from fnmask.tracking.mlflow_store import MlflowStore

AddTrial = Callable[..., str]
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]


def log(store: MlflowStore, run_id: str, miou: list[float]) -> None:
    tracker = MlflowTracker(store._client, run_id)
    for epoch, value in enumerate(miou, start=1):
        tracker.log_metrics({"val/miou": value, "val/iou/road": value / 2, "train/masked_fraction": 0.1}, step=epoch)


@pytest.fixture
def curves(store: MlflowStore, add_trial: AddTrial):
    parent = store.open_sweep(study="s", tags={}, params={})
    for seed, shift in ((0, 0.0), (1, 0.1)):
        log(store, add_trial(parent, seed, "plain", PLAIN, seed=seed, control="plain"), [0.1, 0.3 + shift])
        log(store, add_trial(parent, 2 + seed, "soft", SOFT, seed=seed), [0.2 + shift, 0.4, 0.5][: 3 - seed])
    sweep = load_sweep(store)
    return load_curves(store, sweep, build_table(sweep, "test", resamples=20))


def test_mean_and_range_over_seeds(curves):
    assert [own.variant for own in curves] == ["plain", "soft"]
    figure = curves_figure(curves)
    lines = {(trace.name, trace.yaxis): trace for trace in figure.data if trace.name}
    assert np.array(lines["plain", "y"].y) == pytest.approx([10, 35])
    assert np.array(lines["plain", "y2"].y) == pytest.approx([5, 17.5])
    # One seed has a third epoch; the mean there is its own.
    assert np.array(lines["soft", "y"].y) == pytest.approx([25, 40, 50])
    assert np.array(lines["soft", "y3"].y) == pytest.approx([10, 10, 10])
    bands = [trace for trace in figure.data if not trace.name and trace.yaxis == "y"]
    assert np.array(bands[1].y) == pytest.approx([30, 40, 50, 50, 40, 20])
    assert {line.line.dash for line in lines.values()} == {"solid", "dash"}, "told apart without color as well"
    assert all(trace.customdata[0][0] in ("plain", "soft") for trace in figure.data), "hidden with their variant"


def test_runs_without_epochs_have_no_curves(store: MlflowStore, add_trial: AddTrial):
    parent = store.open_sweep(study="s", tags={}, params={})
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    sweep = load_sweep(store)
    assert curves_figure(load_curves(store, sweep, build_table(sweep, "test", resamples=20))) is None
