"""The store against a real MLflow on SQLite."""

import math
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Engine, event

from fnmask.tracking.mlflow_run import MlflowTracker
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import DatasetRecord, ExperimentNotFoundError, RunRecord, SweepNotFoundError
from fnmask.tracking.tracker import Tracker


@pytest.fixture
def store(tmp_path: Path, empty_mlflow: bytes, monkeypatch: pytest.MonkeyPatch) -> MlflowStore:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)
    return MlflowStore(tmp_path, "fnmask")


def client_of(store: MlflowStore) -> MlflowClient:
    return MlflowClient(f"sqlite:///{store.root}/mlflow.db")


def test_a_run_keeps_everything(store: MlflowStore) -> None:
    parent = store.open_sweep(study="s", tags={"fnmask.commit": "c"}, params={"n_trials": 3})
    data = [DatasetRecord("camvid", "ab" * 32, split, "/data", 5) for split in ("train", "val", "test")]
    tracker: Tracker = store.start_run(
        name="trial 0",
        parent_run_id=parent,
        params={"loss": {"alpha": 0.5}, "long": "x" * 7000, **{f"many.{n}": n for n in range(150)}},
        tags={"fnmask.kind": "trial", "fnmask.trial": "0"},
        datasets=data,
    )
    tracker.log_metrics({"val/iou/road": 0.25, "val/iou/car": math.nan}, step=0)
    tracker.log_metrics({"val/iou/road": 0.5}, step=1)
    tracker.log_artifact("confusion/val.csv", b"1,2\n")
    tracker.finish("complete")
    (run,) = store.runs(parent)
    assert run.status == "FINISHED"
    assert run.tag("outcome") == "complete"
    assert run.trial == 0
    assert run.params["loss.alpha"] == "0.5"
    assert len(run.params["long"]) == 6000
    assert run.params["many.149"] == "149"
    assert run.metrics == {"val/iou/road": 0.5}
    assert [(d.name, d.context, d.n_images, d.source) for d in run.datasets] == [
        ("camvid", split, 5, "/data") for split in ("train", "val", "test")
    ]
    history = client_of(store).get_metric_history(run.run_id, "val/iou/road")
    assert [(point.step, point.value) for point in history] == [(0, 0.25), (1, 0.5)]
    assert store.read_artifact(run.run_id, "confusion/val.csv") == b"1,2\n"
    assert store.artifact_names(run.run_id, "confusion") == ("confusion/val.csv",)
    assert store.artifact_names(run.run_id, "nothing") == ()
    with pytest.raises(FileNotFoundError, match=r"confusion/test\.npz"):
        store.read_artifact(run.run_id, "confusion/test.npz")


def test_files_lie_under_mlruns_and_the_ui_finds_them(store: MlflowStore) -> None:
    tracker = store.start_run(name="one", parent_run_id=None, params={}, tags={})
    tracker.log_artifact("a/b.txt", b"hello")
    assert [path.read_bytes() for path in (store.root / "mlruns").rglob("b.txt")] == [b"hello"]
    location = client_of(store).get_experiment_by_name("fnmask").artifact_location
    assert location == str(store.root / "mlruns" / "fnmask"), "absolute, so that any current directory will do"


def test_one_call_to_the_database_for_each_epoch(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = store.start_run(name="one", parent_run_id=None, params={}, tags={})
    calls = []
    real = MlflowClient.log_batch
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *args, **kw: (calls.append(kw), real(*args, **kw))[1])
    tracker.log_metrics({f"val/iou/class{number}": 0.5 for number in range(30)}, step=0)
    tracker.log_metrics({"val/iou/road": math.nan}, step=1)
    assert len(calls) == 1
    assert len(calls[0]["metrics"]) == 30


def test_a_sweep_is_found_again_and_keeps_its_parameters(store: MlflowStore) -> None:
    first = store.open_sweep(study="Ann's", tags={"fnmask.note": "1"}, params={"n_trials": 3})
    store.close_sweep(first, "incomplete")
    assert store.find_sweep("Ann's").status == "KILLED"
    again = store.open_sweep(
        study="Ann's", run_id=first, tags={"fnmask.note": "2"}, params={"n_trials": 5, "seeds": [0]}
    )
    assert again == first
    run = store.find_sweep("Ann's")
    assert (run.status, run.tag("outcome"), run.tag("note")) == ("RUNNING", "running", "2")
    assert run.params == {"n_trials": "3", "seeds": "[0]"}
    assert store.open_sweep(study="other", tags={}, params={}) != first


def test_a_study_of_the_same_name_elsewhere_has_runs_of_its_own(store: MlflowStore) -> None:
    first = store.open_sweep(study="s", tags={}, params={})
    assert store.open_sweep(study="s", tags={}, params={}) != first
    # So has one whose run was deleted.
    assert store.open_sweep(study="s", run_id="0" * 32, tags={}, params={}) != first


