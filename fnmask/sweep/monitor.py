"""What a person sees of a sweep, wherever its workers run: one live display, or plain lines in a pipe or CI."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from fnmask.progress import format_duration
from fnmask.sweep.snapshot import Snapshot, label_of, take_snapshot
from fnmask.sweep.study import BUDGET, EPOCH, REASON, outcome_of

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_SHOWN_RUNNING = 8


class SweepMonitor:
    """Looks at the study from a thread, twice a second, and shows what has changed since.

    Args:
        study: opened for this thread alone.
        directions: metric -> `maximize` or `minimize`.
        n_trials: to be finished.
        console: where to draw.
        on_look: called every time, from the thread.
    """

    def __init__(
        self,
        study: optuna.Study,
        *,
        directions: Mapping[str, str],
        n_trials: int,
        console: Console,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._study, self._directions, self._console = study, dict(directions), console
        self._n_trials, self._on_look = n_trials, on_look
        self._seen: dict[int, tuple[str, int]] = {}
        # A log of CI is no terminal, even where it says that it is one.
        interactive = console.is_terminal and not os.environ.get("CI")
        self._live = Live(console=console, auto_refresh=False, transient=True) if interactive else None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)

    def __enter__(self) -> "SweepMonitor":
        # What was finished before is no news.
        self._seen = {trial.number: _stage(trial) for trial in self._study.get_trials(deepcopy=False)}
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._live is not None:
            self._live.stop()

    def _watch(self) -> None:
        pause_s = 0.0
        while True:
            last = self._stopping.wait(pause_s)
            begin_s = time.monotonic()
            try:
                self._look()
            except (StorageInternalError, SQLAlchemyError) as error:
                _LOG.debug("The study could not be read: %s", type(error).__name__)
            if last:
                return
            # With many thousand trials a look takes longer; it must not take more than a twentieth of the time.
            pause_s = max(_LOOK_EVERY_S, 20 * (time.monotonic() - begin_s))

    def _look(self) -> None:
        self._on_look()
        self._n_trials = self._study.user_attrs.get(BUDGET, self._n_trials)
        trials = self._study.get_trials(deepcopy=False)
        # Optuna writes naive local times.
        now = datetime.now()
        snapshot = take_snapshot(trials, n_trials=self._n_trials, directions=self._directions, now=now)
        for trial in trials:
            before, stage = self._seen.get(trial.number, ("queued", 0)), _stage(trial)
            if stage != before:
                self._seen[trial.number] = stage
                self._tell(trial, before, snapshot)
        if self._live is not None:
            self._live.update(draw(snapshot, list(self._directions)), refresh=True)

    def _tell(self, trial: FrozenTrial, before: tuple[str, int], snapshot: Snapshot) -> None:
        """One line for a trial that ended; in plain lines also for one that began or went on."""
        outcome = outcome_of(trial)
        label = label_of(trial)
        if outcome not in ("queued", "running"):
            self._print(describe_end(trial, outcome, list(self._directions)))
        elif self._live is None and outcome == "running" and label:
            if before[0] != "running":
                self._print(f"trial {trial.number}: {label}   ({snapshot.done} of {snapshot.n_trials} done)")
            epoch, epochs, miou = trial.user_attrs.get(EPOCH, (0, 0, 0.0))
            if epoch:
                left = "?" if snapshot.left_s is None else format_duration(snapshot.left_s)
                self._print(f"  trial {trial.number}: epoch {epoch} of {epochs}   val mIoU {miou:.3f}   {left} left")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def describe_end(trial: FrozenTrial, outcome: str, directions: list[str]) -> str:
    """`[complete] trial 3 soften_fn road   val/miou 0.500   60 s`."""
    values = trial.values if trial.state == TrialState.COMPLETE else None
    told = "   ".join(f"{key} {value:.3f}" for key, value in zip(directions, values or (), strict=False))
    told = told or str(trial.user_attrs.get(REASON, ""))
    parts = [f"[{outcome}] trial {trial.number} {label_of(trial)}".rstrip(), told]
    if trial.duration is not None:
        parts.append(f"{trial.duration.total_seconds():.0f} s")
    return "   ".join(part for part in parts if part)


def draw(snapshot: Snapshot, directions: list[str]) -> RenderableType:
    """The display: counts, best so far, and a bar for every running trial."""
    counts = [
        f"{snapshot.done} of {snapshot.n_trials} done",
        f"{len(snapshot.running)} running",
        *(
            f"{count} {word}"
            for word, count in (
                ("queued", snapshot.queued),
                ("pruned", snapshot.pruned),
                ("failed", snapshot.failed),
                ("lost", snapshot.lost),
            )
            if count
        ),
        f"{'?' if snapshot.left_s is None else format_duration(snapshot.left_s)} left",
    ]
    bar = Table.grid(padding=(0, 1))
    bar.add_column(min_width=4, max_width=24, ratio=1)
    bar.add_column(no_wrap=True)
    bar.add_row(ProgressBar(total=snapshot.n_trials, completed=snapshot.done), " · ".join(counts))
    lines: list[RenderableType] = [bar]
    if snapshot.best is not None:
        label, values = snapshot.best
        told = ", ".join(f"{key} {value:.3f}" for key, value in zip(directions, values, strict=True))
        # What is cut off in a narrow window is the end.
        lines.append(Text(f"best: {told}   {label}", no_wrap=True, overflow="ellipsis"))
    if snapshot.hypervolume is not None:
        lines.append(Text(f"front: {snapshot.front} trials, hypervolume {snapshot.hypervolume:.3g}"))
    rows = Table.grid(padding=(0, 1))
    rows.add_column(justify="right", no_wrap=True, min_width=5)
    rows.add_column()
    rows.add_column(min_width=8)
    for _ in range(3):
        rows.add_column(justify="right", no_wrap=True)
    for trial in snapshot.running[:_SHOWN_RUNNING]:
        rows.add_row(
            str(trial.number),
            # In a narrow window the label is what is cut.
            Text(trial.label or "…", no_wrap=True, overflow="ellipsis"),
            ProgressBar(total=max(1, trial.epochs), completed=trial.epoch, width=8),
            f"epoch {trial.epoch} of {trial.epochs}" if trial.epochs else "starting",
            "" if trial.miou is None else f"mIoU {trial.miou:.3f}",
            format_duration(trial.elapsed_s),
        )
    lines.append(rows)
    if len(snapshot.running) > _SHOWN_RUNNING:
        lines.append(Text(f"      and {len(snapshot.running) - _SHOWN_RUNNING} more"))
    return Group(*lines)


def _stage(trial: FrozenTrial) -> tuple[str, int]:
    """What changes when there is news of a trial."""
    return outcome_of(trial) if label_of(trial) or trial.state.is_finished() else "queued", trial.user_attrs.get(
        EPOCH, (0,)
    )[0]
