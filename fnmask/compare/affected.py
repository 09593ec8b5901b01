"""Who gains and who loses by class: masked class against affected class, and where the target's misses went."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import Sweep
from fnmask.compare.wording import label, signed
from fnmask.metrics import slug

_MOST_BARS = 12


def affected_figure(table: ComparisonTable) -> go.Figure | None:
    """IoU differences in points: a row for each masked class, a column for each class that it affects.

    A row is the mean over all masked variants of that one target, those that the table leaves out too.

    Returns:
        None when fewer than two classes were masked by themselves.
    """
    by_target: dict[str, list[Row]] = {}
    for row in (*table.rows, *table.left_out):
        # What all are compared with would only add its difference to itself.
        if row.loss == "mask" and row.control != "plain" and len(row.targets) == 1:
            by_target.setdefault(row.targets[0], []).append(row)
    if len(by_target) < 2:
        return None
    targets = [name for name in table.class_names if name in by_target]
    keys = [f"iou/{slug(name)}" for name in table.class_names]
    told = np.array([[_mean([row.deltas[key].mean for row in by_target[name]]) for key in keys] for name in targets])
    if np.isnan(told).all():
        return None
    limit = float(np.nanmax(np.abs(told))) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=told, x=[label(name) for name in table.class_names], y=[label(name) for name in targets],
            zmin=-limit, zmax=limit, colorscale=_DIVERGING,
            text=[[signed(value) for value in row] for row in told], texttemplate="%{text}", xgap=2, ygap=2,
            colorbar={"title": {"text": "points"}, "thickness": 12},
            hovertemplate="masked %{y}: IoU of %{x} %{text} points<extra></extra>",
        )
    )  # fmt: skip
    return figure.update_layout(
        xaxis={"title": {"text": "affected class"}, "type": "category"},
        yaxis={"title": {"text": "masked class"}, "type": "category", "autorange": "reversed"},
        height=140 + 44 * len(targets), **_PLAIN,
    )  # fmt: skip


def misses_figure(sweep: Sweep, table: ComparisonTable, target: str) -> go.Figure | None:
    """What the pixels of a target are called, by predicted class.

    A bar for what is compared with, and one for each variant of that target.

    Returns:
        None when the split shows no pixel of the target.
    """
    index, split = sweep.class_names.index(target), table.split
    rows = [row for row in table.rows if row.control != "plain" and row.targets == (target,)]
    first = [row for row in rows if row.control or row.on_front]
    shown = (first + [row for row in rows if row not in first])[:_MOST_BARS]
    matrices = {row.variant: [one.total(split) for one in sweep.trials if one.variant == row.variant] for row in shown}
    used = {one.reference for one in sweep.trials if one.variant in matrices}
    plain = [own.total(split) for key, own in sweep.baselines.items() if key in used and split in own.matrices]
    # "" is what is compared with, which may be of another sweep.
    bars = {**({"": plain} if plain else {}), **matrices}
    shares = {name: _shares(own, index) for name, own in bars.items()}
    if not shares or any(np.isnan(own).any() for own in shares.values()):
        return None
    figure = go.Figure()
    order = [index, *(other for other in range(len(sweep.class_names)) if other != index)]
    for other in order:
        name = sweep.class_names[other]
        figure.add_bar(
            y=[label(name or sweep.against) or "plain" for name in shares],
            x=[100 * own[other] for own in shares.values()],
            customdata=[[name] for name in shares], orientation="h",
            name=f"{label(name)} (found)" if other == index else label(name),
            marker={"color": "rgb({}, {}, {})".format(*sweep.classes.colors[other]),
                    "line": {"color": "#8a8f98", "width": 0.5}},
            text=[f"{100 * own[other]:.0f}" if own[other] >= 0.04 else "" for own in shares.values()],
            textposition="inside", insidetextanchor="middle", textangle=0,
            hovertemplate=f"%{{y}}: %{{x:.1f}} % of the {label(target)} pixels called {label(name)}<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(
        barmode="stack",
        xaxis={"title": {"text": f"% of the {label(target)} pixels, by what they are called"}, "range": [0, 100]},
        yaxis={"type": "category", "autorange": "reversed", "automargin": True},
        legend={"orientation": "h", "y": -0.25, "traceorder": "normal"}, height=190 + 30 * len(shares), **_PLAIN,
    )  # fmt: skip


def _shares(matrices: Sequence[np.ndarray], index: int) -> np.ndarray:
    """The row of the target as shares, averaged over seeds; NaN when it has no pixel."""
    rows = np.array([own[index] for own in matrices], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((rows / rows.sum(axis=1, keepdims=True)).mean(axis=0))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


# Orange to blue through gray: told apart with color-blind eyes, and seen on white and on black.
_DIVERGING = [[0.0, "#c2571a"], [0.5, "#b9bec4"], [1.0, "#2b78b8"]]
_PLAIN = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "margin": {"l": 60, "r": 20, "t": 20, "b": 60},
    "font": {"family": "system-ui, sans-serif", "size": 13},
}