def test_sweeps_are_found_by_name_id_or_age(store: MlflowStore) -> None:
    with pytest.raises(SweepNotFoundError, match="No sweep has been run yet"):
        store.find_sweep()
    first = store.open_sweep(study="first", tags={}, params={})
    with sqlite3.connect(store.root / "mlflow.db") as database:  # or both may begin in one millisecond
        database.execute("update runs set start_time = start_time - 5")
    database.close()
    second = store.open_sweep(study="second", tags={}, params={})
    assert store.find_sweep().run_id == second
    assert store.find_sweep("first").run_id == first
    assert store.find_sweep(first[:8]).run_id == first
    with pytest.raises(SweepNotFoundError, match=r"'third'.*second, first"):
        store.find_sweep("third")


def begin(store: MlflowStore, parent: str, number: int, kind: str = "trial", **tags: str) -> MlflowTracker:
    own = {"fnmask.trial": str(number), "fnmask.kind": kind, **{f"fnmask.{key}": value for key, value in tags.items()}}
    return store.start_run(name=str(number), parent_run_id=parent, params={}, tags=own)


def ends(runs: list[RunRecord]) -> dict[int | None, tuple[str, str]]:
    return {run.trial: (run.status, run.tag("outcome")) for run in runs}


def test_reconcile_closes_what_a_killed_worker_left(store: MlflowStore) -> None:
    parent = store.open_sweep(study="s", tags={}, params={})
    for number in range(4):
        begin(store, parent, number)
    begin(store, parent, 4).finish("pruned")
    assert store.reconcile(parent, {0: "lost", 1: "complete", 2: "running", 4: "pruned"}, {}) == 2
    assert ends(store.runs(parent)) == {
        0: ("KILLED", "lost"),
        1: ("FINISHED", "complete"),
        2: ("RUNNING", "running"),
        3: ("RUNNING", "running"),
        4: ("FINISHED", "pruned"),
    }
    assert store.reconcile(parent, {0: "lost", 1: "complete", 2: "running", 4: "pruned"}, {}) == 0


def test_a_run_that_says_complete_is_lost_where_the_study_has_given_its_trial_up(store: MlflowStore) -> None:
    parent = store.open_sweep(study="s", tags={}, params={})
    begin(store, parent, 0).finish("complete")
    begin(store, parent, 1).finish("failed:crash", "ValueError: too wide")
    assert store.reconcile(parent, {0: "lost", 1: "lost"}, {}) == 1
    assert ends(store.runs(parent)) == {0: ("KILLED", "lost"), 1: ("FAILED", "failed:crash")}


def test_of_two_runs_of_a_trial_the_one_that_the_study_does_not_hold_is_lost(store: MlflowStore) -> None:
    parent = store.open_sweep(study="s", tags={}, params={})
    left_over, held = begin(store, parent, 0), begin(store, parent, 0)
    assert store.reconcile(parent, {0: "complete"}, {0: held.run_id}) == 2
    outcomes = {run.run_id: run.tag("outcome") for run in store.runs(parent)}
    assert outcomes == {left_over.run_id: "lost", held.run_id: "complete"}


def test_reconcile_closes_the_seeds_of_a_trial_too_but_takes_back_none_that_was_finished(store: MlflowStore) -> None:
    parent = store.open_sweep(study="s", tags={}, params={})
    trial = begin(store, parent, 0)
    begin(store, trial.run_id, 0, "seed", sweep=parent, seed="0").finish("complete")
    begin(store, trial.run_id, 0, "seed", sweep=parent, seed="1")
    other = store.open_sweep(study="another", tags={}, params={})
    begin(store, other, 0, "seed", sweep=other, seed="0")
    assert store.reconcile(parent, {0: "lost"}, {0: trial.run_id}) == 2
    assert ends(store.runs(parent)) == {0: ("KILLED", "lost")}
    assert {run.tag("seed"): run.status for run in store.seed_runs(parent)} == {"0": "FINISHED", "1": "KILLED"}
    assert ends(store.seed_runs(other)) == {0: ("RUNNING", "running")}


def test_the_control_is_the_finished_plain_run_of_the_reference(store: MlflowStore) -> None:
    tags = {"fnmask.reference": "r1", "fnmask.control": "plain"}
    open_run = store.start_run(name="open", parent_run_id=None, params={}, tags=tags)
    assert store.find_control("r1") is None
    open_run.finish("failed:crash", "no memory")
    assert store.find_control("r1") is None
    store.start_run(
        name="down", parent_run_id=None, params={}, tags={**tags, "fnmask.control": "class_downweight"}
    ).finish("complete")
    assert store.find_control("r1") is None
    store.start_run(name="plain", parent_run_id=None, params={}, tags=tags).finish("complete")
    found = store.find_control("r1")
    assert found is not None
    assert found.name == "plain"
    assert store.find_control("r2") is None


