"""How much memory a step takes at its peak, beside the labels and logits that are there before."""

import gc
from pathlib import Path

from benchmarks.engines import Engine
from benchmarks.metric_contestants import Step

_SELF = Path("/proc/self")
REPEATS = 3


def peak_bytes(engine: Engine, step: Step) -> dict[str, int | None]:
    """The peaks of a step that has not run before.

    On the CPU they are the highest resident set of the process (VmHWM, which Linux lets a process reset) minus what was
    resident just before: the gradient and all that is computed on the way, in a process that gives back what it frees
    (see `benchmarks.worker.Worker`). On a GPU they are those of the framework's own allocator.

    Returns:
        `first_bytes` of the first call, tracing and compiling included, and `step_bytes`, the largest of the calls
        after it. None without Linux and a GPU.
    """
    first = _one_peak(engine, step)
    later = [_one_peak(engine, step) for _ in range(REPEATS)]
    return {"first_bytes": first, "step_bytes": max((each for each in later if each is not None), default=None)}


def _one_peak(engine: Engine, step: Step) -> int | None:
    gc.collect()
    on_device = engine.device_memory()
    if on_device is None and not (_SELF / "clear_refs").exists():
        return None
    if on_device is None:
        (_SELF / "clear_refs").write_text("5")
    before = on_device[0] if on_device else _resident("VmRSS")
    step()
    used = engine.device_memory()
    return (used[1] if used else _resident("VmHWM")) - before


def _resident(key: str) -> int:
    lines = (_SELF / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024
