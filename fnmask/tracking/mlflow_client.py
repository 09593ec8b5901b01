"""MLflow's client, opened without noise and by one process at a time. The only file that imports MLflow."""

import fcntl
import functools
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read by MLflow when it is imported: no usage reports, and no progress bar for files of a few kilobytes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# MLflow sets this one for child processes, and would then make every run of a worker the same run (MLflow #15713).
os.environ.pop("MLFLOW_RUN_ID", None)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, Run, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking import MlflowClient
    from mlflow.utils.file_utils import local_file_uri_to_path

from fnmask.tracking.records import ExperimentNotFoundError

__all__ = [
    "ArtifactRepository",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "Run",
    "RunTag",
    "artifacts_of",
    "database_models",
    "database_session",
    "list_experiments",
    "local_path",
    "open_experiment",
    "patiently",
]

_LOG = logging.getLogger(__name__)

DATABASE_NAME = "mlflow.db"

# Seconds that a database may be away, such as while PostgreSQL is restarted.
PATIENCE_S = 180.0

# What SQLite, PostgreSQL and MySQL say of a second row with the key of another one.
_WRITTEN_TWICE = ("UNIQUE constraint failed", "UniqueViolation", "Duplicate entry")


class PatientClient(MlflowClient):
    """MLflow's client, which calls again what may succeed the next time. A server that is away it waits for itself."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found if name.startswith("_") or not callable(found) else functools.partial(patiently, found)


def patiently(action: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """What the action returns, called again as long as the database is away or busy; for `PATIENCE_S` at most."""
    pause_s, deadline_s = 0.1, time.monotonic() + PATIENCE_S
    while True:
        try:
            return action(*given, **named)
        except MlflowException as error:
            away = error.error_code == "TEMPORARILY_UNAVAILABLE"
            if not (away or _was_written_twice(error)) or time.monotonic() > deadline_s:
                raise
            if away:
                told = str(error).partition("\n")[0]
                _LOG.warning("The tracking database does not answer (%s); trying again.", told)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 5.0)


def _was_written_twice(error: MlflowException) -> bool:
    """Whether another process wrote the same row between MLflow's look for it and its own write of it.

    Such as a data set of two runs that begin together. The next look finds it.
    """
    if error.error_code not in ("BAD_REQUEST", "INTERNAL_ERROR"):  # others, such as of experiments, MLflow knows itself
        return False
    return any(word in str(error) for word in _WRITTEN_TWICE)


def open_experiment(root: Path, name: str, *, create: bool) -> tuple[MlflowClient, str]:
    """Open the tracking store of a project and find an experiment in it.

    Args:
        root: absolute project root, whose `mlflow.db` is used unless `MLFLOW_TRACKING_URI` names another store.
        name: of the experiment.
        create: make the experiment when there is none.

    Returns:
        The client and the experiment's id.

    Raises:
        ExperimentNotFoundError: there is none and none may be made; lists those that there are.
        ValueError: the experiment was deleted in MLflow.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "") or f"sqlite:///{root / DATABASE_NAME}"
    if uri.startswith(("http:", "https:")):
        # A server makes its own tables, and decides itself where files go.
        client = _quiet_client(uri)
        return client, _find_experiment(client, name, None, create=create)
    with _only_process(root / "mlruns" / ".store.lock"):
        client = _quiet_client(uri)
        return client, _find_experiment(client, name, str(root / "mlruns" / name), create=create)


def list_experiments(client: MlflowClient) -> dict[str, str]:
    """Names of the experiments that are not deleted, by id."""
    return {str(found.experiment_id): str(found.name) for found in client.search_experiments()}


def artifacts_of(client: MlflowClient, run_id: str, artifact_uri: str | None) -> ArtifactRepository:
    """Where the files of a run lie.

    Args:
        client: of the store.
        run_id: of the run.
        artifact_uri: from the run, if it is known: the client's own calls ask the store for it, for every run.
    """
    if artifact_uri is None:
        artifact_uri = str(client.get_run(run_id).info.artifact_uri)
    return get_artifact_repository(artifact_uri, tracking_uri=client.tracking_uri)


def database_models() -> Any:
    """MLflow's models of its tables: a module."""
    from mlflow.store.tracking.dbmodels import models

    return models


@contextmanager
def database_session(client: MlflowClient) -> Iterator[Any]:
    """A session of SQLAlchemy on MLflow's database, None for a store that is none."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = client._tracking_client.store
    if not isinstance(store, SqlAlchemyStore):
        yield None
        return
    with store.ManagedSessionMaker() as session:
        yield session


def local_path(artifact_uri: str) -> str | None:
    """The folder of a run's files, None where they lie on another machine."""
    if artifact_uri.startswith("file:"):
        return str(local_file_uri_to_path(artifact_uri))  # type: ignore[no-untyped-call]
    return artifact_uri if artifact_uri.startswith("/") else None


@contextmanager
def _only_process(lock_file: Path) -> Iterator[None]:
    """Wait for the lock: of processes that make MLflow's tables at the same time all but one would crash."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _quiet_client(uri: str) -> MlflowClient:
    """A client whose store is loaded, without MLflow's notes on the tables that it makes."""
    # It notes with a whole traceback what it also raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # MLflow's models trip over deprecations of the newest SQLAlchemy when the store is first loaded.
        warnings.simplefilter("ignore")
        return PatientClient(tracking_uri=uri)


def _find_experiment(client: MlflowClient, name: str, location: str | None, *, create: bool) -> str:
    """The id of an experiment, made when there is none and that is allowed."""
    experiment: Experiment | None = client.get_experiment_by_name(name)
    if experiment is None and not create:
        known = ", ".join(sorted(list_experiments(client).values())) or "none"
        raise ExperimentNotFoundError(
            f"There is no MLflow experiment {name!r}. There are: {known}. Choose one with --experiment NAME."
        )
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # through a server, another process may have made it in between
            experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow experiment {name!r} was deleted. Bring it back with `mlflow experiments restore`, or choose "
            "another name with tracking.experiment=NAME."
        )
    return str(experiment.experiment_id)
