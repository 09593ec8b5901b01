"""What a warm trial costs as something grows, and what bends first: `python -m benchmarks.scaling`.

- `size`, `batch`, `classes`: a trial of the tiny network, after one that has traced all that it needs.
- `trials`: what a sweep costs beside its trainings, with more and more trials in the study and in MLflow's store.

All values of a line take turns, round by round. A line is kept in `--results` as soon as it is measured.
"""

import argparse
import json
import random
import sys
import tempfile
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import sweep_overhead
from benchmarks.machine import describe_run
from benchmarks.scaling_bends import Interval, describe_bends, last_over_first
from benchmarks.scaling_trial import COLUMNS, EPOCHS, N_VAL, Setting, WarmTrial
from benchmarks.sweep_databases import Databases
from benchmarks.tables import NOTHING, table

TRIALS = "trials"
_PACKAGES = ("tensorflow", "keras", "optuna", "mlflow-skinny", "hydra-core")

Rounds = Mapping[str, Mapping[int, Sequence[float]]]
"""Milliseconds by column and value, one for each round."""


@dataclass(frozen=True)
class Line:
    """What grows.

    Attributes:
        varied: the field of `Setting`; None: the trials in the study.
        unit: of the values.
        values: from the least on.
        amount: what the cost is to be in proportion to, but for a constant.
        amount_unit: one of it.
    """

    varied: str | None
    unit: str
    values: Sequence[int]
    amount: Callable[[Setting], float] = lambda setting: 0.0
    amount_unit: str = ""

    def setting(self, value: int, base: Setting) -> Setting:
        """The trial's setting at a value."""
        return replace(base, **{self.varied: value}) if self.varied else base


LINES = {
    "size": Line(
        *("size_px", "px", (32, 64, 96, 128, 192, 256)),
        amount=lambda setting: setting.batch_size * setting.size_px**2 / 1e6,
        amount_unit="megapixel of a batch",
    ),
    "batch": Line("batch_size", "images", (1, 2, 4, 8, 16, 32), lambda setting: setting.batch_size, "image"),
    "classes": Line("num_classes", "classes", (2, 6, 19, 50, 100, 150), lambda setting: setting.num_classes, "class"),
    TRIALS: Line(None, "trials", (10, 100, 1000)),
}

_WARM_TEXT = f"""
*Step*: a training step with its loss. *Validation*: of one image, of {N_VAL}. *Loss alone*: value and gradient, in a
compiled function. *Everything else*: a whole trial of {EPOCHS} epochs, in a process that has run one before, without
its steps and validations: fresh weights, readings, tables, pictures; tracked in memory, without shared steps. In a
round the least of three. Median [least, most] of {{rounds}} rounds, in ms. At {{others}}.
"""
_SLOPE_TEXT = """
What one more {unit} costs, in ms: median [quartiles] of the differences round by round; of validation, in a batch.
"""
_TRIALS_TEXT = """
A trial that trains nothing, through the real worker; SQLite, TPE; phases as in `benchmarks.sweep`. A sweep is straight
where a trial costs the same however many there are. Median [quartiles] of {rounds} rounds, in ms.
"""


def main(arguments: Sequence[str]) -> None:
    """Measure what is not known yet, and print the tables."""
    given = _parse(arguments)
    versions = {package: version(package) for package in _PACKAGES}
    lines = describe_run("benchmarks.scaling", arguments, device="CPU", versions=versions)
    print("\n".join(lines), flush=True)
    base = Setting(size_px=32, batch_size=2) if given.quick else Setting()
    for name in given.only:
        line = replace(LINES[name], values=LINES[name].values[:3] if given.quick else LINES[name].values)
        n_rounds = given.rounds * (4 if name == TRIALS else 1)  # these take milliseconds
        rounds = _keep(given.results / f"{name}{'-quick' if given.quick else ''}.json", line, base, n_rounds)
        report = report_sweep if name == TRIALS else report_line
        part = ["", f"### {name}", "", *report(line, base, rounds, n_rounds)]
        print("\n".join(part), flush=True)
        lines += part
        if given.output:
            given.output.write_text("\n".join(lines) + "\n")


def slopes(line: Line, base: Setting, rounds: Mapping[int, Sequence[float]]) -> list[Interval]:
    """What one more of the line's amount costs between neighboring values."""
    found = []
    for low, high in pairwise(line.values):
        more = line.amount(line.setting(high, base)) - line.amount(line.setting(low, base))
        costs = [(after - before) / more for before, after in zip(rounds[low], rounds[high], strict=True)]
        found.append(Interval(f"from {low} to {high} {line.unit}", costs))
    return found


