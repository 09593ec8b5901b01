"""How long commands take that train nothing: `python -m benchmarks.startup`.

`train.py --cfg job` beside a program of four lines whose Hydra composes the same config, and beside the import of Hydra
alone; a trial's imports with scikit-learn and without. Whole processes, in turns.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.machine import describe_run
from benchmarks.tables import table

ROOT = Path(__file__).parents[1]

_PLAIN = f"""
import hydra

@hydra.main(version_base="1.3", config_path={str(ROOT / "conf")!r}, config_name="config")
def main(cfg): ...

main()
"""
_BACKEND = "from fnmask.backend import load_backend; load_backend()"

_HYDRA, _COMPOSED, _OURS, _KERAS, _LEAN = (
    "`import hydra`",
    "a program that composes `conf/`, `--cfg job`",
    "`train.py --cfg job`",
    "`import keras`",
    "`fnmask.backend.load_backend()`",
)


def main(arguments: Sequence[str]) -> None:
    """Run every command in turns, and print the table."""
    given = _parse(arguments)
    versions = {package: version(package) for package in ("hydra-core", "keras", "tensorflow")}
    lines = describe_run("benchmarks.startup", arguments, device="CPU", versions=versions)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.py")
        plain.write_text(_PLAIN)
        commands = {
            _HYDRA: ["-c", "import hydra"],
            _COMPOSED: [str(plain), "--cfg", "job"],
            _OURS: ["train.py", "--cfg", "job"],
            _KERAS: ["-c", "import keras"],
            _LEAN: ["-c", _BACKEND],
        }
        times_s: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(given.rounds):
            for name, command in commands.items():
                times_s[name].append(_run(command))
    rows = [
        [name, f"{1e3 * median(of):.0f} [{1e3 * min(of):.0f}, {1e3 * max(of):.0f}]"] for name, of in times_s.items()
    ]
    share = median(ours / base for ours, base in zip(times_s[_OURS], times_s[_COMPOSED], strict=True))
    lines += ["", *table([f"median [least, most] of {given.rounds}", "ms"], rows)]
    lines += [
        "",
        f"`train.py --cfg job` takes {share:.2f} of that (wanted: at most 1.5).",
    ]
    print("\n".join(lines))


def _run(command: Sequence[str]) -> float:
    begin_s = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, check=True)
    return time.perf_counter() - begin_s


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
