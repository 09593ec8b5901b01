"""A store that is filled with copies reads back as a sweep does; the benchmark itself takes minutes."""

import pytest
from golden.store import rebuild

from benchmarks.store_filling import fill_store
from fnmask.compare.loading import load_sweep
from fnmask.tracking.mlflow_store import MlflowStore


@pytest.fixture
def store(tmp_path, empty_mlflow, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    rebuild(tmp_path, empty_mlflow)
    return MlflowStore(tmp_path, "fnmask")


def test_copies_are_trials_with_settings_and_matrices_of_their_own(store):
    whole = load_sweep(store, "golden")
    assert fill_store(store.root, sweeps=2, trials=21) == ["big-0", "big-1"]
    sweep = load_sweep(store, "big-1")
    assert [trial.number for trial in sweep.trials] == list(range(len(sweep.trials)))
    assert [trial.variant for trial in sweep.trials[:6]] == [trial.variant for trial in whole.trials[:6]]
    assert sweep.trials[0].total("test").tolist() == whole.trials[0].total("test").tolist()
    copies = [trial for trial in sweep.trials if not trial.control]
    assert len(copies) > 6
    labels = whole.trials[0].matrices["test"].sum(axis=2)
    for trial in copies:
        assert f"alpha={trial.params['loss.alpha']} " in trial.variant
        assert (trial.matrices["test"].sum(axis=2) == labels).all(), "the same pixels of each class"
    assert len({trial.total("test").tobytes() for trial in copies}) == len(copies)
    assert {dataset.context for dataset in sweep.datasets} == {"train", "val", "test"}
    assert load_sweep(store, "big-0").record.run_id != sweep.record.run_id
