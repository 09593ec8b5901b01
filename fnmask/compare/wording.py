"""The words and number formats that terminal and page share."""

import math

from fnmask.compare.runs import Sweep
from fnmask.compare.table import ComparisonTable, Row, Spread

ABSENT = "–"  # noqa: RUF001 - an en dash, as in printed tables
_MINUS = "−"  # noqa: RUF001 - as wide as a plus sign


def percent(value: float) -> str:
    """One decimal, or a dash for NaN."""
    return ABSENT if math.isnan(value) else f"{value:.1f}".replace("-", _MINUS)


def signed(value: float) -> str:
    """One decimal with its sign, or a dash for NaN."""
    if math.isnan(value):
        return ABSENT
    text = f"{abs(value):.1f}"
    if text == "0.0":
        return text
    return ("+" if value > 0 else _MINUS) + text


def spread_range(spread: Spread, *, sign: bool = True) -> str:
    """Lowest to highest over seeds, empty with fewer than two."""
    if spread.count < 2:
        return ""
    write = signed if sign else percent
    return f"{write(spread.low)}..{write(spread.high)}"


def seeds_text(count: int) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} seed" if count == 1 else f"{count} seeds"


def takeaway(table: ComparisonTable) -> str:
    """What the table says, in two or three sentences that claim no more than it shows."""
    rated = [row for row in table.rows if not math.isnan(row.values["others_gain"].mean)]
    variants = [row for row in rated if row.loss == "mask" and not row.control]
    if not variants:
        return "There is no masked variant to compare with the plain control yet."
    best = max(variants, key=lambda row: row.values["others_gain"].mean)
    parts = [f"Largest gain of the other classes among the variants: {traded(best)}."]
    # Like with like: what another target costs and buys says nothing about this one.
    rivals = [row for row in rated if row.loss == "downweight" and set(row.targets) == set(best.targets)]
    if rivals:
        rival = max(rivals, key=lambda row: row.values["others_gain"].mean)
        parts.append(f"The control that any mask must beat: {traded(rival)}.")
    fewest = min(len(row.seeds) for row in rated)
    if fewest == 1:
        parts.append("With 1 seed, differences of a few points may be chance.")
    elif fewest < 5:
        parts.append(f"With {fewest} seeds, look at the range, not at the mean alone.")
    return " ".join(parts)


def explanation(sweep: Sweep, table: ComparisonTable) -> str:
    """How to read the numbers of the table."""
    missing = sorted({trial.seed or "unknown" for trial in sweep.trials if trial.reference not in sweep.baselines})
    text = (
        f"Split: {table.split}. IoU, precision and recall in percent. Differences in points against the plain control "
        "of the same seed, backbone, data and base, averaged over seeds; the range is lowest to highest over seeds. "
        "Target cost: IoU points that the target lost. Others' gain: mean IoU points that the other classes won."
    )
    if missing:
        text += f" No plain control for seed {', '.join(missing)}: its differences are missing."
    if table.split == "val" and any(trial.params.get("trainer.select") == "best" for trial in sweep.trials):
        text += " Trials are judged at their best epoch on val (trainer.select=best), so these numbers are optimistic."
    if sweep.n_without_files:
        text += f" Finished trials left out because their files are gone: {sweep.n_without_files}."
    return text


def traded(row: Row) -> str:
    """A row's label with its trade-off."""
    gain, cost = row.values["others_gain"], row.values["target_cost"]
    return f"{row.variant}, {signed(gain.mean)} points at a target cost of {percent(cost.mean)}"
