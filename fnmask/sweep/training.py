"""One trial of a sweep: a training for each of its seeds, measured against the control of the same seed."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.trial import TrialState

from fnmask.config import TrialConfig
from fnmask.losses.spec import TimingArguments
from fnmask.outcomes import ControlLost, TrialPruned, describe
from fnmask.recording import Labels, Record, note_of, open_run, run_recorded, variant_label
from fnmask.result import Bench, Control, RunTrial
from fnmask.sweep.begin import Begun
from fnmask.sweep.claims import Claimed
from fnmask.sweep.controls import setting_of
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.study import (
    CONTROL,
    LABEL,
    MATRICES,
    REFERENCE,
    RETRY_OF,
    RUN_ID,
    SETTING,
    find_control_matrices,
)
from fnmask.sweep.trial_report import TrialReport
from fnmask.tracking.tracker import MemoryTracker, Tracker

# Seconds between two looks at a control that another worker is running.
_LOOK_AGAIN_S = 1.0


@dataclass
class Training:
    """Runs the seeds of one trial.

    Attributes:
        begun: the sweep.
        run_trial: trains one seed.
        workbench: data and compiled steps.
        interruption: cuts it short.
        claimed: the trial.
        overrides: all of its own.
        report: tells the study how it goes.
    """

    begun: Begun
    run_trial: RunTrial
    workbench: Bench
    interruption: Interruption
    claimed: Claimed
    overrides: Sequence[str]
    report: TrialReport
    _matrices: Any = None
    _has_looked: bool = False

    def run(self, config: TrialConfig) -> Record:
        """Train every seed, beginning with the config's own.

        Returns:
            The record of the trial, its run still open.
        """
        trial, plan = self.claimed.trial, self.begun.plan
        durations = tuple(TimingArguments.__annotations__)
        trial.set_user_attr(LABEL, variant_label(config, self.claimed.chosen))
        trial.set_user_attr(REFERENCE, config.reference)
        trial.set_user_attr(SETTING, [config.ground, *setting_of(config, self.overrides, durations)])
        labels = Labels(
            "trial",
            study=plan.name,
            trial=trial.number,
            control=trial.user_attrs.get(CONTROL, ""),
            parent_run_id=self.begun.parent_run_id,
            sweep_run_id=self.begun.parent_run_id,
            retry_of=trial.user_attrs.get(RETRY_OF),
            searched=self.claimed.chosen,
        )
        return self._run_seed(config, labels, 0) if plan.study.seeds == 1 else self._run_seeds(config, labels)

    def _run_seeds(self, config: TrialConfig, labels: Labels) -> Record:
        """A run for the trial, and below it one for each of its seeds."""
        tracker: Tracker = MemoryTracker()
        run_id = ""
        if self.begun.store is not None:
            tracker = opened = open_run(config, labels, store=self.begun.store)
            run_id = opened.run_id
            self.claimed.trial.set_user_attr(RUN_ID, run_id)
        metrics: list[Mapping[str, float]] = []
        for place in range(self.begun.plan.study.seeds):
            of_seed = self.begun.composer.check((*self.overrides, f"seed={config.seed + place}"))
            record = self._run_seed(of_seed, replace(labels, kind="seed", parent_run_id=run_id or None), place)
            if record.result is not None:
                metrics.append(record.result.metrics)
            # A seed after which the trial was given up has itself been run to its end.
            given_up = record.outcome == "pruned" and self.report.n_seeds_done > place
            record.close("complete", "") if given_up else record.close()
            if record.result is None:
                break
        means = _means(metrics)
        tracker.log_metrics(means, step=config.trainer.epochs)
        note = note_of(config, labels, means, self.begun.plan.study.seeds)
        return replace(record, tracker=tracker, run_id=run_id, note=note)

    def _run_seed(self, config: TrialConfig, labels: Labels, place: int) -> Record:
        """One training, and what the study keeps of it."""
        trial, plan = self.claimed.trial, self.begun.plan
        is_plain = labels.control == "plain"
        # Of a trial with several seeds the run is the one above them.
        keep_run_id = labels.kind == "trial"
        record = run_recorded(
            config,
            labels,
            store=self.begun.store,
            run=self.run_trial,
            workbench=self.workbench,
            control=lambda: "itself" if is_plain else self._await_control(place),
            objectives=(*plan.study.directions, *(constraint.metric for constraint in plan.constraints)),
            on_epoch=self.report.epoch_hook(config, lambda: "itself" if is_plain else self._find_control(place)),
            on_batch=self.interruption.check,
            on_start=lambda run_id: trial.set_user_attr(RUN_ID, run_id) if keep_run_id else None,
        )
        if record.result is None:
            return record
        if is_plain:
            matrix = record.result.val.sum(axis=0).tolist()
            trial.set_user_attr(MATRICES, [*trial.user_attrs.get(MATRICES, ()), matrix])
        try:
            self.report.end_seed(record.result.metrics)
        except TrialPruned as pruned:
            return replace(record, outcome="pruned", reason=describe(pruned), result=None, error=pruned)
        return record

    def _find_control(self, place: int) -> Control:
        """The matrix of the plain control of the same seed, when it has finished."""
        if self._matrices is None and (self._is_control_awaited or not self._has_looked):
            self._matrices, self._has_looked = find_control_matrices(self.begun.study, self._reference), True
        return None if self._matrices is None else np.array(self._matrices[place], np.int64)

    def _await_control(self, place: int) -> Control:
        """The same, after another worker is done with it; None where the search has no such control.

        Raises:
            ControlLost: it failed; the trial is queued again, behind a new attempt at its control.
        """
        while (found := self._find_control(place)) is None and self._is_control_awaited:
            # It may have finished between two looks.
            if not self._is_control_running() and self._find_control(place) is None:
                raise ControlLost("The plain control that this trial is measured against has failed.")
            self.interruption.check()
            time.sleep(_LOOK_AGAIN_S)
        return found

    def _is_control_running(self) -> bool:
        self.begun.recover()
        running = self.begun.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        plain = [trial for trial in running if trial.user_attrs.get(CONTROL) == "plain"]
        return any(trial.user_attrs.get(REFERENCE) == self._reference for trial in plain)

    @functools.cached_property
    def _is_control_awaited(self) -> bool:
        """Whether the sweep has a plain control of this trial's reference; one that has none finds an older call's."""
        plain = [control for control in self.begun.rules.controls if control.name == "plain"]
        return any(control.reference == self._reference for control in plain)

    @functools.cached_property
    def _reference(self) -> str:
        return str(self.claimed.trial.user_attrs[REFERENCE])


def _means(seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean and standard deviation over the seeds, of every metric that all of them have; none of no seed."""
    shared = [key for key in seeds[0] if all(key in metrics for metrics in seeds)] if seeds else []
    means = {key: float(np.mean([metrics[key] for metrics in seeds])) for key in shared}
    if len(seeds) > 1:
        means |= {f"seed_std/{key}": float(np.std([metrics[key] for metrics in seeds], ddof=1)) for key in shared}
    return means
