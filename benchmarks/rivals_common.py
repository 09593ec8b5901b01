"""What every contestant of a sweep does in a trial. It needs Python alone: contestants have their own environments.

A contestant is a script that is given the path of a request: a JSON file with

- `folder`: where its databases and files go;
- `n_trials` and `n_workers`;
- `sleeps`: the seconds of every trial, in the order in which the trials begin; none: 0;
- `payload`: what a run of ours has logged, as `params`, `tags`, `metrics` of an epoch, and `config`, a file's text.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EPOCHS = 4
ALPHA, RATE, SCORE = "loss.alpha", "optimizer.learning_rate", "val/miou"
REQUEST = "SWEEP_BENCHMARK_REQUEST"
# TPE as `fnmask.sweep.samplers` sets it up.
TPE = {"multivariate": True, "group": True, "constant_liar": True, "n_startup_trials": 8}


def read_request() -> Mapping[str, Any]:
    """The request; its path is passed on to processes that are started for trials."""
    request: Mapping[str, Any] = json.loads(Path(os.environ[REQUEST]).read_text())
    return request


def write_about(request: Mapping[str, Any], **about: Any) -> None:
    """Versions, and which search it is."""
    Path(request["folder"], "about.json").write_text(json.dumps(about))


def score_of(alpha: float) -> float:
    """The mean IoU that `benchmarks.dummy.DummyTrial` reports for a softening, with five classes."""
    right = 60 + int(40 * (1 - abs(alpha - 0.3)))
    return right / (right + 80)


def run_epochs(request: Mapping[str, Any], score: float, log: Callable[[int, Mapping[str, float]], None]) -> None:
    """Sleep through the epochs of a trial, logging after each; notes when the trial began and ended.

    Args:
        request: see above.
        score: of every epoch.
        log: called with epoch and metrics.
    """
    began_s = time.time()
    place = take_number(Path(request["folder"]))
    sleep_s = request["sleeps"][place] if request["sleeps"] else 0.0
    for epoch in range(1, EPOCHS + 1):
        time.sleep(sleep_s / EPOCHS)
        log(epoch, {**request["payload"]["metrics"], SCORE: score})
    note(request, place, began_s, sleep_s)


def note(request: Mapping[str, Any], place: int, began_s: float, sleep_s: float) -> None:
    """Write down when a trial began and, now, ended."""
    line = json.dumps({"place": place, "began_s": began_s, "ended_s": time.time(), "sleep_s": sleep_s})
    with Path(request["folder"], "trials.jsonl").open("a") as file:
        file.write(line + "\n")


def log_known(request: Mapping[str, Any], mlflow: Any, *, alpha: float, rate: float, but: int = 0) -> None:
    """What is known of a trial before its first epoch, logged to the run that is open.

    Args:
        request: see above.
        mlflow: the package.
        alpha: parameter.
        rate: parameter.
        but: the number of tags that the contestant sets by itself: as many of ours are left out.
    """
    payload = request["payload"]
    mlflow.log_params({**payload["params"], ALPHA: str(alpha), RATE: str(rate)})
    mlflow.set_tags(dict(list(payload["tags"].items())[but:]))
    mlflow.log_text(payload["config"], "config.yaml")


def take_number(folder: Path) -> int:
    """How many trials of all processes have begun before this one."""
    with (folder / "begun").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        number = len(file.read())
        file.write(".")
    return number
