"""What a trial costs beside its training, with few trials in the study and with many.

Every number of trials has a process of its own, with the worker of a real sweep in it, which runs one dummy trial when
it is told to. So the processes take turns trial by trial, and none collects the garbage of another's trials.
"""

import contextlib
import dataclasses
import io
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.dummy import DummyBench, DummyTrial, begin_dummy, compose, words_of, work
from benchmarks.sweep_databases import Databases
from benchmarks.sweep_filling import fill_runs, fill_study
from benchmarks.tables import spread, table, target
from benchmarks.timing import Timings, interleave
from fnmask.sweep.composer import Composer
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import run_worker

# Between these moments of a trial lie its phases.
PHASES = ("ask", "compose", "open", "epochs", "tell")
_WARMUP = 5
MOST = 1.5


class OnDemand(Interruption):
    """Lets a worker begin its next trial when it is told to, and notes when the trial passes from phase to phase."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._moments: list[float] = []
        super().__init__()

    def mark(self) -> None:
        """A phase is over."""
        self._moments.append(time.perf_counter())

    @property
    def is_requested(self) -> bool:
        """What a worker looks at before every trial."""
        self.mark()
        if len(self._moments) > 1:
            self._connection.send([end - begin for begin, end in zip(self._moments, self._moments[1:], strict=False)])
        goes_on: bool = self._connection.recv()
        self._moments = [time.perf_counter()]
        return not goes_on

    @is_requested.setter
    def is_requested(self, value: bool) -> None:
        """It is not asked whether it is told to stop."""


class _Marking:
    """A composer that says when it begins and ends."""

    def __init__(self, composer: Composer, mark: Callable[[], None]) -> None:
        self._composer, self._mark = composer, mark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._composer, name)

    def compose(self, *words: Any, **options: Any) -> Any:
        """See `Composer.compose`."""
        self._mark()
        try:
            return self._composer.compose(*words, **options)
        finally:
            self._mark()


class _MarkingTrial(DummyTrial):
    """A dummy trial that says when its epochs begin."""

    def __init__(self, mark: Callable[[], None]) -> None:
        super().__init__(on_end=lambda config: mark())
        self._mark = mark

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """See `DummyTrial`."""
        self._mark()
        return super().__call__(*arguments, **options)


def serve(connection: Connection, root: Path, storage: str, tracking: str, sampler: str, n_trials: int) -> None:
    """Fill a study and its tracking store, then run a trial whenever a true value is received.

    Args:
        connection: takes the seconds of every phase.
        root: project folder of the sweep.
        storage: address of the study.
        tracking: address of MLflow's store; one that is filled already stays as it is.
        sampler: of the sweep.
        n_trials: in the study before the first measured one, but for those that warm up.
    """
    os.environ["MLFLOW_TRACKING_URI"] = tracking
    changes = {"study.sampler": sampler, "study.name": f"dummy_{sampler}"}
    words = words_of(root, storage, 2, **changes)
    with contextlib.redirect_stdout(io.StringIO()):
        work(words, DummyTrial(), begun=begin_dummy(words))
        fill_study(storage, n_trials)
        fill_runs(tracking, n_trials)
        words = words_of(root, storage, n_trials + 10**6, **changes)
        begun = begin_dummy(words)
    context, _ = compose(words)
    connection.send("ready")
    on_demand = OnDemand(connection)
    begun = dataclasses.replace(begun, composer=_Marking(begun.composer, on_demand.mark))  # type: ignore[arg-type]
    run_worker(begun, context, _MarkingTrial(on_demand.mark), DummyBench(), interruption=on_demand)


def measure(
    databases: Databases, kind: str, sampler: str, sizes: Sequence[int], rounds: int, log: Callable[[str], None]
) -> tuple[Timings, Mapping[str, Sequence[Sequence[float]]]]:
    """Time real dummy trials at several sizes of the study, trial by trial in turn.

    Returns:
        The seconds of a trial by size; and by size, of every trial the seconds of its phases.
    """
    spawn = multiprocessing.get_context("spawn")
    ends, processes, phases = {}, [], {str(size): [] for size in sizes}  # type: ignore[var-annotated]
    for size in sizes:
        mine, theirs = spawn.Pipe()
        root = databases.folder / f"{kind}_{size}"
        root.mkdir(exist_ok=True)
        given = (databases.storage(kind, f"{sampler}_{size}"), databases.tracking(kind, f"runs_{size}"), sampler, size)
        process = spawn.Process(target=serve, args=(theirs, root, *given), daemon=True)
        process.start()
        theirs.close()
        ends[str(size)] = mine
        processes.append(process)
        began_s = time.monotonic()
        if mine.recv() != "ready":
            raise RuntimeError("the worker has not begun")
        log(f"{kind}, {sampler}: {size} trials after {time.monotonic() - began_s:.0f} s")

    def run(size: str) -> float:
        ends[size].send(True)
        taken = ends[size].recv()
        phases[size].append(taken)
        return sum(taken)

    runs = {size: lambda size=size: run(size) for size in ends}
    timings = interleave(runs, reference=str(sizes[0]), rounds=rounds, warmup=_WARMUP, log=lambda line: None)
    for end, process in zip(ends.values(), processes, strict=True):
        end.send(False)
        process.join(30)
    return timings, {size: taken[_WARMUP:] for size, taken in phases.items()}


def report(
    databases: Databases, kinds: Sequence[str], samplers: Sequence[str], sizes: Sequence[int], rounds: int, log: Any
) -> list[str]:
    """The table: milliseconds of a trial and of its phases, and the ratio to the smallest study."""
    rows = []
    for kind in kinds:
        for sampler in samplers:
            timings, phases = measure(databases, kind, sampler, sizes, rounds, log)
            for size in map(str, sizes):
                ratio = timings.ratio(size)
                of_phases = [f"{1e3 * median(column):.0f}" for column in zip(*phases[size], strict=True)]
                cells = [f"{kind}, {sampler}, {int(size):,}", milliseconds(timings.seconds[size]), spread(ratio)]
                rows.append([*cells, *target(MOST, ratio)[1:], *of_phases])
    size = f"of {sizes[0]:,} trials"
    return table(["storage, sampler, trials in the study", "ms per trial", size, f"≤ {MOST:g}", *PHASES], rows)


def milliseconds(seconds: Sequence[float | None]) -> str:
    """Median and quartiles in milliseconds."""
    known = [1e3 * second for second in seconds if second is not None]
    low, _, high = quantiles(known, n=4, method="inclusive") if len(known) > 1 else known * 3
    return f"**{median(known):.0f}** [{low:.0f}, {high:.0f}]"
