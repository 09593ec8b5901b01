"""What a trial must keep to: `study.constraints`, such as `{"val/recall/road": ">= 0.3"}`."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from fnmask.binding import ConfigError, suggest

_WRITTEN = re.compile(r"\s*(>=|<=)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric."""

    metric: str
    side: Literal[">=", "<="]
    bound: float

    def violation(self, value: float) -> float:
        """By how much the metric's value misses the bound, in its own unit; 0 or less: it keeps to it."""
        return self.bound - value if self.side == ">=" else value - self.bound


def read_constraints(written: Mapping[str, str], allowed: Collection[str]) -> tuple[Constraint, ...]:
    """Read the constraints of a study.

    Raises:
        ConfigError: a metric that there is not, or a bound that is no comparison with a number; all of them.
    """
    faults, constraints = [], []
    for metric, text in written.items():
        found = _WRITTEN.fullmatch(text)
        if metric not in allowed:
            faults.append(f"study.constraints: got {metric!r}. {suggest(metric, allowed)}")
        elif found is None:
            faults.append(f"study.constraints.{metric}: got {text!r}. Write '>= NUMBER' or '<= NUMBER'.")
        else:
            constraints.append(Constraint(metric, ">=" if found[1] == ">=" else "<=", float(found[2])))
    if faults:
        raise ConfigError(faults)
    return tuple(constraints)
