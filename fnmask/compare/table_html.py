"""The table of a split as HTML: complete without scripts, with what the page's script sorts and hides by."""

import math
from html import escape

from fnmask.compare.columns import class_columns
from fnmask.compare.rows import DIFFERENCE_COLUMNS, STANDING_COLUMNS, VALUE_COLUMNS, ComparisonTable, Row
from fnmask.compare.wording import ABSENT, interval_text, mark, percent, signed, standing

# Of a run: what the commands take.
_ID_LENGTH = 12
_UNITS = {"duration_s": "s", "exchange_rate": "points per point"}


def table_html(table: ComparisonTable) -> str:
    """A `table` element; each cell says its value, the difference to plain, and the interval of that."""
    classes = class_columns(table.class_names)
    heads = "".join(
        _head(key, heading, is_class=key in classes, is_metric=key == table.metric)
        for key, heading in table.columns.items()
    )
    body = "\n".join(_row(row, table) for row in table.rows)
    name = f"Loss variants on {table.split}"
    return (
        f'<table class="variants" aria-label="{escape(name)}"><thead><tr>'
        '<th scope="col" data-key="variant">variant</th><th scope="col" data-key="seeds">seeds</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _head(key: str, heading: str, *, is_class: bool, is_metric: bool) -> str:
    """A column head with its unit; those of classes say that they are IoU."""
    unit = _UNITS.get(key, "IoU, %" if is_class else "points" if key in DIFFERENCE_COLUMNS else "%")
    told = f"{unit}, ranks the variants" if is_metric else unit
    return f'<th scope="col" data-key="{escape(key)}"{_rule(key)}>{escape(heading)}<small>{told}</small></th>'


def _rule(key: str) -> str:
    """A rule to the left of each group of columns, and of each class."""
    starts = ("target_cost", "miou", "masked_fraction")
    return ' class="group"' if key in starts or key.startswith("iou/") else ""


def _row(row: Row, table: ComparisonTable) -> str:
    """One variant."""
    marks = [word for word, on in (("control", bool(row.control)), ("on the front", row.on_front)) if on]
    told = f'<span class="mark">{", ".join(marks)}</span>' if marks else ""
    cells = "".join(_cell(table, row, key) for key in table.columns)
    kind = ' class="control"' if row.control else ""
    name = escape(row.variant)
    run = f"<small>run {escape(row.runs[0][:_ID_LENGTH])}</small>" if row.runs else ""
    return (
        f'<tr{kind} data-variant="{name}"><th scope="row">{name}{told}{run}</th>'
        f'<td data-value="{len(row.seeds)}">{len(row.seeds)}</td>{cells}</tr>'
    )


def _cell(table: ComparisonTable, row: Row, key: str) -> str:
    """Value, difference to plain, interval."""
    value = row.values[key].mean if key in row.values else math.nan
    if key in VALUE_COLUMNS:
        return _td(key, value, percent(value))
    delta = row.deltas[key]
    out = table.stands_out(row, key)
    bounds = interval_text(delta, table.comparisons) if row.control != "plain" else ""
    small = f"<small>{bounds}</small>" if bounds else ""
    better = delta.mean if key != "target_cost" else -delta.mean
    kind = ("good" if better > 0 else "bad") if out else "same"
    changed = f'<span class="{kind}">{signed(delta.mean)}{mark(table, row, key)}</span>'
    if key in DIFFERENCE_COLUMNS:
        word = f"<small>{standing(table, row, key)}</small>" if key in STANDING_COLUMNS else ""
        return _td(key, delta.mean, (changed + small + word) if not math.isnan(delta.mean) else ABSENT)
    if row.control == "plain" or math.isnan(delta.mean):
        return _td(key, value, percent(value))
    return _td(key, value, percent(value) + changed + small)


def _td(key: str, value: float, content: str) -> str:
    """A cell; what is not known sorts last."""
    known = "" if math.isnan(value) else f"{value:.6g}"
    return f'<td{_rule(key)} data-value="{known}">{content}</td>'
