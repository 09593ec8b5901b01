"""The comparison as one HTML page that needs no network: verdict, pictures, tables, and what was compared."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from fnmask.compare.affected import affected_figure, misses_figure
from fnmask.compare.curves import VariantCurves, curves_figure
from fnmask.compare.differences import Difference
from fnmask.compare.frontier_plots import frontier_figure
from fnmask.compare.importance import Importance, importance_figure, importance_of
from fnmask.compare.parallel import parallel_figure, settings_without_axis
from fnmask.compare.pictures import Shown
from fnmask.compare.pictures_html import pictures_html
from fnmask.compare.plots import front_rows, pareto_figure
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import GAIN, Sweep
from fnmask.compare.settings import settings_of
from fnmask.compare.table_html import table_html
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import explanation, percent, seeds_text, signed

_PLOT_NOTE = (
    "Up and to the left is better. The line joins the variants that no other one beats in both; they are numbered. "
    "Diamonds weigh the whole target down, which a mask has to beat. Point at a mark for its name and numbers. Bars: "
    "95 % interval over seeds and images of that point looked at alone."
)
_AFFECTED_NOTE = (
    "IoU points won or lost by each class when the class of the row is masked: the mean over all masked variants of "
    "that one target. The field of a class with itself is what masking costs it."
)
_FRONTIER_NOTE = (
    "Up and to the right is better. The line is the plain network, averaged over seeds, that predicts the target only "
    "where it beats the best other class with more than probability t: no training, any point at will. A mask is worth "
    "its training where it lies beyond the line."
)
_CURVES_NOTE = (
    "The controls and the variants on the front: mean over seeds, in the shade the lowest to the highest. Readings are "
    "taken after every epoch on val, whatever the mask did in it."
)
_PARALLEL_NOTE = (
    "A line for each variant, averaged over seeds: first the settings in which they differ, then readings. Drag along "
    "an axis to see the lines through a part of it alone, and its name to move it."
)
_IMPORTANCE_NOTE = (
    "How much of the spread of the gain between the {} variants goes with each setting. fANOVA looks at all of it, "
    "PED-ANOVA at what sets the best tenth apart. Whiskers: 5th to 95th percentile over ten draws of the variants with "
    "replacement; where they are long, so few variants do not tell. A setting matters within the values tried."
)
_HIDDEN_SETTINGS = ("lineage.",)


def build_report(
    sweep: Sweep,
    tables: Mapping[str, ComparisonTable],
    curves: Sequence[VariantCurves] = (),
    pictures: Sequence[Shown] = (),
) -> str:
    """The page.

    Args:
        sweep: what was compared.
        tables: by split, the main one first; at least one.
        curves: of the variants that are shown over their epochs.
        pictures: images on which the variants differ most.

    Returns:
        HTML of about 5 MB, nearly all of it the plotting library, which lies inside the page once.
    """
    main = next(iter(tables.values()))
    figures, sections = _sections(sweep, tables, curves, pictures_html(sweep, pictures))
    return Template(_read("report.html")).substitute(
        title=escape(f"Loss variants compared: {sweep.study}"),
        subtitle=escape(_subtitle(sweep)),
        verdict="".join(f"<p>{escape(sentence)}</p>" for sentence in verdict(sweep, main)),
        notes="".join(f"<li>{escape(note)}</li>" for note in sweep.notes),
        sections="\n".join(sections),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts_of(sweep).items()),
        settings=_settings(sweep),
        plotly_js=get_plotlyjs(),
        css=_read("report.css"),
        js=_read("report.js") + "\n" + _read("pictures.js"),
        # Inside a script element "</script" in a label would end it, and "<!--" would keep it from ending.
        figures=json.dumps({name: json.loads(own.to_json()) for name, own in figures.items()}).replace("<", "\\u003c"),
    )


def page_figures(
    sweep: Sweep, tables: Mapping[str, ComparisonTable], curves: Sequence[VariantCurves] = ()
) -> dict[str, go.Figure]:
    """The pictures of the page by the ids of their places."""
    return _sections(sweep, tables, curves, "")[0]


def _read(name: str) -> str:
    return files("fnmask.compare").joinpath(name).read_text(encoding="utf-8")


def _sections(
    sweep: Sweep, tables: Mapping[str, ComparisonTable], curves: Sequence[VariantCurves], pictures: str
) -> tuple[dict[str, go.Figure], list[str]]:
    """Pictures by the id of their place, and the sections that hold these places."""
    main = next(iter(tables.values()))
    figures = {"tradeoff": pareto_figure(main)}
    front = "".join(
        f'<li data-variant="{escape(row.variant)}">{escape(_traded(row.variant, row.deltas))}</li>'
        for row in front_rows(main)
    )
    sections = [
        _section(f"What each variant costs and buys, on {main.split}", "tradeoff", _PLOT_NOTE,
                 after=f'<ol class="front">{front}</ol>')
    ]  # fmt: skip
    sections += [_table_section(sweep, main)]
    affected = affected_figure(main)
    if affected is not None:
        figures["affected"] = affected
        sections.append(_section("Masked class, affected class", "affected", _AFFECTED_NOTE))
    for index, target in enumerate(dict.fromkeys(name for row in main.rows for name in row.targets)):
        frontier = frontier_figure(main, target)
        if frontier is not None:
            figures[f"frontier-{index}"] = frontier
            sections.append(
                _section(f"{target}: masks, and a threshold moved afterwards", f"frontier-{index}", _FRONTIER_NOTE)
            )
        misses = misses_figure(sweep, main, target)
        if misses is not None:
            figures[f"misses-{index}"] = misses
            note = (
                f"The {target} row of the confusion matrix, averaged over seeds: above {sweep.compared_with}, below it "
                "what each variant does with the same pixels."
            )
            sections.append(_section(f"Where the {target} pixels went", f"misses-{index}", note))
    over_epochs = curves_figure(curves)
    if over_epochs is not None:
        figures["curves"] = over_epochs
        sections.append(_section("Over the epochs", "curves", _CURVES_NOTE))
    settings = settings_of(sweep, main)
    over_settings = parallel_figure(settings)
    if over_settings is not None:
        figures["parallel"] = over_settings
        without = settings_without_axis(settings)
        told = f" More axes cannot be told apart; none is of {', '.join(without)}." if without else ""
        sections.append(_section("What was varied, and what came of it", "parallel", _PARALLEL_NOTE + told))
        sections.append(_importance_section(importance_of(settings), figures))
    sections += [pictures] if pictures else []
    sections += [_table_section(sweep, table) for table in tables.values() if table is not main]
    return figures, sections


def _importance_section(importance: Importance, figures: dict[str, go.Figure]) -> str:
    """The section on importance, and its picture; in its place why there is none."""
    title, figure = "Which setting matters most for the gain of the others", importance_figure(importance)
    if figure is None:
        return f'<section><h2>{title}</h2><p class="soft">Not shown: {escape(importance.reason)}</p></section>'
    figures["importance"] = figure
    return _section(title, "importance", _IMPORTANCE_NOTE.format(importance.n_settings))


def _section(title: str, place: str, note: str, *, after: str = "") -> str:
    """A picture with its heading and note."""
    return (
        f'<section><h2>{escape(title)}</h2><div id="{place}" role="figure" aria-label="{escape(title)}"></div>'
        f'<p class="soft">{escape(note)}</p>{after}</section>'
    )


def _table_section(sweep: Sweep, table: ComparisonTable) -> str:
    """The table of one split with its explanation."""
    title = f"All variants on {table.split}"
    return (
        f'<section><h2>{escape(title)}</h2><p class="soft">{escape(explanation(sweep, table))}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">{table_html(table)}</div>'
        "</section>"
    )


def _traded(variant: str, deltas: Mapping[str, Difference]) -> str:
    """A variant with its trade-off."""
    gain, cost = deltas["others_gain"], deltas["target_cost"]
    return f"{variant}: {signed(gain.mean)} points for the others at a target cost of {percent(cost.mean)}"


def _subtitle(sweep: Sweep) -> str:
    """Counts, data and date in one line."""
    seeds = {trial.seed for trial in sweep.trials}
    variants = {trial.variant for trial in sweep.trials}
    data = ", ".join(dict.fromkeys(dataset.name for dataset in sweep.datasets))
    parts = [f"{len(variants)} variants", seeds_text(len(seeds)), f"data: {data}" if data else "", _date(sweep)]
    return " · ".join(part for part in parts if part)


def facts_of(sweep: Sweep) -> dict[str, str]:
    """What a reader needs to judge or repeat the comparison."""
    record = sweep.record
    facts = {"study": sweep.study, "run of the sweep": record.run_id, "date": _date(sweep)}
    if sweep.where:
        facts["trials that count"] = f"controls, and those where {sweep.where}"
    if sweep.against:
        facts["compared with"] = sweep.against
    if sweep.metric != GAIN:
        facts["ranked by"] = sweep.metric
    facts["trials"] = ", ".join(f"{count} {outcome}" for outcome, count in sorted(sweep.outcomes.items()))
    facts["seeds"] = ", ".join(dict.fromkeys(trial.seed for trial in sweep.trials))
    for dataset in sweep.datasets:
        name = f"data, {dataset.context}"
        facts[name] = f"{dataset.name}, {dataset.n_images} images, digest {dataset.digest[:12]}, {dataset.source}"
    shared = sweep.shared_params
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


def _settings(sweep: Sweep) -> str:
    """Rows of the shared settings."""
    shared = sorted(sweep.shared_params.items())
    pairs: Iterable[tuple[str, str]] = ((k, v) for k, v in shared if not k.startswith(_HIDDEN_SETTINGS))
    return "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in pairs)


def _date(sweep: Sweep) -> str:
    """When the sweep began, in UTC."""
    return datetime.fromtimestamp(sweep.record.start_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
