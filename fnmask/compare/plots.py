"""The picture of the trade-off: what each variant costs the target, and what it wins the other classes."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from fnmask.compare.differences import Difference
from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.wording import label, percent, seeds_text, signed

# After Okabe and Ito, told apart with color-blind eyes; middle tones, to be seen on white and on black.
TARGET_COLORS = ("#2b86c9", "#d9672b", "#159f76", "#c06fa3", "#8f8a2f", "#7a6fd0")
CONTROL_COLOR = "#8a8f98"


def pareto_figure(table: ComparisonTable) -> go.Figure:
    """Target cost against the gain of the other classes, both in IoU points; up and to the left is better.

    Args:
        table: rows without a trade-off (no target, no plain control) are left out.

    Returns:
        A figure without background or text color of its own, so that the page's theme shows through. Plain is at
        (0, 0), losses that weigh the whole target down are diamonds, a line joins the front, whose points are
        numbered as in `front_rows`; bars are the 95 % interval of a point looked at alone.
    """
    rated = [row for row in table.rows if row.control != "plain" and not _unrated(row)]
    figure = go.Figure()
    numbers = {row.variant: str(index) for index, row in enumerate(front_rows(table), start=1)}
    figure.add_hline(y=0, line={"width": 1, "color": CONTROL_COLOR, "dash": "dot"})
    figure.add_vline(x=0, line={"width": 1, "color": CONTROL_COLOR, "dash": "dot"})
    # Whose losses all count is called plain whatever its label.
    against = next((label(row.variant) for row in table.rows if row.control == "plain" and row.loss != "plain"), "")
    targets = list(dict.fromkeys(", ".join(row.targets) for row in rated))
    for index, target in enumerate(targets):
        rows = [row for row in rated if ", ".join(row.targets) == target]
        color = TARGET_COLORS[index % len(TARGET_COLORS)]
        rivals = [row for row in rows if row.loss == "downweight"]
        moved = [row for row in rows if row.loss == "threshold"]
        others = [row for row in rows if row.loss not in ("downweight", "threshold")]
        _add_front(figure, rows, name="front" if len(targets) == 1 else f"front {label(target)}", color=color)
        _add_points(figure, others, numbers, name=f"target {label(target)}", color=color)
        _add_points(figure, rivals, numbers, name=f"down-weighted {label(target)}", color=color, symbol="diamond")
        _add_points(figure, moved, numbers, name=f"moved threshold {label(target)}", color=color, symbol="triangle-up")
    figure.add_scatter(
        x=[0], y=[0], mode="markers+text", text=[against or "plain"], textposition="bottom right",
        name=against or "plain control", marker={"symbol": "square", "size": 12, "color": CONTROL_COLOR},
        hovertemplate=f"{against or 'plain control'}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        xaxis={"title": {"text": "target cost, IoU points (less is better)"}, "zeroline": False},
        yaxis={"title": {"text": "others' gain, mean IoU points (more is better)"}, "zeroline": False},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=520, hovermode="closest",
        margin={"l": 60, "r": 20, "t": 20, "b": 60}, legend={"orientation": "h", "y": -0.18},
        font={"family": "system-ui, sans-serif", "size": 13},
    )  # fmt: skip
    return figure


def front_rows(table: ComparisonTable) -> list[Row]:
    """The rows on the front, from the cheapest for the target on, without plain; numbered so in the picture."""
    rows = [row for row in table.rows if row.on_front and row.control != "plain"]
    return sorted(rows, key=lambda row: row.deltas["target_cost"].mean)


def _unrated(row: Row) -> bool:
    """True when the row has no place in the picture."""
    return math.isnan(row.deltas["target_cost"].mean) or math.isnan(row.deltas["others_gain"].mean)


def _add_front(figure: go.Figure, rows: Sequence[Row], *, name: str, color: str) -> None:
    """A line through the points of a target that no other point of it, nor plain, beats in both."""
    points = [
        (row.deltas["target_cost"].mean, row.deltas["others_gain"].mean, row.variant) for row in rows if row.on_front
    ]
    # Where nothing is free plain is on it as well.
    if not any(cost <= 0 and gain >= 0 for cost, gain, _ in points):
        points.append((0.0, 0.0, ""))
    points.sort()
    figure.add_scatter(
        x=[cost for cost, _, _ in points], y=[gain for _, gain, _ in points], mode="lines", name=name, hoverinfo="skip",
        customdata=[[variant] for _, _, variant in points], line={"width": 1.5, "color": color, "shape": "hv"},
    )  # fmt: skip


def _add_points(
    figure: go.Figure,
    rows: Sequence[Row],
    numbers: Mapping[str, str],
    *,
    name: str,
    color: str,
    symbol: str = "circle",
) -> None:
    """One trace: a point for each row, with its number when it is on the front."""
    if not rows:
        return
    costs = [row.deltas["target_cost"] for row in rows]
    gains = [row.deltas["others_gain"] for row in rows]
    figure.add_scatter(
        x=[cost.mean for cost in costs], y=[gain.mean for gain in gains], mode="markers+text", name=name,
        text=[numbers.get(row.variant, "") for row in rows], textposition="middle center",
        textfont={"color": "white", "size": 12}, error_x=_bars(costs, color), error_y=_bars(gains, color),
        marker={"symbol": symbol, "size": [20 if row.variant in numbers else 11 for row in rows],
                "color": color, "opacity": 1},
        customdata=[[row.variant, label(row.variant), seeds_text(len(row.seeds)), _hover(row)] for row in rows],
        hovertemplate="<b>%{customdata[1]}</b> (%{customdata[2]})<br>%{customdata[3]}<extra></extra>",
    )  # fmt: skip


def _bars(differences: Sequence[Difference], color: str) -> dict[str, object]:
    """The 95 % interval of each; none where it is not over seeds too."""
    widths = [own.half_width() if own.n_seeds > 1 else math.nan for own in differences]
    return {
        "type": "data",
        "array": [0.0 if math.isnan(width) else width for width in widths],
        "visible": not all(map(math.isnan, widths)),
        "thickness": 1,
        "width": 3,
        "color": color,
    }


def _hover(row: Row) -> str:
    """The numbers behind a point."""
    values, cost, gain = row.values, row.deltas["target_cost"], row.deltas["others_gain"]
    return (
        f"target cost {percent(cost.mean)}, others' gain {signed(gain.mean)}<br>"
        f"target IoU {percent(values['target_iou'].mean)}, precision {percent(values['target_precision'].mean)}, "
        f"recall {percent(values['target_recall'].mean)}<br>mIoU {percent(values['miou'].mean)}"
    )
