"""`fnmask compare` on a store of thousands of trials: `python -m benchmarks.big_store`.

A store is filled with copies of a small real sweep (`benchmarks.store_filling`), once as one sweep, once as many of
which one is compared. Then the command runs as a process of its own; told are its wall time, which other processes
lengthen, the time of the processor, and the most memory that it held. About five minutes on one core, and some
gigabytes of disk while it lasts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.machine import describe_run
from benchmarks.tables import mebibytes, table

ROOT = Path(__file__).parents[1]
WANTED_S, WANTED_MIB = 20.0, 1024
_SWEEP = [
    *("+sweeps=quickstart", "study.name=small", "loss=soften_fn", "loss.alpha=choice(0.5)", "seed=choice(0,1,2)"),
    *("trainer.epochs=2", "dataset.n_train=8", "dataset.n_val=16", "dataset.n_test=16", "tracking.overlay_images=1"),
]
_TEXT = "Whole processes of `fnmask compare`: page, CSV files and text, attached to the run."


def main(arguments: Sequence[str]) -> None:
    """Fill, compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, metavar="N", help="trials in the store (default: 10000)")
    parser.add_argument("--sweeps", type=int, nargs="+", default=[1, 100], metavar="N", help="of so many sweeps each")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="commands for each store (default: 2)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the stores stay")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    given = parser.parse_args(arguments)
    versions = {package: version(package) for package in ("mlflow", "numpy", "sqlalchemy")}
    lines = describe_run("benchmarks.big_store", arguments, device="CPU", versions=versions)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for sweeps in given.sweeps:
            root = (given.keep or Path(temporary)) / f"{sweeps}-sweeps"
            make_store(root, sweeps, given.runs // sweeps)
            measured = [compare(root, "big-0") for _ in range(given.rounds)]
            best_s, most_bytes = min(wall_s for wall_s, _, _ in measured), max(held for *_, held in measured)
            kept = best_s <= WANTED_S and most_bytes <= WANTED_MIB * 2**20
            shape = f"{sweeps} of {given.runs // sweeps} trials"
            page = (root / "report" / "report.html").stat().st_size
            walls = ", ".join(f"{wall_s:.1f}" for wall_s, _, _ in measured)
            cpu = ", ".join(f"{cpu_s:.1f}" for _, cpu_s, _ in measured)
            verdict = "yes" if kept else "**no**"
            rows.append([shape, walls, cpu, mebibytes(most_bytes), mebibytes(page), verdict])
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    lines += ["", _TEXT, ""]
    head = [
        "sweeps in the store",
        "seconds",
        "seconds of the processor",
        "MiB held",
        "MiB of page",
        f"{WANTED_S:.0f} s and 1 GiB",
    ]
    lines += table(head, rows)
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


def make_store(root: Path, sweeps: int, trials: int) -> None:
    """Train a small sweep, and copy it. A store that is there is kept."""
    if (root / "mlflow.db").is_file():
        return
    root.mkdir(parents=True)
    words = [sys.executable, str(ROOT / "train.py"), "--multirun", f"root={root}", *_SWEEP]
    done = subprocess.run(words, cwd=root, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The small sweep failed:\n{done.stdout}\n{done.stderr}")
    # In a process of its own: a child's largest resident set begins with that of its parent.
    fill = f"from benchmarks.store_filling import fill_store; fill_store(Path({str(root)!r}), {sweeps=}, {trials=})"
    subprocess.run([sys.executable, "-c", f"from pathlib import Path; {fill}"], env=_environment(), check=True)


def compare(root: Path, sweep: str) -> tuple[float, float, int]:
    """Wall time and processor time in seconds, and the largest resident set in bytes, of one `fnmask compare`."""
    words = [sys.executable, "-m", "fnmask", "compare", "--sweep", sweep, "--output", str(root / "report")]
    begin_s = time.perf_counter()
    with (root / "told.txt").open("w") as told:
        child = subprocess.Popen(words, cwd=root, env=_environment(), stdout=told, stderr=told)
        _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - begin_s
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"`fnmask compare` failed:\n{(root / 'told.txt').read_text()}")
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return kept | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    main(sys.argv[1:])
