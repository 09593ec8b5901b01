"""How much of their time parallel workers spend on their trials, when a trial is a sleep.

The efficiency is the seconds that all trials slept, over the number of workers times the seconds from the start of the
first trial to the end of the last one. A worker that asks, logs, tells or waits for another one is not at work, and
neither is one that finds nothing to do at the end.
"""

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import optuna

from benchmarks.sweep_databases import Databases
from benchmarks.sweep_ours import NAME
from benchmarks.sweep_rivals import OURS, RAY, UPSTREAM, Contestant, read_payload, run_contestant
from benchmarks.tables import NOTHING, table

LEAST = 0.9
# Of a log-normal distribution: the standard deviation is two thirds of the mean.
_SIGMA = 0.6


@dataclass(frozen=True)
class Scale:
    """How long it all takes.

    Attributes:
        workers: numbers of them.
        trial_s: seconds of a trial.
        per_worker: trials of a worker.
        rounds: how often everything is run.
        compared: number of workers of the comparison with others.
    """

    workers: tuple[int, ...] = (1, 2, 4, 8, 16)
    trial_s: float = 5.0
    per_worker: int = 3
    rounds: int = 2
    compared: int = 4


def efficiency(sleeps: Sequence[float], n_workers: int, wall_s: float) -> float:
    """The share of the workers' time that trials slept.

    Example:
        >>> efficiency([1.0, 1.0, 1.0, 1.0], 2, 2.5)
        0.8
    """
    return sum(sleeps) / (n_workers * wall_s)


def wall_seconds(trials: Sequence[Mapping[str, float]], first: int = 0) -> float:
    """From the beginning of the first trial to the end of the last one, those left out that began before `first`."""
    counted = [trial for trial in trials if trial["place"] >= first]
    return max(trial["ended_s"] for trial in counted) - min(trial["began_s"] for trial in counted)


def draw_sleeps(kind: str, n_trials: int, mean_s: float, seed: int = 0) -> list[float]:
    """The seconds of trials, `equal` or `log-normal`, with this mean: the same for everybody."""
    if kind == "equal":
        return [mean_s] * n_trials
    draws = random.Random(seed)
    drawn = [draws.lognormvariate(0, _SIGMA) for _ in range(n_trials)]
    return [mean_s * n_trials * value / sum(drawn) for value in drawn]


def report_scaling(databases: Databases, scale: Scale, log: Callable[[str], None]) -> list[str]:
    """The table of our efficiency by number of workers and by store."""
    cells = [(study, store, n) for study, store in _stores(databases) for n in _numbers(study, scale)]
    found: dict[tuple[str, str, int], list[float]] = {cell: [] for cell in cells}
    computed: dict[tuple[str, str, int], list[float]] = {cell: [] for cell in cells}
    order = random.Random(0)
    for round_ in range(scale.rounds):
        order.shuffle(cells)
        for study, store, n_workers in cells:
            n_trials = n_workers * scale.per_worker
            name = f"{study}_{store}_{n_workers}_{round_}"
            storage = databases.storage(study, name)
            given = {"storage": storage, "tracking": databases.tracking(store, name), "n_workers": n_workers}
            run_contestant(OURS, databases.folder, {}, n_trials, sleeps=[scale.trial_s] * n_trials, **given)
            about = json.loads((databases.folder / "last" / "about.json").read_text())
            computed[study, store, n_workers].append(about["computed_s"] / n_trials)
            shutil.rmtree((databases.folder / "last").resolve())
            wall_s = _wall_of_study(storage)
            found[study, store, n_workers].append(efficiency([scale.trial_s] * n_trials, n_workers, wall_s))
            log(f"{study}, MLflow in {store}, {n_workers} workers: {found[study, store, n_workers][-1]:.3f}")
    rows = []
    for (study, store, n_workers), values in sorted(found.items(), key=lambda item: _place(item[0])):
        lost_s = scale.trial_s * (1 / median(values) - 1)
        cells_ = [f"{study}, {store}", f"{n_workers}", f"{n_workers * scale.per_worker}", _range(values)]
        computed_s = median(computed[study, store, n_workers])
        rows.append([*cells_, _met(values), f"{1e3 * lost_s:.0f}", f"{1e3 * computed_s:.0f}"])
    header = ["study, MLflow", "workers", "trials", "efficiency", f"≥ {LEAST:g}", "ms lost per trial", "ms computed"]
    return table(header, rows)


def report_comparison(databases: Databases, scale: Scale, log: Callable[[str], None]) -> list[str]:
    """The table of the efficiency beside others, with trials of one length and of several."""
    payload, n_workers = read_payload(databases.folder), scale.compared
    n_trials, n_warmup = 2 * n_workers * scale.per_worker, 2 * n_workers
    rows = []
    for contestant, how in (
        (OURS, "workers pull trials"),
        (RAY, "actors are handed trials"),
        (UPSTREAM, "joblib, a batch of trials at a time"),
    ):
        cells = []
        for kind in ("equal", "log-normal"):
            values, told = [], ""
            sleeps = draw_sleeps(kind, n_trials, scale.trial_s / 2)
            for _ in range(scale.rounds if contestant.is_there else 0):
                try:
                    given = {"n_workers": n_workers, "sleeps": [0.0] * n_warmup + sleeps}
                    trials = run_contestant(contestant, databases.folder, payload, n_warmup + n_trials, **given)
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    told = str(error).strip().splitlines()[-1]
                    log(str(error))
                    break
                shutil.rmtree((databases.folder / "last").resolve())
                values.append(efficiency(sleeps, n_workers, wall_seconds(trials, n_warmup)))
                log(f"{contestant.name}, {kind}: {values[-1]:.3f}")
            cells.append(_range(values) if values else told or _missing(contestant))
        rows.append([contestant.name, how, *cells])
    return table([f"{n_workers} workers, SQLite", "how", "equal trials", "log-normal trials"], rows)


def _missing(contestant: Contestant) -> str:
    return f"not installed: {contestant.sets_up}"


def _stores(databases: Databases) -> list[tuple[str, str]]:
    both = [("PostgreSQL", "SQLite"), ("PostgreSQL", "PostgreSQL")] if databases.server is not None else []
    return [*both, ("SQLite", "SQLite")]


def _numbers(study: str, scale: Scale) -> list[int]:
    """More than 8 workers SQLite refuses; below 4 it shows nothing new."""
    return (
        [n for n in scale.workers if n <= 8 and (n >= 4 or n == max(scale.workers))]
        if study == "SQLite"
        else list(scale.workers)
    )


def _place(cell: tuple[str, str, int]) -> tuple[Any, ...]:
    study, store, n_workers = cell
    return study == "SQLite", store != "SQLite", n_workers


def _wall_of_study(storage: str) -> float:
    """By what Optuna has written down: `datetime_start` and `datetime_complete`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = optuna.load_study(study_name=NAME, storage=storage).trials
    begun = min(trial.datetime_start for trial in trials if trial.datetime_start is not None)
    return (
        max(trial.datetime_complete for trial in trials if trial.datetime_complete is not None) - begun
    ).total_seconds()


def _range(values: Sequence[float]) -> str:
    """The median and, of several rounds, the least and the most."""
    if not values:
        return NOTHING
    return f"**{median(values):.3f}**" + (f" [{min(values):.3f}, {max(values):.3f}]" if len(values) > 1 else "")


def _met(values: Sequence[float]) -> str:
    return "yes" if median(values) >= LEAST else "**no**"
