"""Runs read from MLflow's tables at once, and files from its folders: for sweeps of thousands of trials.

MLflow's own search makes an object of every parameter and metric, some six milliseconds for a run. Here the same rows
are read as they are, through MLflow's own models of its tables. Where there is only a server, its search is used.
"""

import gc
import math
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select

from fnmask.tracking.mlflow_client import MlflowClient, database_models, database_session, local_path
from fnmask.tracking.mlflow_run import CONTEXT_TAG, IMAGES_TAG, make_dataset_record
from fnmask.tracking.records import DatasetRecord, RunRecord

_ROWS_AT_ONCE = 10_000

# Runs, and where the files of each lie; None where the store is no database of this process.
Found = tuple[list[RunRecord], dict[str, str]] | None


def read_runs(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> Found:
    """The runs of an experiment that have all of these tags, newest first, as MLflow's search gives them.

    Args:
        client: of the store.
        experiment_id: of the experiment.
        tags: values by the name of the tag; at least one.

    Returns:
        The runs, and where the files of each lie; None where the store is no database of this process.
    """
    models = database_models()
    chosen = select(models.SqlRun.run_uuid).where(
        models.SqlRun.experiment_id == int(experiment_id), models.SqlRun.lifecycle_stage == "active"
    )
    for key, value in tags.items():
        own = select(models.SqlTag.run_uuid).where(models.SqlTag.key == key, models.SqlTag.value == value)
        chosen = chosen.where(models.SqlRun.run_uuid.in_(own))
    with database_session(client) as session, _no_collection():
        if session is None:
            return None
        run = models.SqlRun
        columns = (run.run_uuid, run.name, run.status, run.start_time, run.end_time, run.artifact_uri)
        listed = session.execute(
            select(*columns).where(run.run_uuid.in_(chosen)).order_by(run.start_time.desc(), run.run_uuid)
        ).all()
        texts = {model: _texts(session, model, chosen) for model in (models.SqlTag, models.SqlParam)}
        metrics = _metrics(session, models.SqlLatestMetric, chosen)
        datasets = _datasets(session, models, chosen)
    records = [
        RunRecord(
            run_id=run_id,
            name=name or "",
            status=status,
            tags={key: text for key, text in texts[models.SqlTag][run_id].items() if not key.startswith("mlflow.")},
            params=texts[models.SqlParam][run_id],
            metrics=metrics[run_id],
            start_ms=begin_ms,
            end_ms=end_ms,
            datasets=datasets[run_id],
        )
        for run_id, name, status, begin_ms, end_ms, _ in listed
    ]
    return records, {run_id: artifact_uri for run_id, *_, artifact_uri in listed}


def read_file(artifact_uri: str | None, name: str) -> bytes | None:
    """The content of a run's file in a folder of this machine; None where it lies elsewhere, or is not there."""
    folder = None if artifact_uri is None else local_path(artifact_uri)
    try:
        return None if folder is None else Path(folder, name).read_bytes()
    except OSError:
        return None


def has_file(artifact_uri: str | None, name: str) -> bool | None:
    """Whether a run has a file in a folder of this machine; None where they lie elsewhere."""
    folder = None if artifact_uri is None else local_path(artifact_uri)
    return None if folder is None else Path(folder, name).is_file()


def list_files(artifact_uri: str | None, folder: str) -> tuple[str, ...] | None:
    """The files of a run directly inside a folder of this machine; None where they lie elsewhere."""
    root = None if artifact_uri is None else local_path(artifact_uri)
    if root is None:
        return None
    try:
        with os.scandir(Path(root, folder)) as entries:
            found = sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return ()
    return tuple(f"{folder}/{name}" if folder else name for name in found)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for circles among millions of texts, of which there are none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _texts(session: Any, model: Any, chosen: Select[Any]) -> defaultdict[str, dict[str, str]]:
    """Tags or parameters by run. Keys and most values are the same in all runs: each is held once."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for run_id, key, value in _rows(session, select(model.run_uuid, model.key, model.value), model, chosen):
        found[run_id][sys.intern(key)] = sys.intern(value or "")
    return found


def _metrics(session: Any, model: Any, chosen: Select[Any]) -> defaultdict[str, dict[str, float]]:
    """Last values by run."""
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    wanted = select(model.run_uuid, model.key, model.value, model.is_nan)
    for run_id, key, value, is_nan in _rows(session, wanted, model, chosen):
        found[run_id][sys.intern(key)] = math.nan if is_nan else value
    return found


def _rows(session: Any, wanted: Select[Any], model: Any, chosen: Select[Any]) -> Iterator[Any]:
    """Rows of the runs, as the database's own driver gives them: texts and numbers need nothing of SQLAlchemy."""
    cursor = session.connection().execute(wanted.where(model.run_uuid.in_(chosen))).cursor
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _datasets(session: Any, models: Any, chosen: Select[Any]) -> defaultdict[str, tuple[DatasetRecord, ...]]:
    """Data sets by run, in the order in which MLflow gives them."""
    own, used, tag = models.SqlDataset, models.SqlInput, models.SqlInputTag
    rows = session.execute(
        select(used.destination_id, own.dataset_uuid, own.name, own.digest, own.dataset_source, tag.name, tag.value)
        .select_from(used)
        .join(own, used.source_id == own.dataset_uuid)
        .outerjoin(tag, tag.input_uuid == used.input_uuid)
        .where(used.destination_type == "RUN", used.destination_id.in_(chosen))
        .order_by(used.destination_id)
    )
    told: defaultdict[str, dict[str, tuple[str, str, str, dict[str, str]]]] = defaultdict(dict)
    for run_id, dataset_id, name, digest, source, key, value in rows:
        kept = told[run_id].setdefault(dataset_id, (name, digest, source, {}))
        if key is not None:
            kept[3][key] = value
    found: defaultdict[str, tuple[DatasetRecord, ...]] = defaultdict(tuple)
    known: dict[DatasetRecord, DatasetRecord] = {}
    for run_id, inputs in told.items():
        records = (
            make_dataset_record(name, digest, source, tags.get(CONTEXT_TAG, ""), tags.get(IMAGES_TAG, "0"))
            for name, digest, source, tags in inputs.values()
        )
        found[run_id] = tuple(known.setdefault(record, record) for record in records)
    return found
