"""A sweep whose trials train nothing: all of the harness, none of TensorFlow. For measurements and fault tests."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.types import HydraContext, RunMode

from fnmask.config import TrialConfig
from fnmask.metrics.readings import summarize
from fnmask.presets import conf_dir
from fnmask.result import Control, EpochHook, Result, measure_tradeoff
from fnmask.sweep.begin import Begun, begin, join
from fnmask.sweep.composer import Composer
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import run_worker
from fnmask.sweep.locks import StudyLocks
from fnmask.sweep.plan import make_plan
from fnmask.sweep.plugin import register
from fnmask.sweep.storage import storage_url
from fnmask.tracking.tracker import Tracker
from fnmask.train import register_resolvers

# A search over two numbers, without controls.
WORDS = (
    *("loss=soften_fn", "loss.alpha=interval(0,1)", "optimizer.learning_rate=tag(log,interval(1e-4,1e-2))"),
    *("study.controls={}", "study.directions={val/miou:maximize}", "study.best_known=false"),
    *("trainer.epochs=4", "study.name=dummy", "study.heartbeat_s=1", "dataset.n_train=2", "dataset.n_val=2"),
)


class DummyTrial:
    """Sleeps through its epochs, then reports a score that its settings determine.

    Args:
        epoch_s: seconds of an epoch.
        on_end: called when the trial has its result, before it is told.
    """

    def __init__(self, epoch_s: float = 0.0, on_end: Callable[[TrialConfig], None] = lambda config: None) -> None:
        self._epoch_s, self._on_end = epoch_s, on_end

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
        """See `fnmask.result.RunTrial`."""
        begin_s = time.monotonic()
        names = config.source.class_names
        right = 50 + int(40 * (1 - abs(config.resolved["loss"].get("alpha", 0.0) - 0.3)))
        matrix = np.full((len(names), len(names)), 10, np.int64) + np.eye(len(names), dtype=np.int64) * right
        metrics: dict[str, float] = {}
        for epoch in range(1, config.trainer.epochs + 1):
            on_batch()
            time.sleep(self._epoch_s)
            readings = summarize(matrix, names, config.loss.targets)
            metrics = {"train/loss": 1.0 / epoch, **{f"val/{key}": value for key, value in readings.items()}}
            tracker.log_metrics(metrics, step=epoch)
            if on_epoch is not None:
                on_epoch(epoch, metrics, matrix)
        metrics |= measure_tradeoff(config, matrix, control())
        self._on_end(config)
        return Result(metrics, matrix[None], None, time.monotonic() - begin_s)


class DummyBench:
    """Has no data and keeps nothing."""

    def load(self, config: TrialConfig) -> Any:
        """Three empty splits."""
        empty = SimpleNamespace(ids=())
        return SimpleNamespace(train=empty, val=empty, test=empty, digest="none")

    def discard(self) -> None:
        """Nothing is kept."""


def compose(words: Sequence[str]) -> tuple[HydraContext, Composer]:
    """What Hydra hands to a sweeper for these overrides."""
    register_resolvers()
    register()
    loader = ConfigLoaderImpl(create_config_search_path(str(conf_dir())))
    master = loader.load_configuration("config", list(words), RunMode.MULTIRUN)
    return HydraContext(config_loader=loader, callbacks=Callbacks()), Composer(loader, master)


def words_of(root: Path, storage: str, n_trials: int, **changes: str) -> list[str]:
    """The command line of a dummy sweep."""
    own = {"root": str(root), "study.storage": f"'{storage}'", "study.n_trials": str(n_trials), **changes}
    kept = [word for word in WORDS if word.partition("=")[0] not in own]
    return [*kept, *(f"{key}={value}" for key, value in own.items())]


def begin_dummy(words: Sequence[str]) -> Begun:
    """Begin the sweep, as `train.py --multirun` does, without running a trial."""
    _, composer = compose(words)
    plan = make_plan(composer, words)
    with StudyLocks(storage_url(plan.study.storage, plan.base.root), plan.name).sweep():
        return begin(plan, composer, words)


def work(words: Sequence[str], trial: DummyTrial, *, index: int = 0, begun: Begun | None = None) -> str:
    """Be a worker of the sweep until it is over; returns how it ended."""
    context, composer = compose(words)
    if begun is None:
        begun = join(make_plan(composer, words, with_options=False), composer)
    with Interruption() as interruption:
        return run_worker(begun, context, trial, DummyBench(), interruption=interruption, index=index)


def count(values: Sequence[Any]) -> Mapping[Any, int]:
    """How often each value occurs."""
    return {value: list(values).count(value) for value in dict.fromkeys(values)}
