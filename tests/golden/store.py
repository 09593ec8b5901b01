"""A small real sweep as texts and small files, and MLflow's store made of them again, down to ids and times."""

import json
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RUNS, FILES = HERE / "runs.json", HERE / "files"
STUDY = "golden"

# What the comparison can read of a run's numbers, and what it is called by.
_METRICS = ("val/miou", "val/iou/", "train/", "tradeoff/")
_SPLIT_FILES = ("confusion/val.npz", "confusion/test.npz", "frontier/val.npz", "frontier/test.npz", "classes.json")

# What versions before wrote none of.
_NEW_TAGS = ("mlflow.note.content", "fnmask.description", "fnmask.verdict", "fnmask.sweep", "fnmask.fingerprint")
_NEW_PARAMS = ("trainer.share_", "trainer.cache_", "trainer.features_", "trainer.n_devices", "study.", "lineage.")
_NEW_METRICS = ("tradeoff/target_precision", "tradeoff/target_recall")


def dump(root: Path) -> None:
    """Write the sweep of a project's store into this folder, in place of what is there.

    Args:
        root: project with one sweep, called `golden`.
    """
    database = sqlite3.connect(root / "mlflow.db")
    database.row_factory = sqlite3.Row
    rows = [dict(row) for row in database.execute("SELECT * FROM runs ORDER BY start_time")]
    shutil.rmtree(FILES, ignore_errors=True)
    runs = []
    for number, row in enumerate(rows):
        run_id = row["run_uuid"]
        metrics: dict[str, list[list[float]]] = {}
        told = "SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY key, step"
        for key, step, value in database.execute(told, [run_id]):
            if key.startswith(_METRICS):
                metrics.setdefault(key, []).append([step, float(f"{value:.6g}")])
        inputs = database.execute(
            "SELECT dataset_uuid, input_uuid FROM inputs JOIN datasets ON source_id = dataset_uuid "
            "WHERE destination_id = ? ORDER BY name",
            [run_id],
        )
        runs.append(
            {
                **{key: row[key] for key in ("run_uuid", "name", "status", "start_time", "end_time")},
                "tags": _pairs(database, "tags", run_id),
                "params": _pairs(database, "params", run_id),
                "metrics": metrics,
                "inputs": [list(one) for one in inputs],
            }
        )
        for name in _SPLIT_FILES:
            path = root / "mlruns" / "fnmask" / run_id / "artifacts" / name
            if path.is_file():
                aim = FILES / f"{number:02}" / name
                aim.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, aim)
    shared = dict(set.intersection(*(set(run["params"].items()) for run in runs[1:])))
    for run in runs[1:]:
        run["params"] = {key: value for key, value in run["params"].items() if key not in shared}
    content = {
        "shared_params": {**dict(sorted(shared.items())), "root": ".", "lineage.platform": "Linux"},
        "datasets": [dict(row) for row in database.execute("SELECT * FROM datasets ORDER BY name")],
        "input_tags": [list(row) for row in database.execute("SELECT input_uuid, name, value FROM input_tags")],
        "runs": runs,
    }
    lines = json.dumps(content, indent=0, sort_keys=True, ensure_ascii=False).replace(str(root), ".")
    RUNS.write_text(lines + "\n", encoding="utf-8")


def rebuild(root: Path, empty_mlflow: bytes, *, older: bool = False) -> None:
    """Make the store again.

    Args:
        root: folder for `mlflow.db` and `mlruns`.
        empty_mlflow: a database with MLflow's tables.
        older: as a version before would have left it: without frontiers, descriptions, and tags that came later.
    """
    (root / "mlflow.db").write_bytes(empty_mlflow)
    content = json.loads(RUNS.read_text(encoding="utf-8"))
    database = sqlite3.connect(root / "mlflow.db")
    place = root / "mlruns" / "fnmask"
    (experiment,) = database.execute("SELECT max(experiment_id) + 1 FROM experiments").fetchone()
    _insert(database, "experiments", experiment_id=experiment, name="fnmask", artifact_location=str(place),
            lifecycle_stage="active", creation_time=0, last_update_time=0,
            **{"workspace": "default"} if "workspace" in _columns(database, "experiments") else {})  # fmt: skip
    for row in content["datasets"]:
        _insert(database, "datasets", **{**row, "experiment_id": experiment})
    inputs = {}
    for number, run in enumerate(content["runs"]):
        run_id = run["run_uuid"]
        times = {key: run[key] for key in ("name", "status", "start_time", "end_time")}
        _insert(database, "runs", run_uuid=run_id, experiment_id=experiment, lifecycle_stage="active", user_id="",
                source_type="UNKNOWN", artifact_uri=str(place / run_id / "artifacts"), **times)  # fmt: skip
        params = {**(content["shared_params"] if number else {}), **run["params"]}
        _insert_pairs(database, "tags", run_id, _without(run["tags"], _NEW_TAGS if older else ()))
        _insert_pairs(database, "params", run_id, _without(params, _NEW_PARAMS if older else ()))
        for key, steps in _without(run["metrics"], _NEW_METRICS if older else ()).items():
            for step, value in steps:
                _insert(database, "metrics", run_uuid=run_id, key=key, value=value, timestamp=0, step=step, is_nan=0)
            _insert(database, "latest_metrics", run_uuid=run_id, key=key, value=steps[-1][1], timestamp=0,
                    step=steps[-1][0], is_nan=0)  # fmt: skip
        for dataset_id, input_id in run["inputs"]:
            inputs[input_id] = run_id
            _insert(database, "inputs", input_uuid=input_id, source_type="DATASET", source_id=dataset_id,
                    destination_type="RUN", destination_id=run_id)  # fmt: skip
        own = FILES / f"{number:02}"
        if own.is_dir():
            left_out = shutil.ignore_patterns("frontier") if older else None
            shutil.copytree(own, place / run_id / "artifacts", ignore=left_out)
    for input_id, name, value in content["input_tags"]:
        if input_id in inputs:
            _insert(database, "input_tags", input_uuid=input_id, name=name, value=value)
    database.commit()
    database.close()


def _pairs(database: sqlite3.Connection, table: str, run_id: str) -> dict[str, str]:
    return dict(map(tuple, database.execute(f"SELECT key, value FROM {table} WHERE run_uuid = ?", [run_id])))


def _without(named: Mapping[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in named.items() if not key.startswith(prefixes)}


def _insert_pairs(database: sqlite3.Connection, table: str, run_id: str, named: Mapping[str, str]) -> None:
    for key, value in named.items():
        _insert(database, table, run_uuid=run_id, key=key, value=value)


def _insert(database: sqlite3.Connection, table: str, **row: Any) -> None:
    marks = ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
