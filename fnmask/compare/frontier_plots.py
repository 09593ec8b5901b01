"""The picture of the post-hoc frontier: what a moved threshold reaches, and where the trained variants stand."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fnmask.compare.plots import CONTROL_COLOR, TARGET_COLORS
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.wording import label, signed, standing

# Log-odds of the thresholds that are written beside the curve: t = 0.5, 0.73, 0.88, 0.95.
_NAMED = (0.0, 1.0, 2.0, 3.0)
# Log-odds between which the curve is looked at: under them nearly everything is called the target, over them nothing.
_SHOWN = (-1.0, 4.0)

_AXES = (
    ("target recall, %", "target precision, %", "target_recall", "target_precision", "frontier_precision_recall"),
    ("target IoU, %", "mIoU without the target, %", "target_iou", "miou_without_target", "frontier_iou"),
)


def frontier_figure(table: ComparisonTable, target: str) -> go.Figure | None:
    """Both planes of a target, side by side; up and to the right is better.

    Returns:
        None when no plain control has kept the target's frontier, or no variant is of that target alone.
    """
    curve = table.frontiers.get(target)
    rows = [row for row in table.rows if row.targets == (target,) and row.control != "plain"]
    if curve is None or not rows:
        return None
    thresholds = 1 / (1 + np.exp(-curve.log_odds))
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    for column, (points, (x_title, y_title, x_key, y_key, distance)) in enumerate(
        zip(curve.points, _AXES, strict=True), start=1
    ):
        names = [f"t={t:.2f}" if odds in _NAMED else "" for t, odds in zip(thresholds, curve.log_odds, strict=True)]
        figure.add_scatter(
            x=points[:, 0], y=points[:, 1], mode="lines+markers+text", name="plain, threshold t", row=1, col=column,
            line={"color": CONTROL_COLOR, "width": 1.5}, marker={"size": 4, "color": CONTROL_COLOR}, text=names,
            textposition="bottom left", textfont={"size": 10}, showlegend=column == 1,
            hovertext=[f"t = {value:.3f}" for value in thresholds],
            hovertemplate="plain, %{hovertext}<br>%{x:.1f}, %{y:.1f}<extra></extra>",
        )  # fmt: skip
        at = np.flatnonzero(curve.log_odds == 0)
        figure.add_scatter(
            x=points[at, 0], y=points[at, 1], mode="markers", name="plain, as trained", row=1, col=column,
            marker={"symbol": "square", "size": 12, "color": CONTROL_COLOR}, showlegend=column == 1,
            hovertemplate="plain, as trained<br>%{x:.1f}, %{y:.1f}<extra></extra>",
        )  # fmt: skip
        for name, color, symbol, own in (
            ("masked", TARGET_COLORS[0], "circle", [row for row in rows if row.loss == "mask"]),
            ("down-weighted", TARGET_COLORS[1], "diamond", [row for row in rows if row.loss == "downweight"]),
            ("moved threshold", TARGET_COLORS[2], "triangle-up", [row for row in rows if row.loss == "threshold"]),
        ):
            if not own:
                continue
            figure.add_scatter(
                x=[row.values[x_key].mean for row in own], y=[row.values[y_key].mean for row in own], mode="markers",
                name=name, row=1, col=column, marker={"color": color, "size": 11, "symbol": symbol},
                showlegend=column == 1,
                customdata=[[row.variant, label(row.variant), signed(row.deltas[distance].mean),
                             standing(table, row, distance)] for row in own],
                hovertemplate="<b>%{customdata[1]}</b><br>%{x:.1f}, %{y:.1f}<br>"
                "distance %{customdata[2]} points %{customdata[3]}<extra></extra>",
            )  # fmt: skip
        shown = points[(curve.log_odds >= _SHOWN[0]) & (curve.log_odds <= _SHOWN[1])]
        for axis, update, title, key in (
            (0, figure.update_xaxes, x_title, x_key),
            (1, figure.update_yaxes, y_title, y_key),
        ):
            seen = _range([*shown[:, axis], *(row.values[key].mean for row in rows)])
            update(title={"text": title}, zeroline=False, range=seen, row=1, col=column)
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=440, hovermode="closest",
        margin={"l": 60, "r": 20, "t": 20, "b": 60}, legend={"orientation": "h", "y": -0.2},
        font={"family": "system-ui, sans-serif", "size": 13}, template="none",
    )  # fmt: skip
    return figure


def _range(values: Sequence[float]) -> tuple[float, float] | None:
    """From the least to the most, with a margin; None leaves it to the plot."""
    known = [float(value) for value in values if np.isfinite(value)]
    if not known:
        return None
    margin = 0.06 * (max(known) - min(known)) + 0.5
    return min(known) - margin, max(known) + margin
