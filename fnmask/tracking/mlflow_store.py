"""Runs in MLflow: one parent for a sweep, one child for each trial. The only file that imports MLflow."""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

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

from fnmask.tracking.records import DatasetRecord, RunRecord, SweepNotFoundError, flatten_params, quote_for_filter
from fnmask.tracking.tracker import check_artifact_name, status_of

DATABASE_NAME = "mlflow.db"

_PARENT_TAG = "mlflow.parentRunId"
_IMAGES_TAG = "fnmask.n_images"
_CONTEXT_TAG = "mlflow.data.context"
_MAX_PER_BATCH = 100
_MAX_VALUE_CHARACTERS = 6000
_MAX_DIGEST_CHARACTERS = 36


class MlflowTracker:
    """Reports one run to MLflow. Made by `MlflowStore.start_run`; follows `fnmask.tracking.tracker.Tracker`."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self.run_id = run_id

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the numbers of one step in one call; NaN values are left out."""
        now_ms = int(time.time() * 1000)
        known = [Metric(key, float(value), now_ms, step) for key, value in metrics.items() if value == value]
        if known:
            self._client.log_batch(self.run_id, metrics=known, synchronous=True)

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep the bytes as a file of the run."""
        check_artifact_name(name)
        folder, _, file_name = name.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary, file_name)
            path.write_bytes(content)
            self._client.log_artifact(self.run_id, str(path), folder or None)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or overwrite tags."""
        _set_tags(self._client, self.run_id, tags)

    def finish(self, outcome: str, reason: str = "") -> None:
        """Close the run with the status that belongs to the outcome."""
        # Tags first: whoever sees a closed run must also see how it ended.
        status = status_of(outcome)
        self.set_tags({"fnmask.outcome": outcome, "fnmask.reason": reason})
        self._client.set_terminated(self.run_id, status=status)


