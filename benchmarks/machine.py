"""What a benchmark ran on, as the first lines of its report."""

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path


def describe_run(module: str, arguments: Sequence[str], *, device: str, versions: Mapping[str, str]) -> list[str]:
    """Markdown lines: machine, versions, date and load, command."""
    machine = f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {_memory_gib():.0f} GiB"
    listed = ", ".join(f"{package} {number}" for package, number in versions.items())
    command = " ".join(["python -m", module, *map(shlex.quote, arguments)])
    return [
        f"- Machine: {machine}" + ("" if device == "CPU" else f"; computed on {device}"),
        f"- Versions: Python {platform.python_version()}, {listed}",
        f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average at the start {os.getloadavg()[0]:.2f}",
        f"- Command: `{command}`",
    ]


def _cpu() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
