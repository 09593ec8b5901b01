"""The comparison in the terminal: a table of the trade-off, and one of the classes."""

import io
import math
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fnmask.compare.rows import TRADEOFF_COLUMNS, ComparisonTable, Row
from fnmask.compare.runs import Sweep
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import explanation, mark, percent, plus_minus, signed
from fnmask.metrics import slug

MAX_ROWS = 12

_HEADINGS = {
    "miou": "mIoU",
    "miou_without_target": "mIoU\nothers",
    "target_iou": "target\nIoU",
    "target_precision": "target\nprec.",
    "target_recall": "target\nrecall",
    "target_cost": "target\ncost",
    "others_gain": "others'\ngain",
}
_VARIANT_WIDTH = 26
_GAP_WIDTH = 2  # rich's divider and the padding before it
_EDGES_WIDTH = 3
_WIDE = 100


def comparison_text(sweep: Sweep, table: ComparisonTable, *, width: int = 100) -> str:
    """The comparison as plain text, without colors.

    Args:
        sweep: what was compared.
        table: its table on one split.
        width: in characters; 80 or more.
    """
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(comparison_renderable(sweep, table, width=width))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def comparison_renderable(sweep: Sweep, table: ComparisonTable, *, width: int) -> Group:
    """The comparison for a rich console of the given width."""
    rows = shown_rows(table)
    parts: list[Table | Text] = [_tradeoff_table(sweep, table, rows, narrow=width < _WIDE)]
    parts += _class_tables(table, [row for row in rows if row.control or row.on_front], width)
    if table.left_out:
        parts.append(
            Text(f"{len(table.rows) - len(rows)} more variants are in the page, all of them in the CSV file.\n")
        )
    elif len(rows) < len(table.rows):
        parts.append(Text(f"{len(table.rows) - len(rows)} more variants are in the page and the CSV file.\n"))
    parts += [Text("\n".join(verdict(sweep, table)) + "\n"), Text(explanation(sweep, table), style="dim")]
    return Group(*parts)


def shown_rows(table: ComparisonTable) -> list[Row]:
    """The rows that fit a screen: controls and the front always, then the largest gains; order as in the table."""
    must = [row for row in table.rows if row.control or row.on_front]
    more = [row for row in table.rows if row not in must][: max(0, MAX_ROWS - len(must))]
    return [row for row in table.rows if row in must or row in more]


def _tradeoff_table(sweep: Sweep, table: ComparisonTable, rows: Sequence[Row], *, narrow: bool) -> Table:
    """Variant, seeds, overall and target metrics, trade-off with its interval."""
    view = _new_table(f"Sweep {sweep.study} on {table.split}", "variant\n(* on the front)", narrow=narrow)
    view.add_column("seeds", justify="right", no_wrap=True)
    # The gain of the others is the difference of this column, so it can go when there is no room.
    headings = dict(_HEADINGS)
    if table.metric not in headings:
        headings = {table.metric: table.columns[table.metric].replace(" ", "\n"), **headings}
    keys = [key for key in headings if not (narrow and key == "miou_without_target")]
    for key in keys:
        view.add_column(
            Text(headings[key]), justify="right", no_wrap=True, min_width=0 if key in TRADEOFF_COLUMNS else 6
        )
    for row in rows:
        view.add_row(
            _label(row), str(len(row.seeds)), *(_cell(table, row, key, with_interval=not narrow) for key in keys)
        )
    return view


def _class_tables(table: ComparisonTable, rows: Sequence[Row], width: int) -> list[Table | Text]:
    """IoU of every class, in as many tables as the width asks for; intervals are left to the page."""
    widths = {name: min(max(6, len(name)), 10) for name in table.class_names}
    parts: list[Table | Text] = []
    pending = list(table.class_names) if rows else []
    while pending:
        fitting = [pending.pop(0)]
        room = width - _EDGES_WIDTH - _VARIANT_WIDTH - _GAP_WIDTH - widths[fitting[0]]
        while pending and room >= _GAP_WIDTH + widths[pending[0]]:
            room -= _GAP_WIDTH + widths[pending[0]]
            fitting.append(pending.pop(0))
        title = "IoU of every class" + (", continued" if parts else " (controls and front)")
        view = _new_table(title, "variant")
        for name in fitting:
            view.add_column(Text(name), justify="right", width=widths[name], overflow="fold")
        for row in rows:
            view.add_row(_label(row), *(_cell(table, row, f"iou/{slug(name)}") for name in fitting))
        parts.append(view)
    return parts


def _new_table(title: str, first: str, *, narrow: bool = False) -> Table:
    """An empty table whose first column holds the variants."""
    # As text: rich would read what stands in square brackets as markup.
    heading = Text(title, style="table.title")
    view = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=heading, title_justify="left", pad_edge=False)
    view.add_column(first, width=_VARIANT_WIDTH - 6 if narrow else _VARIANT_WIDTH, overflow="fold")
    return view


def _label(row: Row) -> Text:
    """The variant, marked when it is a control or on the front."""
    text = Text(row.variant + (" *" if row.on_front else ""))
    if row.control:
        text.append("\n(control)", style="dim")
    return text


def _cell(table: ComparisonTable, row: Row, key: str, *, with_interval: bool = True) -> Text:
    """Value and difference, or the trade-off and its interval, one under the other."""
    delta = row.deltas[key]
    shown = signed(delta.mean) + mark(table, row, key)
    if key in TRADEOFF_COLUMNS:
        text = Text(shown, style=_style(delta.mean if key == "others_gain" else -delta.mean))
        if with_interval and row.control != "plain" and (bounds := plus_minus(delta, table.comparisons)):
            text.append("\n" + bounds, style="dim")
        return text
    text = Text(percent(row.values[key].mean))
    if row.control != "plain" and not math.isnan(delta.mean):
        text.append("\n" + shown, style=_style(delta.mean))
    return text


def _style(value: float) -> str:
    """Green for better, red for worse; the sign says it as well."""
    if math.isnan(value) or abs(value) < 0.05:
        return ""
    return "green" if value > 0 else "red"