class MlflowStore:
    """All runs of one project, in `<root>/mlflow.db` with their files under `<root>/mlruns`.

    `MLFLOW_TRACKING_URI` wins over the database when it is set. Opening creates the database and the experiment;
    several processes must not do that at the same time for a new database, so whoever starts workers opens it first.

    Args:
        root: project root; a plain `mlflow ui` started there shows everything.
        experiment: name of the MLflow experiment.

    Raises:
        ValueError: the experiment was deleted in MLflow.
    """

    def __init__(self, root: Path, experiment: str) -> None:
        self.root = root.resolve()
        self._artifact_uris: dict[str, str] = {}
        uri = os.environ.get("MLFLOW_TRACKING_URI", "") or f"sqlite:///{self.root / DATABASE_NAME}"
        with warnings.catch_warnings():
            # MLflow's models trip over deprecations of the newest SQLAlchemy when the store is first loaded.
            warnings.simplefilter("ignore")
            self._client = _quiet_client(uri)
        # A server decides itself where files go; with a bare database that falls to us.
        location = None if uri.startswith(("http:", "https:")) else str(self.root / "mlruns" / experiment)
        self._experiment_id = _find_or_create_experiment(self._client, experiment, location)

    def open_sweep(self, *, study: str, tags: Mapping[str, str], params: Mapping[str, object]) -> str:
        """Open the parent run of a study: a new one, or the one of an earlier, unfinished call.

        Tags replace those of the earlier call; of the parameters only new ones are written, since MLflow refuses to
        change one. Returns the run id; the run's status is `RUNNING`.
        """
        own = {"fnmask.kind": "sweep", "fnmask.study": study, "fnmask.outcome": "running", "fnmask.reason": ""}
        found = self._search(
            f"tags.`fnmask.kind` = 'sweep' and tags.`fnmask.study` = {quote_for_filter(study)}", limit=1
        )
        if found:
            run_id = found[0].run_id
            self._client.update_run(run_id, status="RUNNING")
        else:
            run_id = self._client.create_run(self._experiment_id, run_name=study, tags=own).info.run_id
        _set_tags(self._client, run_id, {**tags, **own})
        known = found[0].params if found else {}
        _log_params(self._client, run_id, {k: v for k, v in flatten_params(params).items() if k not in known})
        return run_id

    def close_sweep(self, run_id: str, outcome: str) -> None:
        """Close a parent run with one of `tracker.SWEEP_OUTCOMES`."""
        MlflowTracker(self._client, run_id).finish(outcome)

    def start_run(
        self,
        *,
        name: str,
        parent_run_id: str | None,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        datasets: Sequence[DatasetRecord] = (),
    ) -> MlflowTracker:
        """Start a run and record what is known before the first step.

        Args:
            name: shown in the list of runs.
            parent_run_id: run of the sweep, or None for a run of its own.
            params: the resolved configuration, nested or flat, with the lineage.
            tags: about the run; `fnmask.outcome` is `running` until it is finished.
            datasets: the splits that the run uses.
        """
        all_tags = {"fnmask.outcome": "running", **tags}
        if parent_run_id is not None:
            all_tags[_PARENT_TAG] = parent_run_id
        run_id = self._client.create_run(self._experiment_id, run_name=name, tags=all_tags).info.run_id
        _log_params(self._client, run_id, flatten_params(params))
        if datasets:
            self._client.log_inputs(run_id, [_dataset_input(record) for record in datasets])
        return MlflowTracker(self._client, run_id)

    def attach(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Add files to a run, closed or not; names as in `Tracker.log_artifact`."""
        tracker = MlflowTracker(self._client, run_id)
        for name, content in files.items():
            tracker.log_artifact(name, content)

    def reconcile(self, parent_run_id: str, outcomes: Mapping[int, str]) -> int:
        """Close the trials that a killed process left open.

        `outcomes` comes from the study, by trial number; trials that it lacks, or calls `running` or `queued`, stay
        as they are. Returns the number of runs closed.
        """
        closed = 0
        for run in self.runs(parent_run_id):
            outcome = outcomes.get(run.trial, "running") if run.trial is not None else "running"
            if run.status == "RUNNING" and status_of(outcome) != "RUNNING":
                MlflowTracker(self._client, run.run_id).finish(outcome, run.tag("reason"))
                closed += 1
        return closed

    def runs(self, parent_run_id: str) -> list[RunRecord]:
        """The children of a run, oldest first."""
        return self._search(f"tags.`{_PARENT_TAG}` = {quote_for_filter(parent_run_id)}")[::-1]

    def find_sweep(self, name_or_id: str | None = None) -> RunRecord:
        """A parent run by study name, run id or the beginning of one; None for the newest.

        Raises:
            SweepNotFoundError: none fits; the message lists the newest ones.
        """
        sweeps = self._search("tags.`fnmask.kind` = 'sweep'")
        if not sweeps:
            raise SweepNotFoundError(
                "No sweep has been run yet. Start one: python train.py --multirun +sweeps=quickstart"
            )
        if name_or_id is None:
            return sweeps[0]
        for sweep in sweeps:
            if name_or_id == sweep.tag("study") or (len(name_or_id) >= 6 and sweep.run_id.startswith(name_or_id)):
                return sweep
        names = ", ".join(dict.fromkeys(sweep.tag("study") for sweep in sweeps[:10]))
        raise SweepNotFoundError(f"No sweep has the name or run id {name_or_id!r}. The newest ones are: {names}.")

    def find_control(self, reference: str) -> RunRecord | None:
        """The newest finished plain control with this reference (digest of seed, backbone and data), or None."""
        wanted = (
            f"tags.`fnmask.reference` = {quote_for_filter(reference)} and tags.`fnmask.control` = 'plain' "
            "and tags.`fnmask.outcome` != 'pruned' and attributes.status = 'FINISHED'"
        )
        found = self._search(wanted, limit=1)
        return found[0] if found else None

    def artifact_names(self, run_id: str, folder: str = "") -> tuple[str, ...]:
        """Names of the files of a run directly inside a folder; empty when there is no such folder."""
        files = self._artifacts_of(run_id).list_artifacts(folder or None)
        return tuple(file.path for file in files if not file.is_dir)

    def read_artifact(self, run_id: str, name: str) -> bytes:
        """The content of a run's file.

        Raises:
            FileNotFoundError: the run has no such file.
        """
        with tempfile.TemporaryDirectory() as temporary:
            try:
                path = str(self._artifacts_of(run_id).download_artifacts(name, temporary))  # type: ignore[no-untyped-call]
            except (OSError, MlflowException) as error:
                raise FileNotFoundError(f"Run {run_id} has no artifact {name!r}.") from error
            return Path(path).read_bytes()

    def _artifacts_of(self, run_id: str) -> ArtifactRepository:
        """Where the files of a run lie. The client's own calls ask the database four times for each file."""
        if run_id not in self._artifact_uris:
            self._artifact_uris[run_id] = str(self._client.get_run(run_id).info.artifact_uri)
        return get_artifact_repository(self._artifact_uris[run_id])

    def _search(self, filter_string: str, *, limit: int | None = None) -> list[RunRecord]:
        """Runs of the experiment that fit, newest first."""
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                filter_string=filter_string,
                max_results=limit or 1000,
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found.extend(page)
            token = page.token
            if not token or limit is not None:
                self._artifact_uris |= {run.info.run_id: run.info.artifact_uri for run in found}
                return [_read_run(run) for run in found]


def _quiet_client(uri: str) -> MlflowClient:
    """A client whose store is loaded, without MLflow's notes on the tables that it makes."""
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _find_or_create_experiment(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of an experiment, made when there is none."""
    experiment: Experiment | None = client.get_experiment_by_name(name)
    if experiment is None:
        with suppress(MlflowException):  # another process may have made it in between
            return str(client.create_experiment(name, artifact_location=location))
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        raise ValueError(
            f"The MLflow experiment {name!r} was deleted. Bring it back with `mlflow experiments restore`, or choose "
            "another name with tracking.experiment=NAME."
        )
    return str(experiment.experiment_id)


def _chunks(texts: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    """Pairs in pieces as long as MLflow takes in one call, values cut to the length that it takes."""
    pairs = [(key, value[:_MAX_VALUE_CHARACTERS]) for key, value in texts.items()]
    for start in range(0, len(pairs), _MAX_PER_BATCH):
        yield pairs[start : start + _MAX_PER_BATCH]


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    """Write parameters."""
    for pairs in _chunks(params):
        client.log_batch(run_id, params=[Param(key, value) for key, value in pairs], synchronous=True)


def _set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Write tags."""
    for pairs in _chunks(tags):
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in pairs], synchronous=True)


