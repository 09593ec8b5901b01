"""One framework in a process of its own, which runs steps on demand.

Frameworks bring thread pools, and two of them in one process compete for the cores. Each in a process of its own, told
to run one step at a time, all but one of them sleep.

The conversation is one line of JSON each way: `{"do": "run", "name": ..., "mode": ...}` is answered with `seconds` and
`value`, `"peak"` with `first_bytes` and `step_bytes`, `"about"` with `device` and `versions`; all of them with `error`
if something went wrong, and with `missing` if a package is not installed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.batch import draw_batch
from benchmarks.contestants import ours
from benchmarks.engines import ENGINES, Engine, Mode
from benchmarks.memory import peak_bytes
from benchmarks.metric_contestants import Step, metric_contestants
from benchmarks.rivals import rivals

PACKAGES = ("tensorflow", "keras", "torch", "monai", "jax", "numpy")
Shape = tuple[int, int, int, int]


class Worker:
    """The near end of such a process.

    Args:
        engine: a key of `benchmarks.engines.ENGINES`.
        shape: B, H, W, C.
        frees_at_once: whether freed memory goes back to the system at once, so that what is in use can be told from
            what is kept for later. It costs time.
    """

    def __init__(self, engine: str, shape: Shape, *, frees_at_once: bool = False) -> None:
        backend = "torch" if "torch" in engine else engine
        given = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
        given |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        if frees_at_once:
            given |= {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
            # With oneDNN, TensorFlow takes memory from a pool that never shrinks.
            given |= {"TF_ENABLE_ONEDNN_OPTS": "0"}
        command = [sys.executable, "-m", "benchmarks.worker", engine, json.dumps(shape)]
        self._printed = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed in `close`)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env=os.environ | given,
            text=True,
        )

    def ask(self, do: str, **request: Any) -> Any:
        """Sends a request and waits for the answer.

        Raises:
            ModuleNotFoundError: a package that it needs is not installed.
            RuntimeError: what went wrong over there.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self._process.stdin.flush()
        answered = self._process.stdout.readline()
        answer = json.loads(answered) if answered else {"error": f"the process ended.\n{self._last_words()}"}
        if "missing" in answer:
            raise ModuleNotFoundError(answer["missing"])
        if "error" in answer:
            raise RuntimeError(f"{do} {request}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
        self._printed.close()

    def _last_words(self) -> str:
        self._printed.seek(0)
        return self._printed.read()[-4000:]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _answer(request: dict[str, Any], engine: Engine, steps: dict[tuple[str, str], Step]) -> dict[str, Any]:
    if request["do"] == "about":
        return {"device": engine.device, "versions": _versions()}
    name, mode = request["name"], request["mode"]
    if (name, mode) not in steps:
        steps[name, mode] = _step(engine, name, mode)
    step = steps[name, mode]
    if request["do"] == "peak":
        return peak_bytes(engine, step)
    start = time.perf_counter()
    value = step()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "value": value if isinstance(value, float) else None}


def _step(engine: Engine, name: str, mode: Mode) -> Step:
    for contestant in (*rivals(), *ours()):
        if contestant.name == name:
            return engine.step(contestant, mode)
    return next(metric for metric in metric_contestants() if metric.name == name).build(engine.batch)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _serve(engine_name: str, shape: Shape) -> None:
    # What frameworks print is no part of the conversation.
    conversation = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine = ENGINES[engine_name](draw_batch(shape))
    steps: dict[tuple[str, str], Step] = {}
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line), engine, steps)
        except ModuleNotFoundError as error:
            answer = {"missing": str(error)}
        except Exception:  # whatever it is, the near end raises it
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=conversation, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1], tuple(json.loads(sys.argv[2])))
