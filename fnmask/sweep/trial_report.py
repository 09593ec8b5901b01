"""What a running trial tells its study after every epoch, and whether the study lets it go on."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from fnmask.config import TrialConfig
from fnmask.outcomes import TrialPruned, TrialTimeout
from fnmask.result import Control, measure_tradeoff
from fnmask.sweep.dominance import Scores, to_scores
from fnmask.sweep.pruners import Pruner
from fnmask.sweep.seeds import is_clearly_worse
from fnmask.sweep.study import CURVE, EPOCH, SEED_VALUES

# Seconds between two notes of how far a trial is.
_SHOWN_EVERY_S = 0.2


@dataclass
class TrialReport:
    """Of one trial, over all of its seeds.

    Attributes:
        study: whose trial it is.
        trial: takes what is told.
        directions: metric -> `maximize` or `minimize`.
        pruner: when the trial is given up.
        is_control: controls are never given up.
        seeds: how many the trial has.
        seed_margin_points: see `StudyConfig`.
        timeout_s: seconds that the trial may take; None: any.
        full_epochs: epochs before the mask of any trial of the search is at full strength.
    """

    study: optuna.Study
    trial: optuna.Trial
    directions: Mapping[str, str]
    pruner: Pruner
    is_control: bool
    seeds: int
    seed_margin_points: float | None
    timeout_s: float | None
    full_epochs: float = 0.0
    _shown_s: float = -math.inf
    _began_s: float = field(default_factory=time.monotonic)
    _written: dict[int, list[float]] = field(default_factory=dict)
    _curve: dict[int, list[float]] = field(default_factory=dict)
    _seeds_done: list[Mapping[str, float]] = field(default_factory=list)

    def epoch_hook(
        self, config: TrialConfig, control: Callable[[], Control]
    ) -> Callable[[int, Mapping[str, float], NDArray[np.int64]], None]:
        """What is called after every epoch of the seed that this config has.

        Args:
            config: of the seed.
            control: the plain control, as far as it has finished; asked once an epoch until it is there.
        """
        full_epochs = config.loss.timing.full_epochs
        if self.pruner.is_aligned:
            full_epochs = max(full_epochs, self.full_epochs)
        known: list[Control] = []

        def on_epoch(epoch: int, metrics: Mapping[str, float], matrix: NDArray[np.int64]) -> None:
            done = self.n_seeds_done * config.trainer.epochs + epoch
            shown = [done, self.seeds * config.trainer.epochs, round(metrics["val/miou"], 6)]
            # Nobody looks more often; and epochs that pass in no time are many.
            if time.monotonic() - self._shown_s > _SHOWN_EVERY_S or epoch == config.trainer.epochs:
                self.trial.set_user_attr(EPOCH, shown)
                self._shown_s = time.monotonic()
            if self.timeout_s is not None and time.monotonic() - self._began_s > self.timeout_s:
                raise TrialTimeout(f"longer than study.trial_timeout_s={self.timeout_s:g} at epoch {epoch}")
            if self._seeds_done:
                return
            if not known and (found := control()) is not None:
                known.append(found)
            told = {**metrics, **measure_tradeoff(config, matrix, known[0] if known else None)}
            values = [told.get(metric, math.nan) for metric in self.directions]
            if all(map(math.isfinite, values)):
                self._end_epoch(epoch, values, counts=full_epochs <= epoch - 1, is_last=epoch == config.trainer.epochs)

        return on_epoch

    def _end_epoch(self, epoch: int, values: Sequence[float], *, counts: bool, is_last: bool) -> None:
        """Keep the values, and decide. Before the mask is at full strength an epoch does not count: it says nothing of
        what the trial is named for.
        """
        if len(values) > 1:
            self._written[epoch] = list(values)
            self.trial.set_user_attr(CURVE, [[epoch, *row] for epoch, row in self._written.items()])
        elif self.pruner.unit == "never" or (self.pruner.unit == "epoch" and counts):
            self.trial.report(values[0], epoch)
        if counts:
            self._curve[epoch] = list(values)
        # The last epoch has been trained anyway.
        if self.is_control or not counts or is_last or self.pruner.unit != "epoch":
            return
        if self.pruner.optuna is not None and self.trial.should_prune():
            raise TrialPruned(f"given up at epoch {epoch}")
        rule = self.pruner.dominance
        if rule is not None and rule.is_given_up(self._scores(self._curve), self._finished_curves()):
            raise TrialPruned(f"dominated at epoch {epoch} by {rule.margin_points:g} points")

    def end_seed(self, metrics: Mapping[str, float]) -> None:
        """A seed is done.

        Args:
            metrics: of its training.

        Raises:
            TrialPruned: the trial is not given the rest of its seeds.
        """
        self._seeds_done.append(metrics)
        if self.seeds == 1:
            return
        values = [[done[metric] for metric in self.directions] for done in self._seeds_done]
        self.trial.set_user_attr(SEED_VALUES, values)
        if self.pruner.unit == "seed":
            self.trial.report(values[-1][0], self.n_seeds_done)
        if self.is_control or self.n_seeds_done == self.seeds:
            return
        if self.pruner.unit == "seed" and self.trial.should_prune():
            raise TrialPruned(f"given up after {self.n_seeds_done} of {self.seeds} seeds")
        first = to_scores(values[0], self.directions)
        if self.n_seeds_done == 1 and is_clearly_worse(first, self._finished_seeds(), self.seed_margin_points):
            raise TrialPruned(f"clearly worse after the first of {self.seeds} seeds")

    @property
    def n_seeds_done(self) -> int:
        """How many of them have been trained to the end."""
        return len(self._seeds_done)

    def mean(self, metric: str) -> float:
        """Of a metric over the seeds."""
        return float(np.mean([metrics[metric] for metrics in self._seeds_done]))

    def _scores(self, curve: Mapping[int, Sequence[float]]) -> dict[int, Scores]:
        return {epoch: to_scores(values, self.directions) for epoch, values in curve.items()}

    def _finished_curves(self) -> list[tuple[dict[int, Scores], Scores]]:
        return [
            (
                self._scores({int(epoch): values for epoch, *values in trial.user_attrs.get(CURVE, ())}),
                to_scores(trial.values, self.directions),
            )
            for trial in self._complete()
        ]

    def _finished_seeds(self) -> list[list[Scores]]:
        """Scores of every seed of the trials that have all of theirs."""
        found: list[Any] = [trial.user_attrs.get(SEED_VALUES, ()) for trial in self._complete()]
        return [[to_scores(values, self.directions) for values in seeds] for seeds in found if len(seeds) == self.seeds]

    def _complete(self) -> list[FrozenTrial]:
        """Finished trials that keep to the constraints."""
        trials = self.study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        return [trial for trial in trials if all(violation <= 0 for violation in trial.constraints.values())]
