"""The memory of a process with all that it has started."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOOK_EVERY_S = 0.5


def run_watched(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, timeout_s: float
) -> tuple[int, float]:
    """Run a command to its end.

    Args:
        command: program and arguments.
        cwd: its folder.
        env: its environment.
        log: takes what it prints.
        timeout_s: after which it is killed.

    Returns:
        Exit code, and the most MiB that it and its descendants have held at once, what several share counted once.

    Raises:
        TimeoutExpired: it took longer.
    """
    peak_kib = 0
    with log.open("w") as file:
        process = subprocess.Popen(list(command), cwd=cwd, env=dict(env), stdout=file, stderr=file)
        done = threading.Event()

        def watch() -> None:
            nonlocal peak_kib
            while not done.wait(_LOOK_EVERY_S):
                peak_kib = max(peak_kib, sum(map(_proportional_kib, _tree(process.pid))))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            code = process.wait(timeout_s)
        except BaseException:  # too late, or interrupted
            for pid in reversed(_tree(process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            done.set()
            watcher.join()
    return code, peak_kib / 1024


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with suppress(OSError):  # it has ended
            for task in Path(f"/proc/{parent}/task").iterdir():
                with suppress(OSError):
                    found += map(int, (task / "children").read_text().split())
    return found


def _proportional_kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
