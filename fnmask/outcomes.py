"""Every way a trial can end, decided in one place."""

import math
from collections.abc import Mapping, Sequence

from fnmask.binding import ConfigError
from fnmask.tracking.tracker import Outcome

_MEMORY_ERRORS = ("ResourceExhaustedError",)
_LONGEST_REASON = 500


class TrialPruned(Exception):
    """The trial is not worth its remaining epochs; the message says why."""


class TrialTimeout(RuntimeError):
    """The trial took longer than it may."""


class ControlLost(RuntimeError):
    """The plain control that the trial is measured against has failed meanwhile."""


class NonFiniteMetric(ArithmeticError):
    """An objective of the search is NaN, infinite or absent."""


def check_objectives(metrics: Mapping[str, float], objectives: Sequence[str]) -> None:
    """Refuse a result that a search cannot rank.

    Raises:
        NonFiniteMetric: an objective is absent, NaN or infinite: such as the IoU of a class that validation lacks.
    """
    for key in objectives:
        value = metrics.get(key, math.nan)
        if not math.isfinite(value):
            raise NonFiniteMetric(f"{key} is {value}: is the target class present in the validation split?")


def classify(error: BaseException) -> Outcome:
    """The outcome of a trial that raised.

    Args:
        error: what it raised. TensorFlow's errors are known by name, so that this module does not load it.
    """
    if isinstance(error, KeyboardInterrupt | ControlLost):
        return "interrupted"
    if isinstance(error, TrialPruned):
        return "pruned"
    if isinstance(error, TrialTimeout):
        return "failed:timeout"
    if isinstance(error, ConfigError):
        return "failed:config"
    if isinstance(error, ArithmeticError):
        return "failed:nonfinite"
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY_ERRORS:
        return "failed:memory"
    return "failed:crash"


def describe(error: BaseException) -> str:
    """The reason in words, short enough for a tag."""
    if isinstance(error, TrialPruned):
        return str(error)[:_LONGEST_REASON]
    return f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
