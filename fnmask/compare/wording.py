"""The words and number formats that terminal and page share."""

import math

from fnmask.compare.differences import Difference
from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import GAIN, Sweep

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


def interval_text(difference: Difference, comparisons: int) -> str:
    """`[−1.2, +3.4]`, the 95 % interval of one of so many differences; empty where there is none."""  # noqa: RUF002
    if not difference.is_measured:
        return ""
    low, high = difference.interval(comparisons)
    return f"[{signed(low)}, {signed(high)}]"


def plus_minus(difference: Difference, comparisons: int) -> str:
    """`±2.3`, half the same interval, for where there is little room; empty where there is none."""
    return f"±{percent(difference.half_width(comparisons))}" if difference.is_measured else ""


def mark(table: ComparisonTable, row: Row, key: str) -> str:
    """A triangle, up or down as the difference is, where its interval excludes 0; else nothing."""
    return ("▲" if row.deltas[key].mean > 0 else "▼") if table.stands_out(row, key) else ""


def standing(table: ComparisonTable, row: Row, key: str) -> str:
    """`beyond`, `on` or `inside` the frontier; empty where that cannot be said, as with one seed."""
    delta = row.deltas[key]
    if delta.n_seeds < 2 or not delta.is_measured:
        return ""
    return {"▲": "beyond", "▼": "inside"}.get(mark(table, row, key), "on")


def label(name: str) -> str:
    """A name as plotly shows it unchanged: there `<` and `&` would be markup."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def metric_name(table: ComparisonTable) -> str:
    """The column that the variants are ranked by: `target recall`, `IoU of road`."""
    heading = table.columns[table.metric]
    return f"IoU of {heading}" if table.metric.startswith("iou/") else heading


def seeds_text(count: int) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} seed" if count == 1 else f"{count} seeds"


def explanation(sweep: Sweep, table: ComparisonTable) -> str:
    """How to read the numbers of the table."""
    text = (
        f"Split: {table.split}. IoU, precision and recall in percent. Differences in points against "
        f"{sweep.compared_with} of the same seed, backbone, data and base, averaged over seeds. With them the 95 % "
        "interval over seeds and images, corrected for the "
        f"{table.comparisons} differences of the page (Bonferroni); a triangle where it "
        "excludes 0. Target cost: IoU points that the target lost. Others' gain: mean IoU points that the other "
        "classes won."
    )
    if any(delta.is_measured and delta.n_seeds == 1 for row in table.rows for delta in row.deltas.values()):
        text += " Where there is one seed the interval is over images only and nothing is marked."
    if table.split == "val" and any(trial.params.get("trainer.select") == "best" for trial in sweep.trials):
        text += " Trials are judged at their best epoch on val (trainer.select=best), so these numbers are optimistic."
    if table.left_out:
        best = "won the others most" if table.metric == GAIN else f"do best by {metric_name(table)}"
        text += (
            f" Shown are the controls, the front, and those that {best}: {len(table.rows)} of "
            f"{len(table.rows) + len(table.left_out)} variants. The others are in the CSV file, without intervals, and "
            "those shown are corrected for them too."
        )
    if sweep.n_without_files:
        text += f" Finished trials left out because their files are gone: {sweep.n_without_files}."
    for note in sweep.notes:
        text += f" {note}"
    return text
