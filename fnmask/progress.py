"""What a person sees while it runs: trial n of N, epoch, validation mIoU, time left."""

import statistics
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn


class SweepProgress:
    """Two bars on a terminal, a plain line per epoch elsewhere (a pipe, CI).

    Args:
        n_trials: trials to finish in all.
        n_finished: trials that earlier calls finished.
        console: where to draw.
    """

    def __init__(self, n_trials: int, *, n_finished: int = 0, console: Console | None = None) -> None:
        self._n_trials, self._n_finished = n_trials, n_finished
        self._console = console or Console()
        self._durations_s: list[float] = []
        self._epochs, self._began_s, self._label = 1, 0.0, ""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._sweep: TaskID = self._bars.add_task("", total=n_trials, completed=n_finished, note="")
        self._trial: TaskID | None = None

    def __enter__(self) -> "SweepProgress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin_trial(self, label: str, epochs: int) -> None:
        """A trial starts."""
        self._label, self._epochs, self._began_s = label, epochs, time.monotonic()
        counted = f"trial {self._n_finished + 1} of {self._n_trials}"
        self._bars.update(self._sweep, description=counted)
        self._trial = self._bars.add_task(label, total=epochs, note="")
        self._say(f"{counted}: {label}")

    def end_epoch(self, epoch: int, miou: float) -> None:
        """An epoch of the running trial is done."""
        left = self._left(epoch)
        if self._trial is not None:
            note = f"epoch {epoch} of {self._epochs}   val mIoU {miou:.3f}"
            self._bars.update(self._trial, completed=epoch, note=note)
        self._bars.update(self._sweep, note=f"{left} left")
        self._say(f"  epoch {epoch} of {self._epochs}   val mIoU {miou:.3f}   {left} left")

    def end_trial(self, outcome: str, note: str) -> None:
        """The running trial ended."""
        # A trial whose config failed ends without having begun.
        duration_s = time.monotonic() - self._began_s if self._label else 0.0
        if outcome == "complete":
            self._n_finished += 1
            self._durations_s.append(duration_s)
        if self._trial is not None:
            self._bars.remove_task(self._trial)
            self._trial = None
        label, self._label = self._label or "trial", ""
        self._bars.update(self._sweep, completed=self._n_finished, note=f"{self._left(0)} left")
        self._print(f"[{outcome}] {label}   {note}   {duration_s:.0f} s")

    def _left(self, epoch: int) -> str:
        """Time left: the median trial, or what the running one tells before any has finished."""
        running_s = time.monotonic() - self._began_s
        if self._durations_s:
            trial_s = statistics.median(self._durations_s)
        elif epoch:
            trial_s = running_s / epoch * self._epochs
        else:
            return "?"
        trials = self._n_trials - self._n_finished
        left_s = max(0.0, trial_s * trials - (running_s if epoch else 0.0))
        return f"{int(left_s) // 60}:{int(left_s) % 60:02d}"

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
