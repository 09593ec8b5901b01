"""The comparison as Markdown, to be pasted into a pull request or a wiki."""

import math
from collections.abc import Mapping

from fnmask.compare.columns import class_columns
from fnmask.compare.rows import DIFFERENCE_COLUMNS, VALUE_COLUMNS, ComparisonTable, Row
from fnmask.compare.runs import Sweep
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import ABSENT, explanation, interval_text, mark, percent, signed


def comparison_markdown(sweep: Sweep, tables: Mapping[str, ComparisonTable], facts: Mapping[str, str]) -> str:
    """Verdict, tables and facts.

    Args:
        sweep: what was compared.
        tables: by split, the main one first.
        facts: what a reader needs to judge or repeat it.
    """
    main = next(iter(tables.values()))
    parts = [f"# Loss variants compared: {escape(sweep.study)}", *(escape(told) for told in verdict(sweep, main))]
    for table in tables.values():
        classes = class_columns(table.class_names)
        trade = {key: heading for key, heading in table.columns.items() if key not in classes}
        trade["duration_s"] += ", s"
        parts += [f"## On {table.split}", _grid(table, trade), "IoU of every class, %:", _grid(table, classes)]
        parts += [escape(explanation(sweep, table))]
    parts += ["## What was compared", "\n".join(f"- {escape(name)}: {escape(text)}" for name, text in facts.items())]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """A text of which Markdown changes nothing."""
    for sign in "\\`*_[]<|":
        text = text.replace(sign, f"\\{sign}")
    return text


def _grid(table: ComparisonTable, columns: Mapping[str, str]) -> str:
    """A table: value, difference, interval."""
    heads = ["variant", "seeds", *columns.values()]
    lines = [f"| {' | '.join(map(escape, heads))} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for row in table.rows:
        name = escape(row.variant) + (" (control)" if row.control else "") + (" \\*" if row.on_front else "")
        cells = [name, str(len(row.seeds)), *(_cell(table, row, key) for key in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", "\\* on the front."])


def _cell(table: ComparisonTable, row: Row, key: str) -> str:
    if key in VALUE_COLUMNS:
        return percent(row.values[key].mean)
    delta = row.deltas[key]
    bounds = interval_text(delta, table.comparisons).replace("[", "\\[").replace("]", "\\]")
    changed = f"{signed(delta.mean)}{mark(table, row, key)}{' ' + bounds if bounds else ''}"
    if key in DIFFERENCE_COLUMNS:
        return ABSENT if math.isnan(delta.mean) else signed(delta.mean) if row.control == "plain" else changed
    value = percent(row.values[key].mean)
    return value if row.control == "plain" or math.isnan(delta.mean) else f"{value} ({changed})"
