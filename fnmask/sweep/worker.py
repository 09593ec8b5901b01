"""The worker: claim a trial, run it, tell how it ended, until there is nothing left to run."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import optuna
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from fnmask.config import check
from fnmask.outcomes import classify, describe
from fnmask.recording import Record
from fnmask.result import Bench, RunTrial
from fnmask.sweep.begin import Begun
from fnmask.sweep.claims import Claimed, Verdict, claim_trial
from fnmask.sweep.composer import chosen_options
from fnmask.sweep.controls import localize
from fnmask.sweep.heartbeat import Heartbeat
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.machine import this_process
from fnmask.sweep.recovery import is_queued_again, requeue
from fnmask.sweep.samplers import build_sampler
from fnmask.sweep.storage import patiently, quietly
from fnmask.sweep.study import ATTEMPT, BUDGET, FULL_EPOCHS, OUTCOME, OVERRIDES, REASON, SESSION, STOP, outcome_of
from fnmask.sweep.training import Training
from fnmask.sweep.trial_report import TrialReport
from fnmask.sweep.warmth import Warmth
from fnmask.tracking.tracker import MemoryTracker, Outcome

_LOG = logging.getLogger(__name__)

# Seconds between two looks at a study in which others run what is left.
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
    _warmth: Warmth = field(default_factory=Warmth)

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
        seed = self.plan.study.seed
        if self.plan.study.sampler != "quasi_random":  # whose workers share one sequence, and the place in it
            # Equal seeds would propose equal trials, in every worker and again in every call.
            seed += begun + 1_000_003 * self.index
        self._sampler = build_sampler(
            self.plan.study.sampler,
            seed=seed % 2**31,
            space=self.plan.space,
            session=self.begun.rules.session,
            max_retries=self.plan.study.max_retries,
        )
        self.study.sampler = self._sampler
        if self.plan.pruner.optuna is not None:
            self.study.pruner = self.plan.pruner.optuna
        self._full_epochs = self.study.user_attrs.get(FULL_EPOCHS, 0.0)
        while not self.interruption.is_requested:
            claimed = patiently(self._claim)
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
                return claim_trial(
                    self.study,
                    self.begun.storage,
                    rules,
                    self._process,
                    self.plan.space.suggest,
                    # What has been run is known by the values of all keys, those too that are zipped to others.
                    is_warm=lambda chosen: self._warmth.is_warm(self.plan.space.expand(chosen)),
                    draw_ahead=lambda count: self._sampler.draw_ahead(self.study, count),
                    stopped=attributes.get(STOP) == attributes[SESSION],
                )
            except UpdateFinishedTrialError:
                # The lock was lost with a connection, and another process took this claim for a dead one's.
                return "wait"

    def _run_trial(self, claimed: Claimed) -> None:
        trial, plan = claimed.trial, self.plan
        report = TrialReport(
            study=self.study,
            trial=trial,
            directions=plan.study.directions,
            pruner=plan.pruner,
            is_control=claimed.is_control,
            seeds=plan.study.seeds,
            seed_margin_points=plan.study.seed_margin_points,
            timeout_s=plan.study.trial_timeout_s,
            full_epochs=self._full_epochs,
        )
        overrides = (
            localize(trial.user_attrs[OVERRIDES], plan.fixed) if claimed.is_control else plan.overrides(claimed.chosen)
        )
        try:
            folder = f"{plan.name}/{trial.number}"
            cfg = self.begun.composer.compose(overrides, job_number=trial.number, folder=folder)
            training = Training(
                self.begun, self.run_trial, self.workbench, self.interruption, claimed, overrides, report
            )
            with Heartbeat(self.begun.storage, trial._trial_id, plan.study.heartbeat_s):
                record = self._run_job(cfg, training)
        except (Exception, KeyboardInterrupt) as error:  # before its run was opened, or after its last number
            record = Record(classify(error), describe(error), None, "", MemoryTracker(), error)
        if record.result is not None:
            self._warmth.ran(claimed.chosen)
        elif record.outcome != "pruned":  # the compiled steps have been thrown away
            self._warmth = Warmth()
        told = patiently(lambda: self._settle(trial, record, report))
        try:
            record.close(*told)
        except Exception as error:
            # The study has the result. The sweep closes what is left open, here or when it is called again.
            _LOG.warning("The run of trial %s could not be closed: %s", trial.number, describe(error))
        if isinstance(record.error, KeyboardInterrupt):
            raise record.error

    def _run_job(self, cfg: DictConfig, training: Training) -> Record:
        """Run the trial as a job of Hydra's: with its folder, its log file and its callbacks."""
        returned = run_job(
            # Hydra hands over a copy without its own node.
            task_function=lambda job: training.run(check(job, chosen_options(cfg))),
            config=cfg,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=self.context,
        )
        record: Record = returned.return_value
        return record

    def _settle(self, trial: optuna.Trial, record: Record, report: TrialReport) -> tuple[Outcome, str]:
        """Tell the study how the trial ended.

        One that is run again is told and queued at once: whoever looked in between would take it for missing.
        """
        with self.begun.locks.claim() if record.outcome == "interrupted" else nullcontext():
            return self._tell(trial, record, report)

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