def report_line(line: Line, base: Setting, rounds: Rounds, n_rounds: int) -> list[str]:
    """Costs, what one more of the amount costs, and what bends."""
    rows = []
    for value in line.values:
        images = {"validation": line.setting(value, base).batch_size}
        each = {name: [cost / images.get(name, 1) for cost in rounds[name][value]] for name in COLUMNS}
        rows.append([str(value), *(_cell(median(of), min(of), max(of)) for of in each.values())])
    columns = {name: slopes(line, base, rounds[name]) for name in COLUMNS}
    steep = [
        [of_interval[0].label, *(_cell(*_middle_first(interval)) for interval in of_interval)]
        for of_interval in zip(*columns.values(), strict=True)
    ]
    others = ", ".join(f"{name} {value}" for name, value in vars(base).items() if name != line.varied)
    return [
        *_wrap(_WARM_TEXT.format(rounds=n_rounds, others=others)),
        *table([line.unit, *COLUMNS], rows),
        "",
        *_wrap(_SLOPE_TEXT.format(unit=line.amount_unit)),
        *table(["interval", *COLUMNS], [*steep, _ratios(columns)]),
        "",
        describe_bends(columns),
    ]


def report_sweep(line: Line, base: Setting, rounds: Rounds, n_rounds: int) -> list[str]:
    """What a trial costs with more and more of them, and what bends."""
    columns = {
        name: [Interval(f"at {value} trials", of_column[value]) for value in line.values]
        for name, of_column in rounds.items()
    }
    rows = [
        [str(value), *(_cell(*_middle_first(intervals[place])) for intervals in columns.values())]
        for place, value in enumerate(line.values)
    ]
    texts = _wrap(_TRIALS_TEXT.format(rounds=n_rounds))
    return [*texts, *table([line.unit, *columns], [*rows, _ratios(columns)]), "", describe_bends(columns)]


def _keep(file: Path, line: Line, base: Setting, n_rounds: int) -> Rounds:
    """The measurement, from an earlier run with the same values and number of rounds if there is one."""
    asked = {"values": list(line.values), "base": vars(base), "rounds": n_rounds}
    if file.exists() and (kept := json.loads(file.read_text()))["asked"] == asked:
        return {name: {int(value): costs for value, costs in of.items()} for name, of in kept["rounds"].items()}
    rounds = _measure_trials(line, base, n_rounds) if line.varied else _measure_sweep(line, n_rounds)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"asked": asked, "rounds": rounds}))
    return rounds


def _measure_trials(line: Line, base: Setting, n_rounds: int) -> Rounds:
    trials = {}
    for value in line.values:
        trials[value] = WarmTrial(line.setting(value, base))
        _log(f"{value} {line.unit}: traced")
    rounds: dict[str, dict[int, list[float]]] = {name: {value: [] for value in trials} for name in COLUMNS}
    for index in range(n_rounds):
        for value in random.Random(index).sample(line.values, len(line.values)):
            for name, cost_ms in trials[value].measure().items():
                rounds[name][value].append(cost_ms)
        _log(f"round {index + 1} of {n_rounds}")
    return rounds


def _measure_sweep(line: Line, n_rounds: int) -> Rounds:
    with tempfile.TemporaryDirectory(prefix="scaling") as folder:
        databases = Databases(Path(folder), None)
        timings, phases = sweep_overhead.measure(databases, "SQLite", "tpe", line.values, n_rounds, _log)
    rounds = {
        "trial": {value: [1e3 * taken for taken in timings.seconds[str(value)] if taken] for value in line.values}
    }
    for place, phase in enumerate(sweep_overhead.PHASES):
        rounds[phase] = {value: [1e3 * taken[place] for taken in phases[str(value)]] for value in line.values}
    return rounds


def _middle_first(interval: Interval) -> tuple[float, float, float]:
    low, middle, high = interval.quartiles
    return middle, low, high


def _cell(middle: float, low: float, high: float) -> str:
    told = [f"{cost:.0f}" if abs(cost) >= 100 else f"{cost:.3g}" for cost in (middle, low, high)]
    return f"**{told[0]}** [{told[1]}, {told[2]}]"


def _ratios(columns: Mapping[str, Sequence[Interval]]) -> list[str]:
    ratios = [last_over_first(intervals) for intervals in columns.values()]
    return ["last over first", *(NOTHING if ratio is None else f"**{ratio:.2f}**" for ratio in ratios)]


def _wrap(text: str) -> list[str]:
    return [*textwrap.wrap(" ".join(text.split()), 120), ""]


def _log(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str]) -> Any:
    parser = argparse.ArgumentParser("python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=LINES, default=list(LINES))
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="times four for `trials`")
    parser.add_argument("--quick", action="store_true", help="whether it runs, not how fast; the first three values")
    parser.add_argument("--results", type=Path, default=Path("mlruns/scaling"), metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
