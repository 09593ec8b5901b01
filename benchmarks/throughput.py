"""A sweep beside what a person would write instead: `python -m benchmarks.throughput`.

Everybody runs the same masks on the same synthetic towns: equal steps, equal validation, per-class IoU after every
epoch, MLflow. Half of the steps are warm-up. Every contestant is one command, run from its start to its end. Results
are kept in `--results`, so that a run that was cut off goes on where it was.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_run
from benchmarks.process_tree import run_watched
from benchmarks.tables import NOTHING, table
from benchmarks.throughput_contestants import CONTESTANTS, Contestant, Outcome, read_outcome
from benchmarks.throughput_trial import REQUEST

ROOT = Path(__file__).parents[1]
NETWORKS = ("tiny", "mobilenetv2")
# An alpha of 1 would be no mask: four times the same training.
TARGETS, ALPHAS = (1, 2, 3, 4), (0.0, 0.15, 0.3, 0.45, 0.6, 0.8)
SIZES = {"epochs": 4, "steps_per_epoch": 10, "batch_size": 8, "size_px": 96, "n_train": 96, "n_val": 64}
_TIMEOUT_S = 3 * 3600

_VERSIONS = ("tensorflow", "keras", "optuna", "mlflow-skinny", "hydra-core")

_TEXT = """
{n_trials} trials of {steps} steps of {batch_size} images at {size_px}x{size_px}; after each of {epochs} epochs
{n_val} validation images. The others compute IoU as metrics of `compile`, in training too; fnmask from the confusion
matrix of validation. *Wall*: of the whole command{scaled}. *Warm trial*: from the end of one to the end of the
next, median [least, most]. *In steps*: share of the wall time in training and validation steps; of the others that is
the number of steps times the median step, which leaves out tracing; of fnmask it is all that its loop over batches
takes, with tracing in the first trial. *Then*: the same from the end of the first trial
on. *Memory*: of all its processes, the most.
"""
_SCALED = (
    """; the others have run {of_others} trials, and their wall time is scaled to {n_trials} by their median trial"""
)


def main(arguments: Sequence[str]) -> None:
    """Run what is not known yet, and print the tables."""
    given = _parse(arguments)
    versions = {package: version(package) for package in _VERSIONS}
    lines = describe_run("benchmarks.throughput", arguments, device="CPU", versions=versions)
    for network in given.networks:
        outcomes = {}
        for contestant in CONTESTANTS:
            if contestant.name in given.only and contestant.is_there:
                count = given.trials if contestant.is_ours else min(given.trials, given.of_others)
                request = {**SIZES, "network": network, "trials": masks(count)}
                outcomes[contestant.name] = _run_once(contestant, request, given.results).scaled(given.trials)
        about = {**SIZES, "n_trials": given.trials, "steps": SIZES["epochs"] * SIZES["steps_per_epoch"]}
        scaled = _SCALED.format(of_others=given.of_others, n_trials=given.trials)
        about["scaled"] = scaled if given.of_others < given.trials else ""
        text = textwrap.fill(" ".join(_TEXT.format(**about).split()), 120)
        lines += ["", f"### {network}", "", text, "", *_table(outcomes)]
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


def masks(count: int) -> list[dict[str, float]]:
    """The first ones of the 24: target class and alpha."""
    return [{"target": target, "alpha": alpha} for target in TARGETS for alpha in ALPHAS][:count]


def _run_once(contestant: Contestant, request: dict[str, Any], results: Path) -> Outcome:
    """The outcome of a contestant, from an earlier run with the same request if there is one."""
    asked = {**request, "log_models": contestant.log_models}
    folder = results / f"{request['network']}-{len(request['trials'])}-{contestant.slug}"
    asked |= {"folder": str(folder), "code": _code(), "versions": {package: version(package) for package in _VERSIONS}}
    kept = folder / "outcome.json"
    if kept.exists() and json.loads((folder / "request.json").read_text()) == asked:
        return Outcome(**json.loads(kept.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps(asked))
    changes = {
        REQUEST: str(folder / "request.json"),
        "PYTHONPATH": str(ROOT),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    env = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")} | changes
    print(f"  {request['network']}: {contestant.name}", file=sys.stderr, flush=True)
    begin_s = time.monotonic()
    code, peak_mib = run_watched(
        contestant.command(asked),
        cwd=ROOT if contestant.is_ours else folder,
        env=env,
        log=folder / "log",
        timeout_s=_TIMEOUT_S,
    )
    wall_s = time.monotonic() - begin_s
    if code:
        raise RuntimeError(f"{contestant.name}: exit code {code}:\n{(folder / 'log').read_text()[-3000:]}")
    outcome = read_outcome(contestant, folder, len(request["trials"]), wall_s=wall_s, peak_mib=peak_mib)
    kept.write_text(json.dumps(vars(outcome)))
    return outcome


def _code() -> str:
    """The commit, and what has been changed since."""
    told = [
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout
        for words in (("rev-parse", "HEAD"), ("diff", "HEAD", "--", "fnmask", "benchmarks", "conf"))
    ]
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


def _table(outcomes: dict[str, Outcome]) -> list[str]:
    ours = [outcomes.get(contestant.name) for contestant in CONTESTANTS if contestant.is_ours]
    rows = []
    for contestant in CONTESTANTS:
        outcome = outcomes.get(contestant.name)
        if outcome is None:
            continue
        ratios = [outcome.wall_s / own.wall_s if own else None for own in ours]
        least, most = min(outcome.warm_trials_s), max(outcome.warm_trials_s)
        cells = [
            contestant.name,
            f"{outcome.wall_s:.0f} s",
            f"{3600 * outcome.n_trials / outcome.wall_s:.0f}",
            f"{outcome.warm_trial_s:.1f} s [{least:.1f}, {most:.1f}]",
            f"{outcome.in_steps:.0%}",
            f"{outcome.in_steps_warm:.0%}",
            f"{outcome.peak_mib:.0f} MiB",
        ]
        for ratio, wanted in zip(ratios, contestant.targets or (None, None), strict=True):
            told = NOTHING if ratio is None else f"**{ratio:.1f}**"
            cells.append(told if wanted is None else f"{told} ({wanted})")
        rows.append(cells)
    head = ["harness", "wall", "trials/h", "warm trial", "in steps", "then", "memory"]
    return table([*head, "over fnmask (wanted)", "over it unshared (wanted)"], rows)


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m benchmarks.throughput", description=__doc__)
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--trials", type=int, default=24, metavar="N", help="of the 24 masks")
    parser.add_argument("--of-others", type=int, default=24, metavar="N", help="trials that the others run, at least 2")
    parser.add_argument("--results", type=Path, default=Path("mlruns/throughput"), metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    given = parser.parse_args(arguments)
    given.results = given.results.resolve()
    return given


if __name__ == "__main__":
    main(sys.argv[1:])
