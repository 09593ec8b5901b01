"""Runs in MLflow: one parent for a sweep, one child for each trial."""

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fnmask.tracking.mlflow_client import (
    ArtifactRepository,
    MlflowException,
    Run,
    artifacts_of,
    list_experiments,
    open_experiment,
)
from fnmask.tracking.mlflow_run import MlflowTracker, dataset_input, read_run
from fnmask.tracking.records import DatasetRecord, RunRecord, SweepNotFoundError, flatten_params, quote_for_filter
from fnmask.tracking.tracker import status_of

# Steps that trials took, and those that others had taken for them.
SUMMED = ("engine/steps", "engine/shared_steps")

_PARENT_TAG = "mlflow.parentRunId"
_IS_SWEEP = "tags.`fnmask.kind` = 'sweep'"


class MlflowStore:
    """All runs of one project, in `<root>/mlflow.db` with their files under `<root>/mlruns`.

    `MLFLOW_TRACKING_URI` wins over the database when it is set. Opening makes the database and the experiment;
    several processes may do that at the same time.

    Args:
        root: project root; a plain `mlflow ui` started there shows everything.
        experiment: name of the MLflow experiment.
        create: make the experiment when there is none. False to read: a misspelt name makes nothing.

    Raises:
        ExperimentNotFoundError: there is no such experiment, and `create` is false.
        ValueError: the experiment was deleted in MLflow.
    """

    def __init__(self, root: Path, experiment: str, *, create: bool = True) -> None:
        self.root = root.resolve()
        self.experiment = experiment
        self._artifact_uris: dict[str, str] = {}
        self._client, self._experiment_id = open_experiment(self.root, experiment, create=create)

    def open_sweep(
        self, *, study: str, run_id: str | None = None, tags: Mapping[str, str], params: Mapping[str, object]
    ) -> str:
        """Open the parent run of a study: the one of an earlier call, where `run_id` still names one, or a new one.

        A run is never found by the study's name: a study of that name in another storage has runs of its own.

        Tags replace those of the earlier call; of the parameters only new ones are written, since MLflow refuses to
        change one. Returns the run id; the run's status is `RUNNING`.
        """
        own = {"fnmask.kind": "sweep", "fnmask.study": study, "fnmask.outcome": "running", "fnmask.reason": ""}
        found = [run for run in self._search(_IS_SWEEP) if run.run_id == run_id] if run_id else []
        if run_id and found:
            self._client.update_run(run_id, status="RUNNING")
        else:
            run_id = str(self._client.create_run(self._experiment_id, run_name=study, tags=own).info.run_id)
        tracker = MlflowTracker(self._client, run_id)
        tracker.set_tags({**tags, **own})
        known = found[0].params if found else {}
        tracker.log_params({key: value for key, value in flatten_params(params).items() if key not in known})
        return run_id

    def close_sweep(self, run_id: str, outcome: str) -> None:
        """Close a parent run with one of `tracker.SWEEP_OUTCOMES`, and sum up those metrics of its trainings."""
        tracker, trainings = MlflowTracker(self._client, run_id), (*self.runs(run_id), *self.seed_runs(run_id))
        told = [key for key in SUMMED if any(key in run.metrics for run in trainings)]
        sums = {key: sum(run.metrics.get(key, 0.0) for run in trainings) for key in told}
        tracker.log_metrics(sums, step=len(trainings))
        tracker.finish(outcome)

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
        run = self._client.create_run(self._experiment_id, run_name=name, tags=all_tags)
        run_id = run.info.run_id
        tracker = MlflowTracker(self._client, run_id, run.info.artifact_uri)
        tracker.log_params(flatten_params(params))
        if datasets:
            self._client.log_inputs(run_id, [dataset_input(record) for record in datasets])
        return tracker

    def attach(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Add files to a run, closed or not; names as in `Tracker.log_artifact`."""
        tracker = MlflowTracker(self._client, run_id)
        for name, content in files.items():
            tracker.log_artifact(name, content)

    def reconcile(self, parent_run_id: str, outcomes: Mapping[int, str], run_ids: Mapping[int, str]) -> int:
        """Close what killed processes left open, as the study says that it ended.

        Args:
            parent_run_id: of the sweep.
            outcomes: by trial number; trials that it lacks, or calls `running` or `queued`, stay as they are.
            run_ids: by trial number, the run that the study holds for it. Another one of that number is left over from
                a call that the store answered too late, and is lost.

        Returns:
            The number of runs closed.
        """
        closed = 0
        for run in (*self.runs(parent_run_id), *self.seed_runs(parent_run_id)):
            outcome = outcomes.get(run.trial, "running") if run.trial is not None else "running"
            if run.tag("kind") == "trial" and run.trial is not None:
                known = run_ids.get(run.trial, "")
                outcome = "lost" if known not in ("", run.run_id) else outcome
            # A run may say that it is complete where the study has given its trial up: there the study is right.
            given_up = run.tag("kind") == "trial" and status_of(outcome) in ("KILLED", "FAILED")
            left_open = run.status == "RUNNING" and status_of(outcome) != "RUNNING"
            if left_open or (given_up and run.status == "FINISHED"):
                MlflowTracker(self._client, run.run_id).finish(outcome, run.tag("reason"))
                closed += 1
        return closed

    def runs(self, parent_run_id: str, where: str = "") -> list[RunRecord]:
        """The children of a run, oldest first.

        Args:
            parent_run_id: of the run.
            where: a filter as MLflow's own search takes it, such as ``params.`loss.alpha` = '0.25'``; empty for all.

        Raises:
            ValueError: not such a filter.
        """
        return self._search_where(f"tags.`{_PARENT_TAG}` = {quote_for_filter(parent_run_id)}", where)

    def seed_runs(self, sweep_run_id: str, where: str = "") -> list[RunRecord]:
        """The seeds of all trials of a sweep that have several, oldest first; `where` as for `runs`."""
        wanted = f"tags.`fnmask.sweep` = {quote_for_filter(sweep_run_id)} and tags.`fnmask.kind` = 'seed'"
        return self._search_where(wanted, where)

    def _search_where(self, wanted: str, where: str) -> list[RunRecord]:
        try:
            return self._search(f"{wanted} and {where}" if where else wanted)[::-1]
        except MlflowException as error:
            if not where:
                raise
            raise ValueError(
                f"MLflow does not understand the filter {where!r}: {error.message.splitlines()[0]} Write it as in its "
                "own search, such as params.`loss.alpha` = '0.25' and params.`seed` = '0'."
            ) from error

    def find_sweep(self, name_or_id: str | None = None) -> RunRecord:
        """A parent run by study name, run id or the beginning of one; None for the newest.

        Raises:
            SweepNotFoundError: none fits; the message lists the newest ones and the experiments that hold others.
        """
        sweeps = self._search(_IS_SWEEP)
        if not sweeps:
            elsewhere = self._sweeps_elsewhere()
            raise SweepNotFoundError(
                f"No sweep has been run in the experiment {self.experiment!r}.{elsewhere}"
                if elsewhere
                else "No sweep has been run yet. Start one: python train.py --multirun +sweeps=quickstart"
            )
        if name_or_id is None:
            return sweeps[0]
        for sweep in sweeps:
            if name_or_id == sweep.tag("study") or (len(name_or_id) >= 6 and sweep.run_id.startswith(name_or_id)):
                return sweep
        names = ", ".join(dict.fromkeys(sweep.tag("study") for sweep in sweeps[:10]))
        raise SweepNotFoundError(
            f"No sweep has the name or run id {name_or_id!r}. The newest ones are: {names}.{self._sweeps_elsewhere()}"
        )

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

    def history(self, run_id: str, key: str) -> dict[int, float]:
        """The values of a metric by step, the newest where a step has several; empty when it was not logged."""
        return {int(told.step): float(told.value) for told in self._client.get_metric_history(run_id, key)}

    def _artifacts_of(self, run_id: str) -> ArtifactRepository:
        return artifacts_of(self._client, run_id, self._artifact_uris.get(run_id))

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
                return [read_run(run) for run in found]

    def _sweeps_elsewhere(self) -> str:
        """A sentence that names the other experiments with sweeps, or nothing."""
        names = list_experiments(self._client)
        names.pop(self._experiment_id, None)
        if not names:
            return ""
        sweeps = self._client.search_runs(list(names), filter_string=_IS_SWEEP, max_results=1000)
        counts = Counter(names[str(run.info.experiment_id)] for run in sweeps)
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        return f" Other experiments hold sweeps: {listed}. Choose one with --experiment NAME." if listed else ""
