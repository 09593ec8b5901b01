"""Every named mistake in the losses has to fail a test: `make mutants`, or `python tests/mutants --only NAME`."""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

from harness import Outcome, check_unbroken, copied_project, judge, mutated_source
from mistakes_of_pixels import OF_PIXELS
from mistakes_of_regions import OF_REGIONS
from mistakes_of_settings import OF_SETTINGS
from mistakes_of_weights import OF_WEIGHTS

MUTANTS = (*OF_WEIGHTS, *OF_PIXELS, *OF_REGIONS, *OF_SETTINGS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judges the mutants; the exit status is 1 unless all of them are killed."""
    given = _parse(arguments)
    chosen = [mutant for mutant in MUTANTS if not given.only or mutant.name in given.only]
    begin_s, outcomes = time.monotonic(), []
    # One copy at the start, so that edits to the working tree meanwhile change nothing.
    with copied_project() as project, ThreadPoolExecutor(given.jobs) as pool:
        for mutant in chosen:
            mutated_source(mutant, project)
        check_unbroken(chosen, project)
        print(f"The tests pass without a mutant ({time.monotonic() - begin_s:.0f} s).", flush=True)
        for outcome in pool.map(partial(judge, project=project), chosen):
            outcomes.append(outcome)
            print(f"{outcome.verdict:9}{outcome.seconds:5.0f} s  {outcome.mutant.name}  {outcome.detail}", flush=True)
    lost = [outcome for outcome in outcomes if outcome.verdict != "killed"]
    took_s = time.monotonic() - begin_s
    print(f"{len(outcomes) - len(lost)} of {len(outcomes)} mutants killed in {took_s:.0f} s.")
    for outcome in lost:
        print(f"Not killed: {outcome.mutant.name}, under which {outcome.mutant.breaks}. {outcome.detail}")
    if given.output is not None:
        given.output.write_text(as_markdown(outcomes, took_s=took_s, jobs=given.jobs))
    return 1 if lost else 0


def as_markdown(outcomes: Sequence[Outcome], *, took_s: float, jobs: int) -> str:
    """The table of `docs/mutants.md`."""
    killed = sum(outcome.verdict == "killed" for outcome in outcomes)
    how = f"Python {platform.python_version()}, {jobs} at a time, {took_s / 60:.0f} minutes"
    lines = [
        "# Mutants",
        "",
        "A test that never fails proves nothing. So the losses are broken on purpose, one mistake at a time, in a copy",
        "of the package: each mistake has to fail a test, by an assertion and not by an error on the way. The list is",
        "`tests/mutants/mistakes_of_*.py`; of the tests only the few named there run, up to the first that fails.",
        "",
        f"`python tests/mutants`, {date.today()}, {how}: **{killed} of {len(outcomes)} killed**.",
        "",
        "| mutant | file | what is wrong then | noticed by | s |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        test = f"`{outcome.detail}`" if outcome.verdict == "killed" else f"**{outcome.verdict}**"
        cells = (outcome.mutant.name, f"`{outcome.mutant.path}`", outcome.mutant.breaks, test, f"{outcome.seconds:.0f}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/mutants", description=__doc__)
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help="judge these mutants alone")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time, each in a process (default: 2)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table to this Markdown file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
