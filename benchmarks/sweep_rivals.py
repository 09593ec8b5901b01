"""A sweep beside those of others, each with the same dummy trial and logging as much to MLflow.

Every contestant runs in a process of its own, those that do not fit into this environment in one of theirs. What a
trial logs is read from a run of ours: its parameters, its tags, the metrics of an epoch and its config as a file. How
much every contestant has logged in the end is counted in its database.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rivals_common import ALPHA, RATE, REQUEST, SCORE
from benchmarks.sweep_overhead import milliseconds
from benchmarks.tables import NOTHING, spread, table, target
from benchmarks.timing import Timings, interleave

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-rivals"
MOST = 1.5
_WARMUP_TRIALS = 5
_TIMEOUT_S = 600
_OURS = "benchmarks.sweep_ours"


@dataclass(frozen=True)
class Contestant:
    """A harness.

    Attributes:
        name: in tables.
        command: how it is started.
        sets_up: how its environment is made.
    """

    name: str
    command: tuple[str, ...]
    sets_up: str

    @property
    def is_there(self) -> bool:
        """Whether its environment has been made."""
        return Path(self.command[0]).exists()


def _of(name: str, script: str, environment: str | None) -> Contestant:
    python = sys.executable if environment is None else str(ENVIRONMENTS / environment / "bin" / "python")
    sets_up = "pip install optuna-integration" if environment is None else "make sweep-rivals"
    return Contestant(name, (python, script), sets_up)


OURS = Contestant("fnmask", (sys.executable, "-m", _OURS), "")
CALLBACK = _of("Optuna with MLflowCallback", "rivals_optuna.py", None)
RAY = _of("Ray Tune with MLflowLoggerCallback", "rivals_ray.py", "ray")
UPSTREAM = _of("Hydra's Optuna sweeper, MLflow in the task", "rivals_hydra.py", "hydra14")
CONTESTANTS = (CALLBACK, OURS, RAY, UPSTREAM)


def run_contestant(
    contestant: Contestant, folder: Path, payload: Mapping[str, Any], n_trials: int, **request: Any
) -> list[dict[str, float]]:
    """Run it to its end.

    Args:
        contestant: see above.
        folder: for a new folder of its own.
        payload: see `benchmarks.rivals_common`.
        n_trials: as many.
        request: changes of the request.

    Returns:
        What every trial has noted, in the order of their ends.

    Raises:
        RuntimeError: it failed; with its last words.
    """
    own = folder / uuid.uuid4().hex[:12]
    own.mkdir(parents=True)
    default = {"n_workers": 1, "sleeps": [], "storage": f"sqlite:///{own / 'optuna.db'}"}
    asked = {**default, **request, "folder": str(own), "n_trials": n_trials, "payload": payload}
    (own / "request.json").write_text(json.dumps(asked))
    changes = {
        REQUEST: str(own / "request.json"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    if contestant is not OURS:
        # Outside of the repository: MLflow would ask git about every run.
        for script in (contestant.command[-1], "rivals_common.py"):
            shutil.copy(ROOT / "benchmarks" / script, own)
    with (own / "log").open("w") as log:
        done = subprocess.run(
            contestant.command,
            cwd=ROOT if contestant is OURS else own,
            env=kept | changes,
            stdout=log,
            stderr=log,
            timeout=_TIMEOUT_S,
            check=False,
        )
    notes = own / "trials.jsonl"
    trials = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    if done.returncode or len(trials) != n_trials:
        last_words = (own / "log").read_text()[-3000:]
        raise RuntimeError(f"{contestant.name}: exit code {done.returncode}, {len(trials)} trials:\n{last_words}")
    (folder / "last").unlink(missing_ok=True)
    (folder / "last").symlink_to(own)
    return sorted(trials, key=lambda trial: float(trial["ended_s"]))


def read_payload(folder: Path) -> dict[str, Any]:
    """What a run of ours logs: the last of two, in the terms of `benchmarks.rivals_common`."""
    run_contestant(OURS, folder, {}, 2)
    with closing(sqlite3.connect(folder / "last" / "mlflow.db")) as database:
        (run_id,) = database.execute("SELECT run_uuid FROM runs ORDER BY start_time DESC LIMIT 1").fetchone()
        rows = {
            name: database.execute(
                f"SELECT key, value FROM {name} WHERE run_uuid = ? ORDER BY key", (run_id,)
            ).fetchall()
            for name in ("params", "tags", "latest_metrics")
        }
    (config,) = (folder / "last").glob(f"mlruns/*/{run_id}/artifacts/config.yaml")
    return {
        "params": {key: value for key, value in rows["params"] if key not in (ALPHA, RATE)},
        # MLflow's own names mean something to it.
        "tags": {key.replace("mlflow.", "fnmask."): value for key, value in rows["tags"]},
        "metrics": {key: value for key, value in rows["latest_metrics"] if key != SCORE},
        "config": config.read_text(),
    }


def count_logged(folder: Path) -> str:
    """Of the last contestant that ran: what a run holds in the median: values of metrics, parameters, tags, files."""
    own = (folder / "last").resolve()
    with closing(sqlite3.connect(own / "mlflow.db")) as database:
        runs = database.execute(
            "SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN (SELECT run_uuid FROM metrics)"
        )
        uris = dict(runs.fetchall())
        counts = [
            median(
                database.execute(f"SELECT count(*) FROM {name} WHERE run_uuid = ?", (id_,)).fetchone()[0]
                for id_ in uris
            )
            for name in ("metrics", "params", "tags")
        ]
    files = [sum(path.is_file() for path in Path(uri.removeprefix("file://")).rglob("*")) for uri in uris.values()]
    return " / ".join(f"{count:g}" for count in (*counts, median(files)))


def seconds_per_trial(trials: Sequence[Mapping[str, float]], warmup: int = _WARMUP_TRIALS) -> float:
    """The mean time from the end of one trial to the end of the next, after those that warm up."""
    counted = [trial["ended_s"] for trial in trials[warmup:]]
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def report(
    folder: Path,
    n_trials: int,
    rounds: int,
    log: Callable[[str], None],
    *,
    only: Sequence[Contestant] = CONTESTANTS,
) -> list[str]:
    """The table: milliseconds of a trial, ours over each rival's, and what was logged."""
    payload = read_payload(folder)
    logged: dict[str, str] = {}
    about: dict[str, Mapping[str, Any]] = {}
    failures: dict[str, str] = {}
    first: dict[str, float] = {}

    def run(contestant: Contestant) -> float:
        trials = run_contestant(contestant, folder, payload, _WARMUP_TRIALS + n_trials)
        logged[contestant.name] = count_logged(folder)
        about[contestant.name] = json.loads((folder / "last" / "about.json").read_text())
        shutil.rmtree((folder / "last").resolve())
        return seconds_per_trial(trials)

    taking_part = []
    for contestant in only:
        if not contestant.is_there:
            continue
        try:
            first[contestant.name] = run(contestant)
            log(f"{contestant.name}: {1e3 * first[contestant.name]:.0f} ms per trial, warming up")
            taking_part.append(contestant)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            failures[contestant.name] = str(error).strip().splitlines()[-1]
            log(str(error))
    # What has run already has warmed up.
    runs = {each.name: lambda each=each: first.pop(each.name, None) or run(each) for each in taking_part}
    timings = interleave(runs, reference=OURS.name, rounds=rounds, warmup=1, log=log)
    rows = [_row(each, timings, logged, about, failures) for each in only]
    header = [
        "contestant",
        "ms per trial",
        "fnmask over it",
        "target",
        "met",
        "metrics / params / tags / files of a run",
    ]
    return table([*header, "search and versions"], rows)


def _row(
    each: Contestant,
    timings: Timings,
    logged: Mapping[str, str],
    about: Mapping[str, Mapping[str, Any]],
    failures: Mapping[str, str],
) -> list[str]:
    if each.name not in timings.seconds:
        told = failures.get(each.name, f"not installed: {each.sets_up}")
        return [each.name, *[NOTHING] * 5, told]
    ratio = timings.ratio(OURS.name, each.name)
    met = target(MOST if each is CALLBACK else None, ratio)
    versions = ", ".join(f"{package} {number}" for package, number in about[each.name]["versions"].items())
    told = "; ".join(filter(None, [about[each.name]["search"], versions]))
    times = milliseconds(timings.seconds[each.name])
    return [each.name, times, spread(ratio), *met, logged[each.name], told]
