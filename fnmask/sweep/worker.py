"""The worker: claim a trial, run it, tell how it ended, until there is nothing left to run."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import optuna
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.config import TrialConfig
from fnmask.losses.spec import TimingArguments
from fnmask.outcomes import ControlLost, TrialPruned, classify, describe
from fnmask.recording import Labels, Record, open_run, run_recorded, variant_label
from fnmask.result import Bench, Control, RunTrial
from fnmask.sweep.begin import Begun
from fnmask.sweep.claims import Claimed, Verdict, claim_trial, is_queued_again, requeue
from fnmask.sweep.composer import check_job
from fnmask.sweep.controls import setting_of
from fnmask.sweep.heartbeat import Heartbeat
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.machine import this_process
from fnmask.sweep.samplers import build_sampler
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import (
    ATTEMPT,
    BUDGET,
    CONTROL,
    LABEL,
    MATRICES,
    OUTCOME,
    OVERRIDES,
    REASON,
    REFERENCE,
    RETRY_OF,
    RUN_ID,
    SESSION,
    SETTING,
    find_control_matrices,
    outcome_of,
)
from fnmask.sweep.trial_report import TrialReport
from fnmask.tracking.tracker import MemoryTracker, Outcome, Tracker

_LOG = logging.getLogger(__name__)

# Seconds between two looks at a study in which others run what is left, or run the control that this worker needs.
_LOOK_AGAIN_S = 1.0


@dataclass
class Worker:
    """Runs trials of one study in this process.

    Attributes:
        begun: the sweep.
        context: Hydra's, for its job callbacks.
        run_trial: trains one trial.
        workbench: data and compiled steps, kept from trial to trial.
        interruption: how this process is asked to stop.
        index: of this worker, from 0: its sampler draws other values than those of the others.
    """

    begun: Begun
    context: HydraContext
    run_trial: RunTrial
    workbench: Bench
    interruption: Interruption
    index: int = 0
    _process: Mapping[str, str | int] = field(default_factory=this_process)

    def __post_init__(self) -> None:
        self.plan, self.study, self.store = self.begun.plan, self.begun.study, self.begun.store

    def run(self) -> Verdict:
        """Run trials until there are none left to run, or to be run here.

        Returns:
            How the sweep has ended: `finished`, `stopped` (too many failures in a row), `incomplete` (combinations of a
            grid failed) or `interrupted`.

        Raises:
            KeyboardInterrupt: after the running trial was cut short, recorded, and queued to be run again.
        """
        begun = len(self.study.get_trials(deepcopy=False))
        # Equal seeds would propose equal trials, in every worker and again in every call.
        seed = self.plan.study.seed + begun + 1_000_003 * self.index
        self.study.sampler = build_sampler(
            self.plan.study.sampler, seed=seed % 2**31, space=self.plan.space, session=self.begun.rules.session
        )
        if self.plan.pruner.optuna is not None:
            self.study.pruner = self.plan.pruner.optuna
        while not self.interruption.is_requested:
            claimed = self._claim()
            if isinstance(claimed, Claimed):
                self._run_trial(claimed)
            elif claimed == "wait":
                self.interruption.wait(_LOOK_AGAIN_S)
            else:
                return claimed
        return "interrupted"

    def _claim(self) -> Claimed | Verdict:
        with self.begun.locks.claim():
            attributes = self.study.user_attrs
            # A later call of the same command may have another budget.
            rules = replace(self.begun.rules, session=attributes[SESSION], n_trials=attributes[BUDGET])
            try:
                return claim_trial(self.study, self.begun.storage, rules, self._process, self.plan.space.suggest)
            except UpdateFinishedTrialError:
                # The lock was lost with a connection, and another process took this claim for a dead one's.
                return "wait"

    def _run_trial(self, claimed: Claimed) -> None:
        trial = claimed.trial
        is_control = CONTROL in trial.user_attrs
        overrides = tuple(trial.user_attrs[OVERRIDES]) if is_control else self.plan.overrides(claimed.chosen)
        report = TrialReport(
            study=self.study,
            trial=trial,
            directions=self.plan.study.directions,
            pruner=self.plan.pruner,
            is_control=is_control,
            seeds=self.plan.study.seeds,
            seed_margin_points=self.plan.study.seed_margin_points,
            timeout_s=self.plan.study.trial_timeout_s,
        )
        folder = f"{self.plan.name}/{trial.number}"
        try:
            cfg = self.begun.composer.compose(overrides, job_number=trial.number, folder=folder)
            with Heartbeat(self.begun.storage, trial._trial_id, self.plan.study.heartbeat_s):
                record = self._run_job(cfg, claimed, overrides, report)
        except ConfigError as error:
            record = _unrecorded(classify(error), error)
        except KeyboardInterrupt as error:  # before its run was opened, or after its last number
            record = _unrecorded("interrupted", error)
        told = self._tell(trial, record, report)
        try:
            record.close(*told)
        except Exception as error:
            # The study has the result. The sweep closes what is left open, here or when it is called again.
            _LOG.warning("The run of trial %s could not be closed: %s", trial.number, describe(error))
        if isinstance(record.error, KeyboardInterrupt):
            raise record.error

    def _tell(self, trial: optuna.Trial, record: Record, report: TrialReport) -> tuple[Outcome, str]:
        """Tell the study how the trial ended; may be done again after the storage was away.

        Returns:
            The outcome that the study holds, and the reason.
        """
        outcome = record.outcome
        with quietly():
            try:
                if record.result is not None:
                    violations = {of.metric: of.violation(report.mean(of.metric)) for of in self.plan.constraints}
                    for metric, violation in violations.items():
                        trial.set_constraint(metric, violation)
                    outcome = "infeasible" if any(violation > 0 for violation in violations.values()) else outcome
                trial.set_user_attr(OUTCOME, outcome)
                if record.reason:
                    trial.set_user_attr(REASON, record.reason)
                if record.result is not None:
                    self.study.tell(trial, [report.mean(metric) for metric in self.plan.study.directions])
                else:
                    self.study.tell(trial, state=TrialState.PRUNED if outcome == "pruned" else TrialState.FAIL)
            except (UpdateFinishedTrialError, ValueError):
                told = self.study.get_trials(deepcopy=False)[trial.number]
                if not told.state.is_finished():
                    raise
                if outcome_of(told) != outcome:
                    return "lost", "It gave no sign of life for too long, and was queued to be run again."
            if outcome == "interrupted":
                trials = self.study.get_trials(deepcopy=False)
                if not is_queued_again(trials, trial.number):
                    attempt = int(trials[trial.number].user_attrs.get(ATTEMPT, 0))
                    requeue(self.study, trials[trial.number], attempt=attempt)
        return outcome, record.reason

    def _run_job(self, cfg: DictConfig, claimed: Claimed, overrides: tuple[str, ...], report: TrialReport) -> Record:
        """Run the trial as a job of Hydra's: with its folder, its log file and its callbacks."""
        returned = run_job(
            task_function=lambda _: self._task(cfg, claimed, overrides, report),
            config=cfg,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        record: Record = returned.return_value
        return record

    def _task(self, cfg: DictConfig, claimed: Claimed, overrides: tuple[str, ...], report: TrialReport) -> Record:
        config = check_job(cfg)
        trial = claimed.trial
        attributes = {
            LABEL: variant_label(config, claimed.chosen),
            REFERENCE: config.reference,
            SETTING: [config.ground, *setting_of(config, overrides, tuple(TimingArguments.__annotations__))],
        }
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        labels = Labels(
            "trial",
            study=self.plan.name,
            trial=trial.number,
            control=trial.user_attrs.get(CONTROL, ""),
            parent_run_id=self.begun.parent_run_id,
            sweep_run_id=self.begun.parent_run_id,
            retry_of=trial.user_attrs.get(RETRY_OF),
            searched=claimed.chosen,
        )
        if self.plan.study.seeds == 1:
            record = self._run_seed(config, labels, report, 0)
            return self._after_seed(record, labels, report)
        return self._run_seeds(config, overrides, labels, report)

    def _run_seeds(
        self, config: TrialConfig, overrides: tuple[str, ...], labels: Labels, report: TrialReport
    ) -> Record:
        """A run for the trial, and below it one for each of its seeds."""
        tracker: Tracker = MemoryTracker()
        run_id = ""
        if self.store is not None:
            tracker = opened = open_run(config, labels, store=self.store)
            run_id = opened.run_id
            report.trial.set_user_attr(RUN_ID, run_id)
        metrics: list[Mapping[str, float]] = []
        record = None
        for place in range(self.plan.study.seeds):
            of_seed = self.begun.composer.check((*overrides, f"seed={config.seed + place}"))
            own = replace(labels, kind="seed", parent_run_id=run_id or None)
            record = self._after_seed(self._run_seed(of_seed, own, report, place), own, report)
            if record.result is not None:
                metrics.append(record.result.metrics)
            # A seed that leads nowhere has nevertheless been run to its end.
            finished = record.outcome == "pruned" and report.n_seeds_done > place
            record.close("complete", "") if finished else record.close()
            if record.result is None:
                break
        assert record is not None
        _log_means(tracker, metrics, config.trainer.epochs)
        return replace(record, tracker=tracker, run_id=run_id)

    def _run_seed(self, config: TrialConfig, labels: Labels, report: TrialReport, place: int) -> Record:
        """One training."""
        is_plain = labels.control == "plain"
        peek = lambda: "itself" if is_plain else self._find_control(report.trial, place)  # noqa: E731
        return run_recorded(
            config,
            labels,
            store=self.store,
            run=self.run_trial,
            workbench=self.workbench,
            control=lambda: "itself" if is_plain else self._await_control(report.trial, place),
            objectives=(*self.plan.study.directions, *(constraint.metric for constraint in self.plan.constraints)),
            on_epoch=report.epoch_hook(config, peek),
            on_batch=self.interruption.check,
            # Of a trial with several seeds the run is the one above them.
            on_start=lambda run_id: None if labels.kind == "seed" else report.trial.set_user_attr(RUN_ID, run_id),
        )

    def _after_seed(self, record: Record, labels: Labels, report: TrialReport) -> Record:
        """What the study keeps of a finished training."""
        if record.result is None:
            return record
        if labels.control == "plain":
            matrix = record.result.val.sum(axis=0).tolist()
            matrices = [*report.trial.user_attrs.get(MATRICES, ()), matrix]
            report.trial.set_user_attr(MATRICES, matrices)
        try:
            report.end_seed(record.result.metrics)
        except TrialPruned as pruned:
            return replace(record, outcome="pruned", reason=describe(pruned), result=None, error=pruned)
        return record

    def _find_control(self, trial: optuna.Trial, place: int) -> Control:
        """The matrix of the plain control of the same seed, when it has finished."""
        reference = trial.user_attrs[REFERENCE]
        matrices = find_control_matrices(self.study, reference)
        return None if matrices is None else np.array(matrices[place], np.int64)

    def _await_control(self, trial: optuna.Trial, place: int) -> Control:
        """The same, after another worker is done with it; None where the search has no such control.

        Raises:
            ControlLost: it failed; the trial is queued again, behind a new attempt at its control.
        """
        reference = trial.user_attrs[REFERENCE]
        while (found := self._find_control(trial, place)) is None:
            if not self._has_control(reference):
                return None
            if not self._is_control_running(reference) and self._find_control(trial, place) is None:
                raise ControlLost("The plain control that this trial is measured against has failed.")
            self.interruption.check()
            time.sleep(_LOOK_AGAIN_S)
        return found

    def _has_control(self, reference: str) -> bool:
        return any(control.name == "plain" and control.reference == reference for control in self.begun.rules.controls)

    def _is_control_running(self, reference: str) -> bool:
        self.begun.recover()
        running = self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        return any(
            trial.user_attrs.get(CONTROL) == "plain" and trial.user_attrs.get(REFERENCE) == reference
            for trial in running
        )


def _unrecorded(outcome: Outcome, error: BaseException) -> Record:
    """Of a trial that has no run of its own."""
    return Record(outcome, describe(error), None, "", MemoryTracker(), error)


def _log_means(tracker: Tracker, seeds: list[Mapping[str, float]], epochs: int) -> None:
    """Mean and standard deviation over the seeds, of every metric that all of them have."""
    if not seeds:
        return
    shared = [key for key in seeds[0] if all(key in metrics for metrics in seeds)]
    means = {key: float(np.mean([metrics[key] for metrics in seeds])) for key in shared}
    spread = {f"seed_std/{key}": float(np.std([metrics[key] for metrics in seeds], ddof=1)) for key in shared}
    tracker.log_metrics(means | (spread if len(seeds) > 1 else {}), step=epochs)
