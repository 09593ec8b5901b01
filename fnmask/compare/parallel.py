"""Parallel coordinates: a line for each variant, through what was varied and what came of it."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from fnmask.compare.settings import Settings, Value
from fnmask.compare.wording import label

# Beside the four readings: more axes cannot be told apart.
_MOST_SETTINGS = 5
_READINGS = {"target_cost": "target cost", "others_gain": "others' gain", "target_iou": "target IoU", "miou": "mIoU"}
_LONGEST_TEXT = 18


def parallel_figure(settings: Settings) -> go.Figure | None:
    """Axes for the settings, then for the readings; lines are colored by the gain of the others.

    Returns:
        None where nothing was varied, or fewer than three variants have a gain.
    """
    rows = settings.rows
    axes = [_axis(key, values) for key, values in list(settings.values.items())[:_MOST_SETTINGS]]
    if len(rows) < 3 or not axes:
        return None
    for key, heading in _READINGS.items():
        values = [row.values[key].mean for row in rows]
        if not any(map(math.isnan, values)):
            axes.append({"label": heading, "values": values, "tickformat": ".1f"})
    gains = [row.values["others_gain"].mean for row in rows]
    figure = go.Figure(
        go.Parcoords(
            dimensions=axes,
            line={"color": gains, "colorscale": "Cividis", "showscale": True,
                  "colorbar": {"title": {"text": "others' gain"}, "thickness": 12}},
            customdata=[[row.variant] for row in rows],
        )
    )  # fmt: skip
    return figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=420,
        margin={"l": 70, "r": 40, "t": 60, "b": 30}, font={"family": "system-ui, sans-serif", "size": 12},
    )  # fmt: skip


def settings_without_axis(settings: Settings) -> list[str]:
    """The settings that the picture has no room for."""
    return list(settings.values)[_MOST_SETTINGS:]


def _axis(key: str, values: Sequence[Value]) -> dict[str, object]:
    """An axis; of texts with a place for each, in the order in which they come."""
    if all(isinstance(value, float) for value in values):
        return {"label": key, "values": values}
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    texts = [label(_short(str(value))) for value in places]
    return {
        "label": key,
        "values": [places[value] for value in values],
        "tickvals": list(places.values()),
        "ticktext": texts,
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
