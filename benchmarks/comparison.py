"""Whether the intervals of a comparison hold what they promise: `python -m benchmarks.comparison`.

Pages are simulated with a known truth. Of pages whose variants are all equal to the control it tells how many intervals
hold 0 (95 % are promised of an interval looked at alone) and how many pages mark anything (5 % at most are). Of pages
with one variant that is better it tells how often that is marked: the power.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_run
from benchmarks.simulated_pages import CLASS_NAMES, Noise, as_sweep, simulate_page
from benchmarks.tables import table
from fnmask.compare.columns import measured_columns
from fnmask.compare.table import build_table

# Name, images, seeds, variants, noise.
SETTINGS = (
    ("few images", 40, 3, 5, Noise()),
    ("two seeds", 100, 2, 8, Noise()),
    ("three seeds", 100, 3, 8, Noise()),
    ("five seeds", 100, 5, 8, Noise()),
    ("one variant", 100, 5, 1, Noise()),
    ("one variant, two seeds: too few", 100, 2, 1, Noise()),
    ("noise of the seed alone", 100, 3, 8, Noise(variant_image=0.0, variant_seed=0.2, all_three=0.05)),
    ("noise of the images alone", 100, 3, 8, Noise(variant_image=0.2, variant_seed=0.0, all_three=0.0)),
    ("variants noisier than others, by 2", 100, 3, 8, Noise(factors=(1.0, 2.0))),
    ("variants noisier than others, by 6", 100, 3, 8, Noise(factors=(0.5, 1.0, 3.0))),
)
EFFECTS, SEEDS = (0.1, 0.2, 0.3, 0.4), (2, 3, 5, 8)
# A standard error from 500 resamples is known to 3 %.
RESAMPLES = 500

_TEXT = """
{pages} pages of each kind, {resamples} resamples, 10 differences for each variant. *Alone*: share of the 95 % intervals
that hold the true difference, 0. *Together*: share of the pages on which anything is marked, at most 5 % wanted; in
brackets the 95 % interval of that share.
"""
_POWER_TEXT = """
Share of {pages} pages on which the mIoU of the one variant that is better is marked, among 8 variants on 100 images; by
how much better it is in points of mIoU, and by seeds.
"""


def main(arguments: Sequence[str]) -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=400, metavar="N")
    parser.add_argument("--output", type=Path, metavar="FILE.md")
    given = parser.parse_args(arguments)
    versions = {package: version(package) for package in ("numpy", "scipy")}
    lines = describe_run("benchmarks.comparison", arguments, device="CPU", versions=versions)
    rows = []
    for index, (name, n_images, n_seeds, n_variants, noise) in enumerate(SETTINGS):
        alone, together = false_alarms(index, given.pages, n_images, n_seeds, n_variants, noise)
        low, high = _wilson(together, given.pages)
        rows.append([name, str(n_images), str(n_seeds), str(n_variants), f"{alone:.1%}",
                     f"{together:.1%} [{low:.1%}, {high:.1%}]"])  # fmt: skip
        print(f"  {name}: {rows[-1][-2:]}", file=sys.stderr, flush=True)
    lines += ["", "### Nothing differs", "", _filled(_TEXT, pages=given.pages, resamples=RESAMPLES), ""]
    lines += table(["pages", "images", "seeds", "variants", "alone", "together"], rows)
    lines += ["", "### One variant is better", "", _filled(_POWER_TEXT, pages=given.pages), ""]
    lines += table(
        ["better by", *(f"{count} seeds" for count in SEEDS)], [_power(effect, given.pages) for effect in EFFECTS]
    )
    print("\n".join(lines))
    if given.output:
        given.output.write_text("\n".join(lines) + "\n")


def false_alarms(
    seed: int, pages: int, n_images: int, n_seeds: int, n_variants: int, noise: Noise
) -> tuple[float, float]:
    """Shares of intervals that hold 0, and of pages that mark something, where nothing differs."""
    rng = np.random.default_rng(seed)
    held: list[bool] = []
    marked = 0
    for _ in range(pages):
        groups, control = simulate_page(rng, n_images=n_images, n_seeds=n_seeds, n_variants=n_variants, noise=noise)
        page = build_table(as_sweep(groups, control), "test", resamples=RESAMPLES)
        told = [(row, key) for row in page.rows for key in measured_columns(CLASS_NAMES)]
        measured = [row.deltas[key] for row, key in told if row.deltas[key].is_measured]
        held += [abs(one.mean) <= one.half_width() for one in measured]
        marked += any(page.stands_out(row, key) for row, key in told)
    return float(np.mean(held)), marked / pages


def _power(effect: float, pages: int) -> list[str]:
    """A row of the table of power."""
    rng = np.random.default_rng(int(1000 * effect))
    gains, cells = [], []
    for n_seeds in SEEDS:
        marked = 0
        for _ in range(pages):
            groups, control = simulate_page(rng, n_images=100, n_seeds=n_seeds, n_variants=8, effect=effect)
            page = build_table(as_sweep(groups, control), "test", resamples=RESAMPLES)
            (better,) = (row for row in page.rows if row.variant == "variant 0")
            marked += page.stands_out(better, "miou")
            gains.append(better.deltas["miou"].mean)
        cells.append(f"{marked / pages:.0%}")
        print(f"  {effect} at {n_seeds} seeds: {cells[-1]}", file=sys.stderr, flush=True)
    return [f"{np.mean(gains):.1f}", *cells]


def _wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z = 1.96
    middle, spread = share + z**2 / (2 * count), z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return float((middle - spread) / (1 + z**2 / count)), float((middle + spread) / (1 + z**2 / count))


def _filled(text: str, **values: object) -> str:
    return textwrap.fill(" ".join(text.format(**values).split()), 120)


if __name__ == "__main__":
    main(sys.argv[1:])
