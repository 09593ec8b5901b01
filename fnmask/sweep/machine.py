"""Which process runs a trial, so that another one can tell whether it still lives."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

Process = Mapping[str, str | int]


def this_process() -> dict[str, str | int]:
    """This process as plain values: `host`, `machine`, `pid` and when the process `started`.

    `machine` names the running kernel and its table of processes: two containers on one host have two of them, and a
    host has another one after a restart.
    """
    return {"host": socket.gethostname(), "machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def is_local(process: Process) -> bool:
    """Whether the process can be seen from here."""
    return process.get("machine") == _machine()


def is_dead(process: Process) -> bool:
    """Whether the process has certainly ended. Of one on another machine nothing is certain."""
    if not is_local(process):
        return False
    pid = int(process["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, under another user
        pass
    # The number may have been given to another process since.
    return process.get("started") != _started(pid)


def describe_process(process: Process) -> str:
    """`process 12 on HOST`."""
    return f"process {process.get('pid', '?')} on {process.get('host', '?')}"


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:  # no Linux: one table of processes for each host
        return socket.gethostname()


def _started(pid: int) -> str:
    """When the process started, in the kernel's ticks since it booted; nothing for one that has ended, a zombie too."""
    try:
        # The name, in brackets, may itself hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
