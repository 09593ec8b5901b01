"""Runs in MLflow: one parent for a sweep, one child for each trial."""

from collections.abc import Mapping, Sequence
from typing import Any

from fnmask.tracking.mlflow_notes import DESCRIPTION, VERDICT, describe_sweep, find_view_link, show_sweep
from fnmask.tracking.mlflow_reader import IS_SWEEP, PARENT_TAG, MlflowReader
from fnmask.tracking.mlflow_run import MlflowTracker, dataset_input
from fnmask.tracking.passwords import hide_in_text
from fnmask.tracking.records import DatasetRecord, flatten_params
from fnmask.tracking.runs_view import RunsView
from fnmask.tracking.tracker import status_of

# Steps that trials took, and those that others had taken for them.
SUMMED = ("engine/steps", "engine/shared_steps")


class MlflowStore(MlflowReader):
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

    def open_sweep(
        self,
        *,
        study: str,
        run_id: str | None = None,
        tags: Mapping[str, str],
        params: Mapping[str, object],
        description: str = "",
        view: RunsView | None = None,
    ) -> str:
        """Open the parent run of a study: the one of an earlier call, where `run_id` still names one, or a new one.

        A run is never found by the study's name: a study of that name in another storage has runs of its own.

        Tags replace those of the earlier call; of the parameters only new ones are written, since MLflow refuses to
        change one. The description is shown on the run's page, the view opens in the runs table by `view_link`.
        Returns the run id; the run's status is `RUNNING`.
        """
        own = {"fnmask.kind": "sweep", "fnmask.study": study, "fnmask.outcome": "running", "fnmask.reason": ""}
        found = [run for run in self._search(IS_SWEEP) if run.run_id == run_id] if run_id else []
        if run_id and found:
            self._client.update_run(run_id, status="RUNNING")
        else:
            run_id = str(self._client.create_run(self._experiment_id, run_name=study, tags=own).info.run_id)
        tracker = MlflowTracker(self._client, run_id)
        tracker.set_tags({**tags, **own})
        known = found[0].params if found else {}
        tracker.log_params({key: value for key, value in flatten_params(params).items() if key not in known})
        if view is not None:
            show_sweep(self._client, self._experiment_id, view, study=study, run_id=run_id)
        describe_sweep(self._client, self._experiment_id, run_id, {DESCRIPTION: hide_in_text(description)})
        return run_id

    def tell_verdict(self, run_id: str, verdict: str) -> None:
        """Put what a comparison says, in Markdown, on the page of a sweep; the last one stands."""
        describe_sweep(self._client, self._experiment_id, run_id, {VERDICT: hide_in_text(verdict)})

    def view_link(self, run_id: str) -> str | None:
        """Address of a sweep's view, behind that of MLflow's page; None for those of older versions."""
        return find_view_link(self._client, self._experiment_id, run_id)

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
            all_tags[PARENT_TAG] = parent_run_id
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

    def log_model(self, run_id: str, **what: Any) -> str:
        """Log a network with a run; see `fnmask.tracking.logged_model.log_model`."""
        # Here, since it loads the larger part of MLflow.
        from fnmask.tracking.logged_model import log_model

        return log_model(self._client, run_id, **what)

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
