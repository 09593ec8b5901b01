"""The comparison as one HTML page that needs no network: verdict, pictures, tables, and what was compared."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from fnmask.compare.curves import VariantCurves
from fnmask.compare.pictures import Shown
from fnmask.compare.pictures_html import pictures_html
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import GAIN, Sweep
from fnmask.compare.sections import page_sections
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import seeds_text

_HIDDEN_SETTINGS = ("lineage.",)


@dataclass(frozen=True)
class Report:
    """The page.

    Attributes:
        html: about 5 MB, nearly all of it the plotting library, which lies inside the page once.
        figures: its pictures, by the ids of their places.
    """

    html: str
    figures: Mapping[str, go.Figure]


def build_report(
    sweep: Sweep,
    tables: Mapping[str, ComparisonTable],
    curves: Sequence[VariantCurves] = (),
    pictures: Sequence[Shown] = (),
) -> Report:
    """Make the page.

    Args:
        sweep: what was compared.
        tables: by split, the main one first; at least one.
        curves: of the variants that are shown over their epochs.
        pictures: images on which the variants differ most.
    """
    sections = page_sections(sweep, tables, curves, pictures_html(sweep, pictures))
    figures = {place: figure for section in sections for place, figure in section.figures.items()}
    drawn = {place: json.loads(figure.to_json()) for place, figure in figures.items()}
    html = Template(_read("report.html")).substitute(
        title=escape(f"Loss variants compared: {sweep.study}"),
        subtitle=escape(_subtitle(sweep)),
        verdict="".join(f"<p>{escape(sentence)}</p>" for sentence in verdict(sweep, next(iter(tables.values())))),
        notes="".join(f"<li>{escape(note)}</li>" for note in sweep.notes),
        sections="\n".join(section.html for section in sections),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts_of(sweep).items()),
        settings=_settings(sweep),
        plotly_js=get_plotlyjs(),
        css=_read("report.css"),
        js=_read("report.js") + "\n" + _read("pictures.js"),
        # Inside a script element "</script" in a label would end it, and "<!--" would keep it from ending.
        figures=json.dumps(drawn).replace("<", "\\u003c"),
    )
    return Report(html, figures)


def _read(name: str) -> str:
    return files("fnmask.compare").joinpath(name).read_text(encoding="utf-8")


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
