"""What a sweep costs beside its trainings: `python -m benchmarks.sweep`.

All trials are those of `benchmarks.dummy`: they train nothing, report 30 metrics after each of four epochs, and are
logged to MLflow with all of their parameters, tags and their config.

- `overhead`: milliseconds of a trial while the study, and MLflow's store, hold few or many trials already.
- `rivals`: the same beside other harnesses, which log as much.
- `parallel`: how much of their time parallel workers spend in their trials.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import sweep_overhead, sweep_parallel, sweep_rivals
from benchmarks.machine import describe_run
from benchmarks.sweep_databases import Databases, opened

PARTS = ("overhead", "rivals", "parallel")
SIZES = (10, 1000, 10000)
SAMPLERS = ("tpe", "random")
PACKAGES = ("optuna", "optuna-integration", "mlflow", "hydra-core", "sqlalchemy", "psycopg2-binary")

_TEXTS = {
    "Overhead of a trial by trials in the study": """
A trial through the real worker, from asking for it to its closed run. Study and MLflow store are of the same kind. Both
are filled by copying the rows of a real trial and of its run: all parameters, scores, attributes, metrics and tags.
Between real trials of several sizes the processes take turns. TPE looks at 400 trials at most. Phases, in ms: *ask*
judges the sweep and samples; *compose* is Hydra's; *open* checks the config, makes the folder and the run, with its
parameters; *epochs* logs 4 times 30 metrics and reports; *tell* ends trial and run. PostgreSQL runs without `fsync`.
""",
    "Beside others": """
One trial after the other, {n_trials} of them after 5 that warm up, from the end of one to the end of the next; SQLite
for the study and for MLflow. Everybody logs what a run of ours holds: 30 metrics after each of 4 epochs, its
parameters, its tags and its config; what each has logged in the end is counted. Ray adds 36 metrics of its own
after each epoch and saves the folder of a trial; its study stays in memory. The callback logs the score a second time.
Its study is told the score after each epoch, as ours is. TPE is set up the same everywhere. The others run outside of
a repository, where MLflow does not ask git about every run.
""",
    "Parallel workers": """
A trial sleeps {trial_s:g} s in four epochs. *Efficiency*: the sleep of all trials, over the number of workers times the
seconds from the first `datetime_start` to the last `datetime_complete` in Optuna; with the range over {rounds} rounds.
Workers are processes that have imported everything, and are connected, before the first trial. *Lost*: the time of a
worker per trial that is no sleep; *computed*: what of it a core has worked for the worker. All workers, both databases
and whatever else runs share the cores named above, and equal trials end together: the worst that can be.
""",
    "Parallel workers beside others": """
A trial sleeps {trial_s:g} s in the mean, the same list of them for all contestants; log-normal ones have a standard
deviation of two thirds of their mean. The clock starts with the first trial that sleeps, after two trials
for every worker that do not, which start processes and import. A batch takes as long as its longest trial.
""",
}


def main(arguments: Sequence[str]) -> None:
    """Runs what is asked for, prints the tables, and writes them to a file if one is named."""
    given = _parse(arguments)
    versions = {package: version(package) for package in PACKAGES if _is_installed(package)}
    lines = describe_run("benchmarks.sweep", arguments, device="CPU", versions=versions)
    print("\n".join(lines), flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="sweep", dir=given.folder) as folder,
        opened(Path(folder), with_postgres="overhead" in given.parts or "parallel" in given.parts) as databases,
    ):
        for title, run, values in _sections(given, databases):
            part = ["", f"### {title}", "", *_TEXTS[title].format(**values).strip().splitlines(), "", *run()]
            print("\n".join(part), flush=True)
            lines += part
            if given.output:
                given.output.write_text("\n".join(lines) + "\n")


def _sections(given: Any, databases: Databases) -> list[tuple[str, Callable[[], list[str]], dict[str, Any]]]:
    scale = sweep_parallel.Scale(workers=tuple(given.workers), trial_s=given.trial_s)
    rounds, n_trials, rival_rounds, kinds, samplers = 30, 20, 5, databases.kinds, SAMPLERS
    if given.quick:
        scale = sweep_parallel.Scale(workers=(1, 2), trial_s=0.4, per_worker=2, rounds=1, compared=2)
        rounds, n_trials, rival_rounds, samplers = 2, 3, 1, SAMPLERS[:1]
    overhead = lambda: sweep_overhead.report(databases, kinds, samplers, given.trials, rounds, _log)  # noqa: E731
    only = (sweep_rivals.CALLBACK, sweep_rivals.OURS) if given.quick else sweep_rivals.CONTESTANTS
    rivals = lambda: sweep_rivals.report(databases.folder, n_trials, rival_rounds, _log, only=only)  # noqa: E731
    scaling = lambda: sweep_parallel.report_scaling(databases, scale, _log)  # noqa: E731
    others = lambda: sweep_parallel.report_comparison(databases, scale, _log)  # noqa: E731
    sections = {
        "overhead": [("Overhead of a trial by trials in the study", overhead, {})],
        "rivals": [("Beside others", rivals, {"n_trials": n_trials})],
        "parallel": [
            ("Parallel workers", scaling, {"trial_s": scale.trial_s, "rounds": scale.rounds}),
            *([("Parallel workers beside others", others, {"trial_s": scale.trial_s / 2})] if given.others else []),
        ],
    }
    return [section for part in PARTS if part in given.parts for section in sections[part]]


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m benchmarks.sweep", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--trials", nargs="+", type=int, metavar="N", help="trials in the study, for `overhead`")
    parser.add_argument("--workers", nargs="+", type=int, metavar="N", default=(1, 2, 4, 8, 16), help="for `parallel`")
    parser.add_argument("--trial-s", type=float, metavar="S", default=5.0, help="seconds of a trial, for `parallel`")
    parser.add_argument("--no-others", action="store_false", dest="others", help="no other harnesses in `parallel`")
    parser.add_argument("--quick", action="store_true", help="whether it runs, not how fast; a minute")
    parser.add_argument("--folder", type=Path, help="where the databases lie meanwhile; its disk counts")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    given = parser.parse_args(arguments)
    given.trials = given.trials or ([10, 40] if given.quick else list(SIZES))
    given.others = given.others and not given.quick
    return given


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except ModuleNotFoundError:
        return False
    return True


def _log(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
