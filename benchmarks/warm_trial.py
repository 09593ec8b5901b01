"""Where the time of a warm trial goes, function by function: `python -m benchmarks.warm_trial`.

A sweep of a few masks as `benchmarks.throughput` runs it, in this process; what is counted begins where the first trial
of the structure ends. Python's own profiler slows down what makes many small calls, never a step.
"""

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_run
from benchmarks.tables import table
from benchmarks.throughput import NETWORKS, SIZES, masks
from benchmarks.throughput_contestants import our_arguments

ROOT = Path(__file__).parents[1]
_LEAST_SHARE = 0.005


def main(arguments: Sequence[str]) -> None:
    """Run the sweep and print the tables."""
    given = _parse(arguments)
    lines = describe_run(
        "benchmarks.warm_trial",
        arguments,
        device="CPU",
        versions={"tensorflow": version("tensorflow"), "mlflow-skinny": version("mlflow-skinny")},
    )
    with tempfile.TemporaryDirectory() as folder:
        request = {**SIZES, "network": given.network, "trials": masks(given.trials), "folder": folder}
        profile, wall_s = _profile_sweep(our_arguments(request, share=True), given.trials)
    per_trial = given.trials - 1
    lines += ["", f"{per_trial} warm trials of {given.network}, {1e3 * wall_s / per_trial:.0f} ms each."]
    lines += ["", "By function of fnmask, with all that it calls:", "", *_ours(profile, wall_s, per_trial)]
    lines += ["", "By function, without what it calls:", "", *_own(profile, wall_s, per_trial)]
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


def _profile_sweep(command: Sequence[str], n_trials: int) -> tuple[pstats.Stats, float]:
    """The profile from the end of the first trial's training to the end of the last one's, and how long that was."""
    sys.path.insert(0, str(ROOT))
    import fnmask.trial as trial
    import train

    profile, run_trial, ends_s = cProfile.Profile(), trial.run_trial, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = run_trial(*args, **kwargs)
        profile.disable()
        ends_s.append(time.perf_counter())
        if len(ends_s) < n_trials:
            profile.enable()
        return result

    trial.run_trial = watched  # type: ignore[assignment]
    sys.argv = ["train.py", *command]
    try:
        with redirect_stdout(sys.stderr):
            train.main()
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        profile.disable()
        trial.run_trial = run_trial
    return pstats.Stats(profile), ends_s[-1] - ends_s[0]


def _ours(profile: pstats.Stats, wall_s: float, per_trial: int) -> list[str]:
    rows = []
    for (file, _, name), (_, calls, _, cumulative_s, _) in _sorted(profile, 3):
        if "/fnmask/" in file and cumulative_s >= _LEAST_SHARE * wall_s:
            part = file.rpartition("/fnmask/")[2]
            rows.append([f"`{part}` {name}", f"{calls / per_trial:.0f}", *_cells(cumulative_s, wall_s, per_trial)])
    return table(["function", "calls", "ms", "share"], rows)


def _own(profile: pstats.Stats, wall_s: float, per_trial: int) -> list[str]:
    rows = []
    for (file, _, name), (_, calls, own_s, _, _) in _sorted(profile, 2)[:16]:
        part = file.rpartition("site-packages/")[2].rpartition("/fnmask/")[2]
        rows.append([f"`{part}` {name}", f"{calls / per_trial:.0f}", *_cells(own_s, wall_s, per_trial)])
    return table(["function", "calls", "ms", "share"], rows)


def _sorted(profile: pstats.Stats, column: int) -> list[tuple[Any, Any]]:
    return sorted(profile.stats.items(), key=lambda item: -item[1][column])  # type: ignore[attr-defined]


def _cells(time_s: float, wall_s: float, per_trial: int) -> list[str]:
    return [f"{1e3 * time_s / per_trial:.1f}", f"{time_s / wall_s:.1%}"]


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m benchmarks.warm_trial", description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="tiny")
    parser.add_argument("--trials", type=int, default=8, metavar="N", help="the first one is not counted")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
