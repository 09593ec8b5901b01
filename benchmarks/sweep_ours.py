"""The contestant of this package in `benchmarks.sweep_rivals` and `benchmarks.sweep_parallel`, in a process of its own.

It takes the request of `benchmarks.rivals_common`, and in it also `storage`, and `tracking` unless that is a database
in the folder. Workers are forked from this process once it has imported everything, open their connections, and wait
for each other before the first of them asks for a trial.
"""

import contextlib
import io
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fnmask.open_store
import fnmask.sweep.worker  # noqa: F401 (both are otherwise imported by the workers)
from benchmarks.dummy import DummyBench, DummyTrial, begin_dummy, compose, words_of
from benchmarks.rivals_common import EPOCHS, note, read_request, take_number, write_about
from fnmask.result import Result
from fnmask.sweep.begin import join
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import run_worker
from fnmask.sweep.plan import make_plan

NAME = "ours"
_READY_S = 120


class _NotingTrial(DummyTrial):
    """Sleeps as the request says, and notes when it began and ended."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        super().__init__()
        self._request = request

    def __call__(self, *arguments: Any, **options: Any) -> Result:
        """See `DummyTrial`."""
        began_s = time.time()
        place = take_number(Path(self._request["folder"]))
        sleep_s = self._request["sleeps"][place] if self._request["sleeps"] else 0.0
        self._epoch_s = sleep_s / EPOCHS
        result = super().__call__(*arguments, **options)
        note(self._request, place, began_s, sleep_s)
        return result


def words_for(request: Mapping[str, Any]) -> list[str]:
    """The command line of the sweep."""
    changes = {"study.sampler": "tpe", "study.name": NAME}
    return words_of(Path(request["folder"]), request["storage"], request["n_trials"], **changes)


def run(request: Mapping[str, Any]) -> None:
    """Begin the sweep and be its workers."""
    if request.get("tracking"):
        os.environ["MLFLOW_TRACKING_URI"] = request["tracking"]
    fork = multiprocessing.get_context("fork")
    # In a process of its own: a connection must not be forked.
    beginning = fork.Process(target=_begin, args=(request,))
    beginning.start()
    beginning.join()
    barrier = fork.Barrier(request["n_workers"])
    workers = [fork.Process(target=_work, args=(request, i, barrier.wait)) for i in range(request["n_workers"])]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    if beginning.exitcode or any(process.exitcode for process in workers):
        raise RuntimeError("a worker has failed")
    computed_s = sum(float(path.read_text()) for path in Path(request["folder"]).glob("computed*"))
    write_about(request, versions={}, search="TPE", computed_s=computed_s)


def _begin(request: Mapping[str, Any]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        begin_dummy(words_for(request))


def _work(request: Mapping[str, Any], index: int, wait: Callable[[float], int]) -> None:
    words = words_for(request)
    context, composer = compose(words)
    begun = join(make_plan(composer, words, with_options=False), composer)
    wait(_READY_S)
    before_s = time.process_time()
    with Interruption() as interruption:
        verdict = run_worker(
            begun, context, _NotingTrial(request), DummyBench(), interruption=interruption, index=index
        )
    # A file for each worker: they end at the same time.
    Path(request["folder"], f"computed{index}").write_text(str(time.process_time() - before_s))
    if verdict != "finished":
        raise RuntimeError(f"the sweep has ended as {verdict}")


if __name__ == "__main__":
    run(read_request())
    sys.exit()
