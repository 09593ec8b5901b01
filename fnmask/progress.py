"""What a person sees of one run: epoch, validation mIoU, time left."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


class RunProgress:
    """A bar on a terminal, a plain line per epoch elsewhere (a pipe, CI).

    Args:
        label: what runs.
        epochs: how many it has.
        console: where to draw.
    """

    def __init__(self, label: str, epochs: int, *, console: Console) -> None:
        self._label, self._epochs, self._console = label, epochs, console
        self._began_s = time.monotonic()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._bar = self._bars.add_task(label, total=epochs, note="")

    def __enter__(self) -> "RunProgress":
        self._bars.start()
        if not self._console.is_terminal:
            self._print(self._label)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def end_epoch(self, epoch: int, miou: float) -> None:
        """An epoch is done."""
        left_s = (time.monotonic() - self._began_s) / epoch * (self._epochs - epoch)
        note = f"epoch {epoch} of {self._epochs}   val mIoU {miou:.3f}   {format_duration(left_s)} left"
        self._bars.update(self._bar, completed=epoch, note=note)
        if not self._console.is_terminal:
            self._print(f"  {note}")

    def describe_end(self, outcome: str, reason: str) -> str:
        """`[outcome] label   reason   12 s`."""
        told = [f"[{outcome}] {self._label}", *([reason] if reason else [])]
        return "   ".join([*told, f"{time.monotonic() - self._began_s:.0f} s"])

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def format_duration(seconds: float) -> str:
    """`2:05` for minutes and seconds, `1:02:05` from an hour on."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
