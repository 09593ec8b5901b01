"""Folders of files that trials share: bounded, and written by one worker at a time."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Seconds between two looks at a lock that another worker holds.
_LOOK_AGAIN_S = 0.2

# Nobody writes at a file for so long.
_ABANDONED_S = 3600.0


def make_room(folder: Path, suffix: str, max_bytes: int) -> None:
    """Remove what was used longest ago, until the rest is small enough; and what killed workers left half-done.

    Args:
        folder: of the files; half-done ones are called `.NAME.tmp`.
        suffix: of whole ones, whose time of change is that of their last use.
        max_bytes: of all whole files together.
    """
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
    files = []
    for path in folder.glob(f"*{suffix}"):
        with suppress(FileNotFoundError):  # removed by another worker
            files.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= max_bytes:
            return
        path.unlink(missing_ok=True)
        total -= size


@contextmanager
def exclusively(folder: Path, key: str, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the right to compute what a key stands for; waits while another worker does.

    Args:
        folder: made if there is none.
        key: of hexadecimal digits. A few files serve all keys; they are locked, never removed.
        wait: called again and again meanwhile; what it raises ends the waiting.

    Raises:
        OSError: there is no place for the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{key[:2]}.lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
                time.sleep(_LOOK_AGAIN_S)
        yield
