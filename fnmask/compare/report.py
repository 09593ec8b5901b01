"""The comparison as one HTML page that needs no network: picture, tables, and what was compared."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

from plotly.offline import get_plotlyjs

from fnmask.compare.plots import front_rows, pareto_figure
from fnmask.compare.runs import Sweep
from fnmask.compare.table import METRIC_COLUMNS, TRADEOFF_COLUMNS, ComparisonTable, Row, Spread
from fnmask.compare.wording import explanation, percent, seeds_text, signed, spread_range, takeaway, traded

_PLOT_NOTE = (
    "Up and to the left is better. The line joins the variants that no other one beats in both; they are numbered. "
    "Diamonds weigh the whole target down, which a mask has to beat. Point at a mark for its name and numbers. Bars "
    "span the seeds."
)
_HIDDEN_SETTINGS = ("lineage.",)


def build_report(sweep: Sweep, tables: Mapping[str, ComparisonTable]) -> str:
    """The page.

    Args:
        sweep: what was compared.
        tables: by split, the main one first; at least one.

    Returns:
        HTML of about 5 MB, nearly all of it the plotting library, which lies inside the page once.
    """
    main = next(iter(tables.values()))
    template = Template(files("fnmask.compare").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"Loss variants compared: {sweep.study}"),
        subtitle=escape(_subtitle(sweep)),
        takeaway=escape(takeaway(main)),
        split=escape(main.split),
        plot_note=escape(_PLOT_NOTE),
        front="".join(f"<li>{escape(traded(row))}</li>" for row in front_rows(main)),
        tables="\n".join(_section(sweep, table) for table in tables.values()),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _facts(sweep).items()),
        settings=_settings(sweep),
        plotly_js=get_plotlyjs(),
        # Inside a script element a "</" in a label would end the script.
        figure=pareto_figure(main).to_json().replace("</", "<\\/"),
    )


def _subtitle(sweep: Sweep) -> str:
    """Counts, data and date in one line."""
    seeds = {trial.seed for trial in sweep.trials}
    variants = {trial.variant for trial in sweep.trials}
    data = ", ".join(dict.fromkeys(dataset.name for dataset in sweep.datasets))
    parts = [f"{len(variants)} variants", seeds_text(len(seeds)), f"data: {data}" if data else "", _date(sweep)]
    return " · ".join(part for part in parts if part)


def _section(sweep: Sweep, table: ComparisonTable) -> str:
    """The table of one split with its explanation."""
    groups = {**METRIC_COLUMNS, **TRADEOFF_COLUMNS}
    heads = [_head(key, heading, is_class=key not in groups) for key, heading in table.columns.items()]
    body = "\n".join(_row(row, table) for row in table.rows)
    return (
        f"<h2>All variants on {escape(table.split)}</h2>"
        f'<p class="soft">{escape(explanation(sweep, table))}</p>'
        f'<div class="scroll"><table><thead><tr><th>variant</th><th>seeds</th>{"".join(heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _head(key: str, heading: str, *, is_class: bool) -> str:
    """A column head; those of classes say that they are IoU."""
    unit = "IoU" if is_class else "points" if key in TRADEOFF_COLUMNS else ""
    note = f"<small>{unit}</small>" if unit else ""
    return f"<th{_rule(key)}>{escape(heading)}{note}</th>"


def _rule(key: str) -> str:
    """A rule to the left of the trade-off, and of each class after it."""
    return ' class="group"' if key == "target_cost" or key.startswith("iou/") else ""


def _row(row: Row, table: ComparisonTable) -> str:
    """One variant."""
    marks = [word for word, on in (("control", bool(row.control)), ("on the front", row.on_front)) if on]
    mark = f'<br><span class="mark">{", ".join(marks)}</span>' if marks else ""
    cells = "".join(_cell(row, key) for key in table.columns)
    kind = ' class="control"' if row.control else ""
    return f"<tr{kind}><th>{escape(row.variant)}{mark}</th><td>{len(row.seeds)}</td>{cells}</tr>"


def _cell(row: Row, key: str) -> str:
    """Value, difference to plain, range over seeds."""
    value, delta = row.values[key], row.deltas[key]
    if key in TRADEOFF_COLUMNS:
        text, spread, sign = signed(value.mean), value, True
    else:
        text, spread, sign = percent(value.mean) + _difference(delta, row), delta, True
        if row.control == "plain":
            spread, sign = value, False
    bounds = spread_range(spread, sign=sign)
    low_high = f"<small>{bounds}</small>" if bounds else ""
    return f"<td{_rule(key)}>{text}{low_high}</td>"


def _difference(delta: Spread, row: Row) -> str:
    """The difference to plain in green or red; nothing for plain itself."""
    if row.control == "plain" or math.isnan(delta.mean):
        return ""
    kind = "same" if abs(delta.mean) < 0.05 else "good" if delta.mean > 0 else "bad"
    return f'<span class="{kind}">{signed(delta.mean)}</span>'


def _facts(sweep: Sweep) -> dict[str, str]:
    """What a reader needs to judge or repeat the comparison."""
    record = sweep.record
    facts = {"study": sweep.study, "run of the sweep": record.run_id, "date": _date(sweep)}
    facts["trials"] = ", ".join(f"{count} {outcome}" for outcome, count in sorted(sweep.outcomes.items()))
    facts["seeds"] = ", ".join(dict.fromkeys(trial.seed for trial in sweep.trials))
    for dataset in sweep.datasets:
        name = f"data, {dataset.context}"
        facts[name] = f"{dataset.name}, {dataset.n_images} images, digest {dataset.digest[:12]}, {dataset.source}"
    shared = _shared_params(sweep)
    for title, prefix in (("model", "backbone."), ("budget of a trial", "trainer."), ("study settings", "study.")):
        settings = {**_with_prefix(record.params, prefix), **_with_prefix(shared, prefix)}
        if settings:
            facts[title] = ", ".join(f"{key} {value}" for key, value in settings.items())
    facts["commit"] = record.tag("commit") or "unknown"
    facts["versions"] = ", ".join(f"{key} {value}" for key, value in _with_prefix(shared, "lineage.").items())
    return {name: text for name, text in facts.items() if text}


def _with_prefix(params: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The settings of one group, without its name."""
    return {key.removeprefix(prefix): value for key, value in params.items() if key.startswith(prefix)}


def _shared_params(sweep: Sweep) -> dict[str, str]:
    """The settings that have one value in all trials."""
    first, *others = (trial.params for trial in sweep.trials)
    return {key: text for key, text in first.items() if all(params.get(key) == text for params in others)}


def _settings(sweep: Sweep) -> str:
    """Rows of the shared settings."""
    shared = sorted(_shared_params(sweep).items())
    pairs: Iterable[tuple[str, str]] = ((k, v) for k, v in shared if not k.startswith(_HIDDEN_SETTINGS))
    return "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in pairs)


def _date(sweep: Sweep) -> str:
    """When the sweep began, in UTC."""
    return datetime.fromtimestamp(sweep.record.start_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
