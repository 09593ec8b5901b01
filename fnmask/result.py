"""What goes into a trial beside its config, and what comes out. No TensorFlow: searches read this too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.metrics.readings import tradeoff
from fnmask.tracking.tracker import Tracker

# The (C, C) validation matrix of the plain control of the same seed, backbone and data; "itself": this is that control;
# None: there is none, and no trade-off is measured.
Control = NDArray[np.int64] | Literal["itself"] | None

# Called with the epoch, from 1, its metrics, and its (C, C) validation matrix. What it raises ends the trial.
EpochHook = Callable[[int, Mapping[str, float], NDArray[np.int64]], None]


@dataclass(frozen=True)
class Result:
    """What a finished trial is judged by.

    Attributes:
        metrics: `val/...` and `train/...` of the epoch it is judged by, `best/...` and `tradeoff/...`.
        val, test: int64 (N, C, C) confusion matrices per image of that epoch's weights.
        duration_s: wall time.
    """

    metrics: Mapping[str, float]
    val: NDArray[np.int64]
    test: NDArray[np.int64] | None
    duration_s: float


class Bench(Protocol):
    """What a process keeps between its trials: `fnmask.workbench.Workbench`."""

    def load(self, config: TrialConfig) -> Any:
        """Data of the config: `train`, `val`, `test`, and their `digest`."""

    def discard(self) -> None:
        """Forget everything that a failed trial may have left half done."""


class RunTrial(Protocol):
    """Trains and judges one trial: `fnmask.trial.run_trial`."""

    def __call__(
        self,
        config: TrialConfig,
        tracker: Tracker,
        *,
        workbench: Any,
        control: Callable[[], Control],
        on_epoch: EpochHook | None,
        on_batch: Callable[[], None],
    ) -> Result:
        """See `fnmask.trial.run_trial`."""


def measure_tradeoff(config: TrialConfig, matrix: NDArray[np.int64], control: Control) -> dict[str, float]:
    """`tradeoff/...` of a (C, C) validation matrix, in points; nothing without a control."""
    if control is None:
        return {}
    return dict(tradeoff(matrix, matrix if isinstance(control, str) else control, config.loss.targets))