# Each waits for the file `go`, so that all open the store at the same moment.
OPEN_TOGETHER = """
import sys, time
from pathlib import Path
from fnmask.tracking.mlflow_store import MlflowStore
root = Path(sys.argv[1])
(root / f"ready{sys.argv[2]}").touch()
while not (root / "go").exists():
    time.sleep(0.001)
print(MlflowStore(root, "fnmask").open_sweep(study=sys.argv[2], tags={}, params={}))
"""


@pytest.mark.slow
def test_processes_may_open_a_new_store_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_TOGETHER, str(tmp_path), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    while len(list(tmp_path.glob("ready*"))) < 3 and all(process.poll() is None for process in processes):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    store = MlflowStore(tmp_path, "fnmask", create=False)
    assert {store.find_sweep(str(number)).tag("study") for number in range(3)} == {"0", "1", "2"}


def test_runs_that_log_the_same_data_set_at_the_same_time_do_not_disturb_each_other(store: MlflowStore) -> None:
    data = [DatasetRecord("camvid", "ab" * 16, "train", "/data", 5)]
    others: list[MlflowTracker] = []

    @event.listens_for(Engine, "after_cursor_execute")
    def another_is_faster(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "FROM datasets" in statement and not others:
            others.append(None)  # type: ignore[arg-type]  # that one looks as well
            others[0] = MlflowStore(store.root, "fnmask").start_run(
                name="other", parent_run_id=None, params={}, tags={}, datasets=data
            )

    try:
        ours = store.start_run(name="ours", parent_run_id=None, params={}, tags={}, datasets=data)
    finally:
        event.remove(Engine, "after_cursor_execute", another_is_faster)
    assert [store.find_run(run.run_id).datasets for run in (ours, *others)] == [tuple(data)] * 2


def test_reading_makes_no_experiment(store: MlflowStore) -> None:
    with pytest.raises(ExperimentNotFoundError, match=r"'typo'.*fnmask.*--experiment NAME"):
        MlflowStore(store.root, "typo", create=False)
    assert client_of(store).get_experiment_by_name("typo") is None
    assert MlflowStore(store.root, "fnmask", create=False).find_control("r") is None


def test_sweeps_of_other_experiments_are_named(store: MlflowStore) -> None:
    MlflowStore(store.root, "other").open_sweep(study="theirs", tags={}, params={})
    with pytest.raises(SweepNotFoundError, match=r"in the experiment 'fnmask'.*other \(1\).*--experiment NAME"):
        store.find_sweep()
    store.open_sweep(study="ours", tags={}, params={})
    with pytest.raises(SweepNotFoundError, match=r"'theirs'.*newest ones are: ours.*other \(1\)"):
        store.find_sweep("theirs")


def test_environment_variable_wins(tmp_path: Path, empty_mlflow: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "central.db").write_bytes(empty_mlflow)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/central.db")
    MlflowStore(tmp_path / "project", "fnmask").start_run(name="x", parent_run_id=None, params={}, tags={})
    assert not (tmp_path / "project" / "mlflow.db").exists()


def test_a_deleted_experiment_is_refused(store: MlflowStore) -> None:
    client = client_of(store)
    client.delete_experiment(client.get_experiment_by_name("fnmask").experiment_id)
    with pytest.raises(ValueError, match="mlflow experiments restore"):
        MlflowStore(store.root, "fnmask")


def test_import_turns_reports_off_and_forgets_a_run_id() -> None:
    code = (
        "import os, sys; import fnmask.tracking.mlflow_store; "
        "print(os.environ['MLFLOW_DISABLE_TELEMETRY'], 'MLFLOW_RUN_ID' in os.environ, 'tensorflow' in sys.modules, "
        "'keras' in sys.modules)"
    )
    environment = {**os.environ, "MLFLOW_RUN_ID": "abc"}
    environment.pop("MLFLOW_DISABLE_TELEMETRY", None)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.split() == ["true", "False", "False", "False"]


def test_a_sweep_closes_with_the_steps_of_its_trainings(tmp_path):
    store = MlflowStore(tmp_path, "fnmask")
    sweep = store.open_sweep(study="steps", tags={}, params={})
    for steps, shared in ((10, 0), (10, 6)):
        tracker = store.start_run(name="trial", parent_run_id=sweep, params={}, tags={"fnmask.kind": "trial"})
        tracker.log_metrics({"engine/steps": steps, "engine/shared_steps": shared, "val/miou": 0.5}, step=1)
        tracker.finish("complete")
    store.close_sweep(sweep, "finished")
    assert store.find_sweep("steps").metrics == {"engine/steps": 20, "engine/shared_steps": 6}
