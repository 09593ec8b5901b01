"""Runs read from MLflow's tables, against MLflow's own search; files of this machine, against its own repositories."""

import math

import pytest

from fnmask.tracking import mlflow_reader
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import DatasetRecord


@pytest.fixture
def store(tmp_path, empty_mlflow, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)
    return MlflowStore(tmp_path, "fnmask")


def fill(store):
    parent = store.open_sweep(study="s'", tags={}, params={"n": 1})
    other = store.open_sweep(study="t", tags={}, params={})
    for number in range(5):
        data = [DatasetRecord("aerial", "ab" * 16, split, "made up", 4) for split in ("train", "val", "test")[:number]]
        tags = {"fnmask.kind": "seed" if number == 4 else "trial", "fnmask.trial": str(number), "fnmask.sweep": parent}
        run = store.start_run(name=f"r{number}", parent_run_id=other if number == 3 else parent,
                              params={"seed": number, "empty": ""}, tags=tags, datasets=data)  # fmt: skip
        run.log_metrics({"val/miou": 0.1 * number, "odd": math.inf}, step=1)
        run.log_metrics({"val/miou": 0.2 * number}, step=2)
        run.log_artifact("confusion/val.npz", b"abc")
        run.log_artifact("classes.json", b"{}")
        if number != 2:
            run.finish("complete")
    # Some of the same millisecond.
    for run in store.runs(parent)[:2]:
        store._client.update_run(run.run_id, status="FINISHED")
    deleted = store.start_run(name="deleted", parent_run_id=parent, params={}, tags={})
    store._client.delete_run(deleted.run_id)
    return parent


def by_search(store, monkeypatch, ask):
    """What MLflow's own search gives."""
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_reader, "read_runs", lambda *given: None)
        return ask()


def test_the_tables_say_what_the_search_says(store, monkeypatch):
    parent = fill(store)
    for ask in (lambda: store.runs(parent), lambda: store.seed_runs(parent), lambda: store.runs("nothing")):
        own, other = ask(), by_search(store, monkeypatch, ask)
        assert [run.run_id for run in own] == [run.run_id for run in other]
        assert own == other
    assert [run.name for run in store.runs(parent)] == ["r0", "r1", "r2", "r4"]
    assert [len(run.datasets) for run in store.runs(parent)] == [0, 1, 2, 3]


def test_files_of_this_machine_are_those_of_the_repository(store):
    parent = fill(store)
    run_id = store.runs(parent)[0].run_id
    fresh = MlflowStore(store.root, "fnmask")  # knows no folder yet, and asks MLflow
    for one in (store, fresh):
        assert one.artifact_names(run_id) == ("classes.json",)
        assert one.artifact_names(run_id, "confusion") == ("confusion/val.npz",)
        assert one.artifact_names(run_id, "nothing") == ()
        assert one.read_artifact(run_id, "confusion/val.npz") == b"abc"
        assert one.has_artifact(run_id, "classes.json")
        assert not one.has_artifact(run_id, "confusion/test.npz")
        with pytest.raises(FileNotFoundError, match=f"Run {run_id} has no artifact 'gone'"):
            one.read_artifact(run_id, "gone")
