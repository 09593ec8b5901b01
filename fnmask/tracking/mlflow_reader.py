"""Runs in MLflow, found and read back."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from fnmask.tracking.mlflow_client import (
    ArtifactRepository,
    MlflowException,
    Run,
    artifacts_of,
    list_experiments,
    open_experiment,
    patiently,
)
from fnmask.tracking.mlflow_run import read_run
from fnmask.tracking.mlflow_tables import Found, has_file, list_files, read_file, read_runs
from fnmask.tracking.records import RunNotFoundError, RunRecord, SweepNotFoundError, quote_for_filter

PARENT_TAG = "mlflow.parentRunId"
IS_SWEEP = "tags.`fnmask.kind` = 'sweep'"


class MlflowReader:
    """What `MlflowStore` reads; its base, with the same arguments."""

    def __init__(self, root: Path, experiment: str, *, create: bool = True) -> None:
        self.root = root.resolve()
        self.experiment = experiment
        self._artifact_uris: dict[str, str] = {}
        self._client, self._experiment_id = open_experiment(self.root, experiment, create=create)

    def runs(self, parent_run_id: str, where: str = "") -> list[RunRecord]:
        """The children of a run, oldest first.

        Args:
            parent_run_id: of the run.
            where: a filter as MLflow's own search takes it, such as ``params.`loss.alpha` = '0.25'``; empty for all.

        Raises:
            ValueError: not such a filter.
        """
        return self._with_tags({PARENT_TAG: parent_run_id}, where)

    def seed_runs(self, sweep_run_id: str, where: str = "") -> list[RunRecord]:
        """The seeds of all trials of a sweep that have several, oldest first; `where` as for `runs`."""
        return self._with_tags({"fnmask.sweep": sweep_run_id, "fnmask.kind": "seed"}, where)

    def _with_tags(self, tags: Mapping[str, str], where: str) -> list[RunRecord]:
        """Runs with these tags, oldest first."""
        if not where:
            found: Found = patiently(read_runs, self._client, self._experiment_id, tags)
            if found is not None:
                self._artifact_uris |= found[1]
                return found[0][::-1]
        wanted = " and ".join(f"tags.`{key}` = {quote_for_filter(value)}" for key, value in tags.items())
        try:
            return self._search(f"{wanted} and {where}" if where else wanted)[::-1]
        except MlflowException as error:
            if not where:
                raise
            reason = error.message.splitlines()[0].rstrip(".")
            raise ValueError(
                f"MLflow does not understand the filter {where!r}: {reason}. Write it as in its own search, "
                "such as params.`loss.alpha` = '0.25' and params.`seed` = '0'."
            ) from error

    def find_sweep(self, name_or_id: str | None = None) -> RunRecord:
        """A parent run by study name, run id or the beginning of one; None for the newest.

        Raises:
            SweepNotFoundError: none fits; the message lists the newest ones and the experiments that hold others.
        """
        sweeps = self._search(IS_SWEEP)
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

    def find_runs(self, where: str) -> list[RunRecord]:
        """All runs of the experiment that fit a filter of MLflow's search, newest first."""
        return self._search(where)

    def find_run(self, run_id: str) -> RunRecord:
        """A run by its id, or by the beginning of one, of at least six characters.

        Raises:
            RunNotFoundError: there is none in this experiment, or several begin so.
        """
        found = []
        if len(run_id) >= 6 and run_id.isalnum():
            found = self._search(f"attributes.run_id LIKE '{run_id}%'")
        if len(found) == 1:
            return found[0]
        if found:
            raise RunNotFoundError(f"{len(found)} runs begin with {run_id!r}. Give more of the id.")
        raise RunNotFoundError(
            f"There is no run {run_id!r} in the experiment {self.experiment!r}. Give the id that MLflow's run page "
            "and the page of fnmask compare show, or its first six characters or more; another experiment by "
            "--experiment NAME."
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
        here = list_files(self._artifact_uris.get(run_id), folder)
        if here is not None:
            return here
        files = self._artifacts_of(run_id).list_artifacts(folder or None)
        return tuple(file.path for file in files if not file.is_dir)

    def has_artifact(self, run_id: str, name: str) -> bool:
        """Whether a run has a file of this name."""
        here = has_file(self._artifact_uris.get(run_id), name)
        return name in self.artifact_names(run_id, name.rpartition("/")[0]) if here is None else here

    def read_artifact(self, run_id: str, name: str) -> bytes:
        """The content of a run's file.

        Raises:
            FileNotFoundError: the run has no such file.
        """
        here = read_file(self._artifact_uris.get(run_id), name)
        if here is not None:
            return here
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
        sweeps = self._client.search_runs(list(names), filter_string=IS_SWEEP, max_results=1000)
        counts = Counter(names[str(run.info.experiment_id)] for run in sweeps)
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        return f" Other experiments hold sweeps: {listed}. Choose one with --experiment NAME." if listed else ""
