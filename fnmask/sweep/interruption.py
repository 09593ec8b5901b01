"""Ctrl-C and SIGTERM: what was begun is finished or queued again, never lost."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

# Slurm announces the end of a job's time with this one, when asked to as submitit does.
_PREEMPTING = (signal.SIGTERM, signal.SIGUSR2)

_FINISHED = "will be finished. Press Ctrl-C again to stop at once and have it run again later."


class Preempted(KeyboardInterrupt):
    """The process has been told to go."""


class Interruption:
    """Turns signals into a wish to stop, and cuts a trial short when that cannot wait.

    The first Ctrl-C lets the running trial finish, the second cuts it short; SIGTERM, as before a preemption, cuts it
    short at once. It is cut where it asks (`check`, before every batch): anywhere else an exception could leave a
    database in the middle of a write, and locked. The third Ctrl-C does not wait for that.

    Args:
        running: what a first Ctrl-C leaves to finish, in words.
    """

    def __init__(self, running: str = "The running trial") -> None:
        self._running = running
        self._may_raise = False
        self._cut: type[KeyboardInterrupt] | None = None
        self._previous: dict[int, Any] = {}
        self.is_requested = False
        self.received = 0

    def __enter__(self) -> "Interruption":
        # Python delivers signals to the main thread, and lets it alone say so.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_PREEMPTING):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        # A launcher's own handler may have to know, to queue the job again.
        previous = self._previous.get(self.received)
        if self.received == signal.SIGUSR2 and callable(previous):
            previous(self.received, None)

    @property
    def is_pressed(self) -> bool:
        """Whether a person asked for it, rather than the system."""
        return self.is_requested and self.received == signal.SIGINT

    def check(self) -> None:
        """Go on, unless what runs here is to be cut short.

        Raises:
            KeyboardInterrupt: it is.
        """
        if self._cut is not None:
            raise self._cut

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Something that cannot ask, but can be cut short anywhere, such as waiting for other processes.

        Raises:
            KeyboardInterrupt: it was.
        """
        self.check()
        self._may_raise = True
        try:
            yield
        finally:
            self._may_raise = False

    def wait(self, seconds: float) -> None:
        """Sleep, until something is asked for."""
        deadline_s = time.monotonic() + seconds
        while not self.is_requested and time.monotonic() < deadline_s:
            time.sleep(min(0.1, seconds))

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again = self.is_requested
        self.is_requested, self.received = True, number
        if number == signal.SIGINT and not again:
            # Not printed: Python's streams refuse to be written to in the middle of a write, where a signal may come.
            if sys.__stderr__ is not None:
                with suppress(OSError, ValueError):  # closed
                    os.write(sys.__stderr__.fileno(), f"\n{self._running} {_FINISHED}\n".encode())
            return
        at_once = self._may_raise or (self._cut is not None and number == signal.SIGINT)
        self._cut = KeyboardInterrupt if number == signal.SIGINT else Preempted
        if at_once:
            self._may_raise = False
            raise self._cut
