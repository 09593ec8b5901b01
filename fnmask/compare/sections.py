"""The sections of the comparison's page: heading, picture or table, and the words that explain it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import plotly.graph_objects as go

from fnmask.compare.affected import affected_figure, misses_figure
from fnmask.compare.curves import VariantCurves, curves_figure
from fnmask.compare.differences import Difference
from fnmask.compare.frontier_plots import frontier_figure
from fnmask.compare.importance import importance_figure, importance_of
from fnmask.compare.parallel import parallel_figure, settings_without_axis
from fnmask.compare.plots import front_rows, pareto_figure
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import Sweep
from fnmask.compare.settings import settings_of
from fnmask.compare.table_html import table_html
from fnmask.compare.wording import explanation, percent, signed

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


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        html: the element `section`, with an empty place for each picture.
        figures: the pictures by the ids of their places.
    """

    html: str
    figures: Mapping[str, go.Figure] = field(default_factory=dict)


def page_sections(
    sweep: Sweep, tables: Mapping[str, ComparisonTable], curves: Sequence[VariantCurves] = (), pictures: str = ""
) -> list[Section]:
    """All sections from top to bottom.

    Args:
        sweep: what was compared.
        tables: by split, the main one first; at least one.
        curves: of the variants that are shown over their epochs.
        pictures: the section of images, as HTML; empty for none.
    """
    main, *rest = tables.values()
    return [
        _tradeoff(main),
        _table(sweep, main),
        *_affected(main),
        *_targets(sweep, main),
        *_over_epochs(curves),
        *_over_settings(sweep, main),
        *([Section(pictures)] if pictures else []),
        *(_table(sweep, table) for table in rest),
    ]


def _tradeoff(table: ComparisonTable) -> Section:
    front = "".join(
        f'<li data-variant="{escape(row.variant)}">{escape(_traded(row.variant, row.deltas))}</li>'
        for row in front_rows(table)
    )
    title = f"What each variant costs and buys, on {table.split}"
    return _picture(title, "tradeoff", pareto_figure(table), _PLOT_NOTE, after=f'<ol class="front">{front}</ol>')


def _table(sweep: Sweep, table: ComparisonTable) -> Section:
    """The table of one split with its explanation."""
    title = f"All variants on {table.split}"
    return Section(
        f'<section><h2>{escape(title)}</h2><p class="soft">{escape(explanation(sweep, table))}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">{table_html(table)}</div>'
        "</section>"
    )


def _affected(table: ComparisonTable) -> Iterator[Section]:
    figure = affected_figure(table)
    if figure is not None:
        yield _picture("Masked class, affected class", "affected", figure, _AFFECTED_NOTE)


def _targets(sweep: Sweep, table: ComparisonTable) -> Iterator[Section]:
    """Of each target the frontier, and where its pixels went."""
    for index, target in enumerate(dict.fromkeys(name for row in table.rows for name in row.targets)):
        frontier = frontier_figure(table, target)
        if frontier is not None:
            title = f"{target}: masks, and a threshold moved afterwards"
            yield _picture(title, f"frontier-{index}", frontier, _FRONTIER_NOTE)
        misses = misses_figure(sweep, table, target)
        if misses is not None:
            note = (
                f"The {target} row of the confusion matrix, averaged over seeds: above {sweep.compared_with}, below it "
                "what each variant does with the same pixels."
            )
            yield _picture(f"Where the {target} pixels went", f"misses-{index}", misses, note)


def _over_epochs(curves: Sequence[VariantCurves]) -> Iterator[Section]:
    figure = curves_figure(curves)
    if figure is not None:
        yield _picture("Over the epochs", "curves", figure, _CURVES_NOTE)


def _over_settings(sweep: Sweep, table: ComparisonTable) -> Iterator[Section]:
    """What was varied, and which setting matters; where that cannot be told, why."""
    settings = settings_of(sweep, table)
    parallel = parallel_figure(settings)
    if parallel is None:
        return
    without = settings_without_axis(settings)
    told = f" More axes cannot be told apart; none is of {', '.join(without)}." if without else ""
    yield _picture("What was varied, and what came of it", "parallel", parallel, _PARALLEL_NOTE + told)
    importance = importance_of(settings)
    title, figure = "Which setting matters most for the gain of the others", importance_figure(importance)
    if figure is None:
        yield Section(f'<section><h2>{title}</h2><p class="soft">Not shown: {escape(importance.reason)}</p></section>')
    else:
        yield _picture(title, "importance", figure, _IMPORTANCE_NOTE.format(importance.n_settings))


def _picture(title: str, place: str, figure: go.Figure, note: str, *, after: str = "") -> Section:
    """A picture with its heading and note."""
    return Section(
        f'<section><h2>{escape(title)}</h2><div id="{place}" role="figure" aria-label="{escape(title)}"></div>'
        f'<p class="soft">{escape(note)}</p>{after}</section>',
        {place: figure},
    )


def _traded(variant: str, deltas: Mapping[str, Difference]) -> str:
    """A variant with its trade-off."""
    gain, cost = deltas["others_gain"], deltas["target_cost"]
    return f"{variant}: {signed(gain.mean)} points for the others at a target cost of {percent(cost.mean)}"
