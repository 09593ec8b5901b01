"""The table of a split as CSV, with every number that the page shows and more digits."""

import csv
import io
import math

from fnmask.compare.rows import DIFFERENCE_COLUMNS, VALUE_COLUMNS, ComparisonTable, Spread

# Seconds by name, and a rate that has no unit.
_OWN_UNIT = ("duration_s", "exchange_rate")


def table_csv(table: ComparisonTable) -> str:
    """The table as CSV: mean, least and most over seeds; differences with 95 % intervals, alone and in the page.

    Variants that the page leaves out come last, without intervals.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["variant", "control", "target", "n_seeds", "on_front", "runs"]
    for key in table.columns:
        name = key.replace("/", "_")
        if key in DIFFERENCE_COLUMNS:
            header += _delta_header(f"{name}_points")
        elif key in VALUE_COLUMNS:
            header += [name if key in _OWN_UNIT else f"{name}_percent"]
        else:
            header += [f"{name}_percent", f"{name}_percent_min", f"{name}_percent_max"]
            header += _delta_header(f"{name}_delta_points")
    writer.writerow(header)
    for row in (*table.rows, *table.left_out):
        cells = [row.variant, row.control, ", ".join(row.targets), str(len(row.seeds)), str(int(row.on_front))]
        cells += [" ".join(row.runs)]
        for key in table.columns:
            spread = row.values.get(key, Spread())
            numbers = [] if key in DIFFERENCE_COLUMNS else [spread.mean]
            if key not in DIFFERENCE_COLUMNS and key not in VALUE_COLUMNS:
                numbers += [spread.low, spread.high]
            if key not in VALUE_COLUMNS:
                delta = row.deltas[key]
                numbers += [delta.mean, *delta.interval(), *delta.interval(table.comparisons)]
            cells += [_csv_number(value) for value in numbers]
        writer.writerow(cells)
    return text.getvalue()


def _delta_header(name: str) -> list[str]:
    """Names of the numbers of a difference; `low` and `high` alone, `page_low` and `page_high` corrected."""
    return [name, *(f"{name}_{part}" for part in ("low", "high", "page_low", "page_high"))]


def _csv_number(value: float) -> str:
    """Four decimals, empty for NaN."""
    return "" if math.isnan(value) else f"{value:.4f}"
