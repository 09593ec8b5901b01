"""One run in MLflow: what is written to it while it goes on, and the record that is read back."""

import functools
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from fnmask.tracking.mlflow_client import (
    ArtifactRepository,
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    MlflowClient,
    Param,
    Run,
    RunTag,
    artifacts_of,
)
from fnmask.tracking.records import DatasetRecord, RunRecord
from fnmask.tracking.tracker import NO_TAGS, check_artifact_name, status_of

IMAGES_TAG = "fnmask.n_images"
CONTEXT_TAG = "mlflow.data.context"
_MAX_PER_BATCH = 100
_MAX_VALUE_CHARACTERS = 6000
_MAX_DIGEST_CHARACTERS = 36


class MlflowTracker:
    """Reports one run to MLflow. Made by `MlflowStore.start_run`; follows `fnmask.tracking.tracker.Tracker`."""

    def __init__(self, client: MlflowClient, run_id: str, artifact_uri: str | None = None) -> None:
        self._client = client
        self.run_id = run_id
        self._artifact_uri = artifact_uri

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
            self._artifacts.log_artifact(str(path), folder or None)  # type: ignore[no-untyped-call]

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or overwrite tags."""
        for pairs in _chunks(tags):
            self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in pairs], synchronous=True)

    def log_params(self, params: Mapping[str, str]) -> None:
        """Record flat parameters; MLflow refuses to change one later."""
        for pairs in _chunks(params):
            self._client.log_batch(self.run_id, params=[Param(key, value) for key, value in pairs], synchronous=True)

    def finish(self, outcome: str, reason: str = "", tags: Mapping[str, str] = NO_TAGS) -> None:
        """Close the run with the status that belongs to the outcome."""
        # Tags first: whoever sees a closed run must also see how it ended.
        status = status_of(outcome)
        self.set_tags({**tags, "fnmask.outcome": outcome, "fnmask.reason": reason})
        self._client.set_terminated(self.run_id, status=status)

    @functools.cached_property
    def _artifacts(self) -> ArtifactRepository:
        return artifacts_of(self._client, self.run_id, self._artifact_uri)


def dataset_input(record: DatasetRecord) -> DatasetInput:
    """A split as MLflow's data set input."""
    # The split is part of the name: MLflow keeps one input for each (name, digest) and drops the others unseen.
    dataset = Dataset(
        name=f"{record.name}/{record.context}",
        digest=record.digest[:_MAX_DIGEST_CHARACTERS],
        source_type="local",
        source=record.source,
    )
    tags = [InputTag(CONTEXT_TAG, record.context), InputTag(IMAGES_TAG, str(record.n_images))]
    return DatasetInput(dataset, tags)


def read_run(run: Run) -> RunRecord:
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


def _read_dataset(entry: DatasetInput) -> DatasetRecord:
    """A split read back from MLflow."""
    tags = {tag.key: tag.value for tag in entry.tags}
    own = entry.dataset
    return make_dataset_record(own.name, own.digest, own.source, tags.get(CONTEXT_TAG, ""), tags.get(IMAGES_TAG, "0"))


def make_dataset_record(name: str, digest: str, source: str, context: str, n_images: str) -> DatasetRecord:
    """A split from the texts that MLflow holds of it; see `dataset_input`."""
    return DatasetRecord(name.removesuffix(f"/{context}"), digest, context, source, int(n_images))


def _chunks(texts: Mapping[str, str]) -> Iterator[list[tuple[str, str]]]:
    """Pairs in pieces as long as MLflow takes in one call, values cut to the length that it takes."""
    pairs = [(key, value[:_MAX_VALUE_CHARACTERS]) for key, value in texts.items()]
    for start in range(0, len(pairs), _MAX_PER_BATCH):
        yield pairs[start : start + _MAX_PER_BATCH]