def _dataset_input(record: DatasetRecord) -> DatasetInput:
    """A split as MLflow's data set input."""
    # The split is part of the name: MLflow keeps one input for each (name, digest) and drops the others unseen.
    dataset = Dataset(
        name=f"{record.name}/{record.context}",
        digest=record.digest[:_MAX_DIGEST_CHARACTERS],
        source_type="local",
        source=record.source,
    )
    tags = [InputTag(_CONTEXT_TAG, record.context), InputTag(_IMAGES_TAG, str(record.n_images))]
    return DatasetInput(dataset, tags)


def _read_dataset(entry: DatasetInput) -> DatasetRecord:
    """A split read back from MLflow."""
    tags = {tag.key: tag.value for tag in entry.tags}
    context = tags.get(_CONTEXT_TAG, "")
    name = entry.dataset.name.removesuffix(f"/{context}")
    n_images = int(tags.get(_IMAGES_TAG, "0"))
    return DatasetRecord(name, entry.dataset.digest, context, entry.dataset.source, n_images)


def _read_run(run: Run) -> RunRecord:
    """A run read back from MLflow."""
    return RunRecord(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        tags={key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")},
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
        start_ms=run.info.start_time,
        end_ms=run.info.end_time,
        datasets=tuple(_read_dataset(entry) for entry in run.inputs.dataset_inputs) if run.inputs else (),
    )
