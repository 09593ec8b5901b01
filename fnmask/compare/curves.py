"""Readings over the epochs: mean and range over seeds of the controls and of the variants on the front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fnmask.compare.plots import TARGET_COLORS
from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import Sweep, Trial
from fnmask.compare.wording import label
from fnmask.metrics import slug
from fnmask.tracking.mlflow_store import MlflowStore

MOST = 8
_DASHES = ("solid", "dash", "dot", "dashdot")
_PANELS = ("val mIoU, %", "val IoU of its target, %", "masked share of the target, %")


@dataclass(frozen=True)
class VariantCurves:
    """One variant over its epochs.

    Attributes:
        variant: label.
        panels: by title of the panel, each seed's values in percent by epoch.
    """

    variant: str
    panels: Mapping[str, Sequence[Mapping[int, float]]]


def load_curves(store: MlflowStore, sweep: Sweep, table: ComparisonTable) -> list[VariantCurves]:
    """Read the curves of at most eight variants from the store: controls, then the front, in the order of the table."""
    trials: dict[str, list[Trial]] = {}
    for trial in sweep.all_trials:
        trials.setdefault(trial.variant, []).append(trial)
    rows = [row for row in table.rows if row.control] + [row for row in table.rows if row.on_front and not row.control]
    return [_load_variant(store, row, trials[row.variant]) for row in rows[:MOST]]


def _load_variant(store: MlflowStore, row: Row, trials: Sequence[Trial]) -> VariantCurves:
    keys = {_PANELS[0]: "val/miou", _PANELS[2]: "train/masked_fraction"}
    if len(row.targets) == 1:
        keys[_PANELS[1]] = f"val/iou/{slug(row.targets[0])}"
    told = {
        title: [{epoch: 100 * value for epoch, value in store.history(trial.run_id, key).items()} for trial in trials]
        for title, key in keys.items()
    }
    return VariantCurves(row.variant, told)


def curves_figure(curves: Sequence[VariantCurves]) -> go.Figure | None:
    """Three panels side by side: mIoU, IoU of the target, and how much of its training pixels the mask took off.

    Returns:
        None when no run has kept its epochs.
    """
    titles = [title for title in _PANELS if any(any(own.panels.get(title, ())) for own in curves)]
    if not titles:
        return None
    figure = make_subplots(rows=1, cols=len(titles), horizontal_spacing=0.07)
    for index, own in enumerate(curves):
        color, dash = TARGET_COLORS[index % len(TARGET_COLORS)], _DASHES[index % len(_DASHES)]
        for column, title in enumerate(titles, start=1):
            _add(figure, own, title, column, color, dash, in_legend=title == titles[0])
    for column, title in enumerate(titles, start=1):
        figure.update_xaxes(title={"text": "epoch"}, zeroline=False, row=1, col=column)
        figure.update_yaxes(title={"text": title}, zeroline=False, row=1, col=column)
    return figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", height=400, template="none",
        margin={"l": 60, "r": 20, "t": 20, "b": 60}, legend={"orientation": "h", "y": -0.2},
        font={"family": "system-ui, sans-serif", "size": 13},
    )  # fmt: skip


def _add(
    figure: go.Figure, own: VariantCurves, title: str, column: int, color: str, dash: str, *, in_legend: bool
) -> None:
    """Mean and range over seeds of one variant in one panel."""
    seeds = [values for values in own.panels.get(title, ()) if values]
    epochs = sorted({epoch for values in seeds for epoch in values})
    if not epochs:
        return
    told = [[values[epoch] for values in seeds if epoch in values] for epoch in epochs]
    low, mean, high = ([float(of(values)) for values in told] for of in (np.min, np.mean, np.max))
    if len(seeds) > 1:
        figure.add_scatter(
            x=[*epochs, *reversed(epochs)], y=[*high, *reversed(low)], fill="toself", mode="lines", opacity=0.15,
            line={"width": 0, "color": color}, fillcolor=color, hoverinfo="skip", showlegend=False,
            customdata=[[own.variant]] * (2 * len(epochs)), row=1, col=column,
        )  # fmt: skip
    figure.add_scatter(
        x=epochs, y=mean, mode="lines", name=label(own.variant), legendgroup=own.variant, showlegend=in_legend,
        line={"color": color, "dash": dash}, customdata=[[own.variant, label(own.variant)]] * len(epochs),
        row=1, col=column,
        hovertemplate="<b>%{customdata[1]}</b><br>epoch %{x}: %{y:.1f}<extra></extra>",
    )  # fmt: skip
