"""The worker: ask for a trial, run it, tell how it ended, until the budget is finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from fnmask.binding import ConfigError
from fnmask.config import TrialConfig
from fnmask.outcomes import classify, describe
from fnmask.progress import SweepProgress
from fnmask.recording import Labels, Record, run_recorded, variant_label
from fnmask.sweep.composer import Composer, check_job
from fnmask.sweep.grammar import Value
from fnmask.sweep.plan import Plan
from fnmask.sweep.study import (
    CONTROL,
    HELD,
    MATRIX,
    OUTCOME,
    OVERRIDES,
    REASON,
    REFERENCE,
    RUN_ID,
    ask_next,
    failures_in_a_row,
    find_control_matrix,
    finished,
)
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.trial import Control
from fnmask.workbench import Workbench


@dataclass
class Worker:
    """Runs the trials of one study in this process.

    Attributes:
        plan: the checked sweep.
        composer: composes the trials.
        context: Hydra's, for its job callbacks.
        study: the opened Optuna study.
        store: tracking store, or None.
        parent_run_id: of the sweep in the store.
        progress: what the person sees.
    """

    plan: Plan
    composer: Composer
    context: HydraContext
    study: optuna.Study
    store: MlflowStore | None
    parent_run_id: str | None
    progress: SweepProgress
    workbench: Workbench = field(default_factory=Workbench)

    def run(self) -> str:
        """Run trials until the budget is finished.

        Returns:
            The sweep's outcome: `finished`, `stopped` (too many failures in a row) or `incomplete` (a grid's
            combinations failed).

        Raises:
            KeyboardInterrupt: after the running trial was recorded as interrupted.
        """
        tried: list[Mapping[str, Value]] = []
        begun = len(self.study.get_trials(deepcopy=False))
        while len(finished(self.study)) < self.plan.n_trials:
            trial = ask_next(self.study, self.plan.controls, self.plan.grid, tried)
            if trial is None:
                return "incomplete"
            self._run_trial(trial)
            tried.append(trial.params)
            if failures_in_a_row(self.study, since=begun) >= self.plan.study.max_failures:
                return "stopped"
        return "finished"

    def _run_trial(self, trial: optuna.Trial) -> None:
        chosen: dict[str, Value] = {}
        if CONTROL in trial.user_attrs:
            chosen, overrides = trial.user_attrs[HELD], tuple(trial.user_attrs[OVERRIDES])
        else:
            chosen = self.plan.space.suggest(trial)
            overrides = self.plan.overrides(chosen)
        try:
            cfg = self.composer.compose(overrides, job_number=trial.number, folder=f"{self.plan.name}/{trial.number}")
            record = self._run_job(cfg, trial, chosen)
        except ConfigError as error:
            self._tell(trial, classify(error), describe(error))
            return
        if record.result is None:
            self._tell(trial, record.outcome, record.reason)
        else:
            self._tell(trial, record.outcome, values=[record.result.metrics[key] for key in self._objectives])
        if isinstance(record.error, KeyboardInterrupt):
            raise record.error

    def _tell(self, trial: optuna.Trial, outcome: str, reason: str = "", values: Sequence[float] | None = None) -> None:
        trial.set_user_attr(OUTCOME, outcome)
        trial.set_user_attr(REASON, reason)
        if values is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, list(values))
        told = "   ".join(f"{key} {value:.3f}" for key, value in zip(self._objectives, values or (), strict=False))
        self.progress.end_trial(outcome, told or reason)

    @property
    def _objectives(self) -> tuple[str, ...]:
        return tuple(self.plan.study.directions)

    def _run_job(self, cfg: DictConfig, trial: optuna.Trial, chosen: Mapping[str, Value]) -> Record:
        """Run the trial as a job of Hydra's: with its folder, its log file and its callbacks."""
        returned = run_job(
            task_function=lambda _: self._task(cfg, trial, chosen),
            config=cfg,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        record: Record = returned.return_value
        return record

    def _task(self, cfg: DictConfig, trial: optuna.Trial, chosen: Mapping[str, Value]) -> Record:
        config = check_job(cfg)
        control_name = trial.user_attrs.get(CONTROL, "")
        self.progress.begin_trial(variant_label(config, chosen), config.trainer.epochs)
        record = run_recorded(
            config,
            Labels("trial", self.plan.name, trial.number, control_name, self.parent_run_id, chosen),
            store=self.store,
            workbench=self.workbench,
            control=self._control(config, control_name),
            objectives=self._objectives,
            on_epoch=lambda epoch, metrics: self.progress.end_epoch(epoch, metrics["val/miou"]),
        )
        trial.set_user_attr(RUN_ID, record.run_id)
        trial.set_user_attr(REFERENCE, config.reference)
        if record.result is not None and control_name == "plain":
            trial.set_user_attr(MATRIX, record.result.val.sum(axis=0).tolist())
        return record

    def _control(self, config: TrialConfig, control_name: str) -> Control:
        if control_name == "plain":
            return "itself"
        matrix = find_control_matrix(self.study, config.reference)
        return None if matrix is None else np.array(matrix, np.int64)
