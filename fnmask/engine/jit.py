"""Whether XLA makes a network faster on this machine: measured once, and remembered."""

import functools
import hashlib
import json
import logging
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

_LOG = logging.getLogger(__name__)

# XLA has to gain more than this share of a step: it costs its compilation, and the measurement has noise.
_LEAST_GAIN = 0.05


@dataclass(frozen=True)
class Verdict:
    """Seconds of one training step, without XLA and with it."""

    plain_s: float
    jit_s: float

    @property
    def jit_compile(self) -> bool:
        """Whether to use XLA."""
        return self.jit_s < (1 - _LEAST_GAIN) * self.plain_s

    def __str__(self) -> str:
        used = "used" if self.jit_compile else "not used"
        return (
            f"A step takes {1e3 * self.plain_s:.0f} ms here, and {1e3 * self.jit_s:.0f} ms with XLA "
            f"({self.jit_s / self.plain_s:.2f} of it): XLA is {used}."
        )


def settle_jit(folder: Path | None, structure: str, time_step: Callable[[bool], float]) -> Verdict:
    """The verdict on a structure, from an earlier measurement on this machine or from a new one, which is logged.

    Args:
        folder: where verdicts are kept, one small file for each; None: nowhere.
        structure: names the network, the loss, the shapes; versions and machine are added.
        time_step: seconds of one step, with XLA (True) or without; XLA failing counts as slow.
    """
    path = folder / f"{hashlib.sha256(f'{structure} {_machine()}'.encode()).hexdigest()[:32]}.json" if folder else None
    with suppress(OSError, ValueError, TypeError):  # none yet, or half a file
        if path is not None:
            return Verdict(**json.loads(path.read_text()))
    plain_s = time_step(False)
    try:
        jit_s = time_step(True)
    except tf.errors.OpError as error:
        _LOG.warning("XLA cannot compile this network (%s): it is not used.", str(error).partition("\n")[0])
        jit_s = 1e9
    verdict = Verdict(plain_s, jit_s)
    _LOG.info("%s", verdict)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(verdict)))
        except OSError as error:
            _LOG.warning("The verdict on XLA could not be kept: %s", error)
    return verdict


@functools.cache
def _machine() -> str:
    """Processor or GPU, and the versions of what compiles."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return json.dumps([names, processor, cores, version("tensorflow"), version("keras")])
