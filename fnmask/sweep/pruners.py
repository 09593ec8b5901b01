"""When a trial is not worth its remaining epochs or seeds. What a control measures is never cut short."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import optuna
from annotated_types import Ge, Gt, Lt
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from fnmask.binding import ConfigError
from fnmask.sweep.dominance import DominanceRule
from fnmask.sweep.storage import quietly


@dataclass(frozen=True)
class Pruner:
    """What decides, and how often it is asked.

    Attributes:
        unit: after every `epoch` of the first seed, or after every `seed`; `never`.
        optuna: a pruner of Optuna's, for one objective.
        dominance: the rule for several.
        min_seeds: seeds of a trial below which it could never decide.
        is_aligned: compares trials at their first decision, which must therefore come at the same epoch in all.
    """

    unit: Literal["never", "epoch", "seed"] = "never"
    optuna: BasePruner | None = None
    dominance: DominanceRule | None = None
    min_seeds: int = 1
    is_aligned: bool = False

    def check(self, n_directions: int, seeds: int) -> None:
        """Refuse a study that it cannot serve.

        Raises:
            ConfigError: several objectives for a pruner of one, or too few seeds.
        """
        faults = []
        if self.optuna is not None and n_directions > 1:
            faults.append(
                f"study.pruner: it looks at one objective, and study.directions has {n_directions}. Take "
                "study/pruner=dominance, or one direction with study.constraints for the rest."
            )
        if seeds < self.min_seeds:
            faults.append(
                f"study.seeds: got {seeds}. The test of study/pruner=wilcoxon can say nothing before seed "
                f"{self.min_seeds - 1}: give study.seeds={self.min_seeds} or more, or a larger p_threshold."
            )
        if faults:
            raise ConfigError(faults)


def none() -> Pruner:
    """Every trial is trained to its end."""
    return Pruner()


def asha(*, min_epochs: Annotated[int, Ge(1)], reduction: Annotated[int, Ge(2)]) -> Pruner:
    """Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934)."""
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=min_epochs, reduction_factor=reduction)
    return Pruner("epoch", pruner, is_aligned=True)


def hyperband(
    *, min_epochs: Annotated[int, Ge(1)], max_epochs: Annotated[int, Ge(1)], reduction: Annotated[int, Ge(2)]
) -> Pruner:
    """Brackets of successive halving (Li et al. 2018, JMLR 18-185)."""
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=min_epochs, max_resource=max(min_epochs, max_epochs), reduction_factor=reduction
    )
    return Pruner("epoch", pruner, is_aligned=True)


def median(*, n_startup_trials: Annotated[int, Ge(0)], n_warmup_epochs: Annotated[int, Ge(0)]) -> Pruner:
    """The median stopping rule (Golovin et al. 2017)."""
    # Optuna counts steps from 0, and epochs begin with 1.
    pruner = optuna.pruners.MedianPruner(n_startup_trials=n_startup_trials, n_warmup_steps=n_warmup_epochs + 1)
    return Pruner("epoch", pruner)


def percentile(
    *,
    percentile: Annotated[float, Gt(0), Lt(100)],
    n_startup_trials: Annotated[int, Ge(0)],
    n_warmup_epochs: Annotated[int, Ge(0)],
) -> Pruner:
    """As `median`, for another share of the trials."""
    pruner = optuna.pruners.PercentilePruner(
        percentile, n_startup_trials=n_startup_trials, n_warmup_steps=n_warmup_epochs + 1
    )
    return Pruner("epoch", pruner)


def patience(*, patience_epochs: Annotated[int, Ge(1)], min_delta: Annotated[float, Ge(0)]) -> Pruner:
    """Early stopping on the trial's own curve."""
    return Pruner("epoch", _Patience(patience_epochs, min_delta))


class _Patience(BasePruner):
    """Optuna's own of this name goes on while a trial stands still: it ends one that has become worse."""

    def __init__(self, patience: int, min_delta: float) -> None:
        self._patience, self._min_delta = patience, min_delta

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether none of the last epochs is better than the best before them, by more than `min_delta`."""
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        scores = [sign * value for _, value in sorted(trial.intermediate_values.items())]
        before, last = scores[: -self._patience], scores[-self._patience :]
        return bool(before) and max(last) <= max(before) + self._min_delta


def wilcoxon(*, p_threshold: Annotated[float, Gt(0), Lt(1)]) -> Pruner:
    """Signed-rank test over paired seeds. With n seeds its smallest p is 2^-n: below that many it never decides."""
    with quietly():
        pruner = optuna.pruners.WilcoxonPruner(p_threshold=p_threshold)
    # Optuna asks for p below the threshold, and for two seeds at least; after the last seed nothing is left to save.
    n_deciding = max(2, math.floor(-math.log2(p_threshold)) + 1)
    return Pruner("seed", pruner, min_seeds=n_deciding + 1)


def dominance(
    *,
    margin_points: Annotated[float, Gt(0)],
    patience_epochs: Annotated[int, Ge(1)],
    n_startup_trials: Annotated[int, Ge(1)],
) -> Pruner:
    """The rule of `fnmask.sweep.dominance`, for any number of objectives."""
    return Pruner("epoch", dominance=DominanceRule(margin_points, patience_epochs, n_startup_trials))
