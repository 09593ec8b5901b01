"""The comparison in numbers: one row for each loss variant, over its seeds, against the plain control."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.runs import Loss, Sweep, Trial
from fnmask.metrics import slug, summarize, tradeoff

# Column key and heading. Each is in percent, its difference to plain in points.
METRIC_COLUMNS = {
    "miou": "mIoU",
    "miou_without_target": "mIoU without target",
    "target_iou": "target IoU",
    "target_precision": "target precision",
    "target_recall": "target recall",
}
TRADEOFF_COLUMNS = {"target_cost": "target cost", "others_gain": "others' gain"}

_CONTROL_ORDER = {"plain": 0, "class_downweight": 1, "": 2}


@dataclass(frozen=True)
class Spread:
    """Mean, lowest and highest value over seeds; all NaN when there is none."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    count: int = 0

    @classmethod
    def over(cls, values: Iterable[float]) -> "Spread":
        """The spread of the values that are not NaN."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls()
        return cls(sum(known) / len(known), min(known), max(known), len(known))


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        variant: label.
        control: name of the control, such as `"plain"`; `""` for a trial of the search.
        loss: kind of its loss, as in `Trial`.
        targets: of its loss; for plain those of the sweep when all trials share them, else empty.
        seeds: of its trials.
        values: by column key, in percent; the trade-off columns in points.
        deltas: by column key, differences to the plain control of the same seed, backbone, data and base, in points.
        on_front: no other variant costs the target less and wins the others more.
    """

    variant: str
    control: str
    loss: Loss
    targets: tuple[str, ...]
    seeds: tuple[str, ...]
    values: dict[str, Spread] = field(repr=False)
    deltas: dict[str, Spread] = field(repr=False)
    on_front: bool = False


@dataclass(frozen=True)
class ComparisonTable:
    """All variants on one split.

    Attributes:
        split: `"test"` or `"val"`.
        class_names: C names.
        rows: plain first, then the class down-weight control, then by the gain of the other classes.
    """

    split: str
    class_names: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Heading by column key, in order: metrics, trade-off, IoU of every class."""
        classes = {f"iou/{slug(name)}": name for name in self.class_names}
        return {**METRIC_COLUMNS, **TRADEOFF_COLUMNS, **classes}


def build_table(sweep: Sweep, split: str) -> ComparisonTable:
    """Compare the variants of a sweep on one split.

    Each trial is compared with the plain control of its own reference, and the differences are averaged over seeds:
    `mean_s(metric(variant, s) - metric(plain, s))`. So a variant with fewer seeds than plain is still compared like
    with like.

    Args:
        sweep: with at least one trial.
        split: one of `sweep.splits`.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in sweep.trials:
        groups.setdefault(trial.variant, []).append(trial)
    rows = [_build_row(sweep, variant, trials, split) for variant, trials in groups.items()]
    rows = _mark_front(rows)
    return ComparisonTable(split, sweep.class_names, tuple(sorted(rows, key=_row_order)))


def table_csv(table: ComparisonTable) -> str:
    """The table as CSV: for each column mean, lowest and highest over seeds, and the same for the difference."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["variant", "control", "target", "n_seeds", "on_front"]
    for key in table.columns:
        name, unit = key.replace("/", "_"), "points" if key in TRADEOFF_COLUMNS else "percent"
        header += [f"{name}_{unit}", f"{name}_{unit}_min", f"{name}_{unit}_max"]
        if key not in TRADEOFF_COLUMNS:
            header += [f"{name}_delta_points", f"{name}_delta_points_min", f"{name}_delta_points_max"]
    writer.writerow(header)
    for row in table.rows:
        cells = [row.variant, row.control, " ".join(row.targets), str(len(row.seeds)), str(int(row.on_front))]
        for key in table.columns:
            spreads = [row.values[key]] if key in TRADEOFF_COLUMNS else [row.values[key], row.deltas[key]]
            for spread in spreads:
                cells += [_csv_number(value) for value in (spread.mean, spread.low, spread.high)]
        writer.writerow(cells)
    return text.getvalue()


def _build_row(sweep: Sweep, variant: str, trials: Sequence[Trial], split: str) -> Row:
    """One variant over its seeds."""
    # The plain loss has no target of its own: it is read for that of the others, when they share one.
    targets = () if trials[0].loss == "plain" else trials[0].targets
    targets = targets or sweep.only_targets
    indices = [sweep.class_names.index(name) for name in targets]
    values: dict[str, list[float]] = {}
    deltas: dict[str, list[float]] = {}
    for trial in trials:
        own = _readings(trial.total(split), sweep.class_names, indices)
        baseline = sweep.baselines.get(trial.reference)
        plain: dict[str, float] = {}
        if baseline is not None and split in baseline.matrices:
            control = baseline.total(split)
            plain = _readings(control, sweep.class_names, indices)
            if indices:
                traded = tradeoff(trial.total(split), control, indices)
                own |= {key: traded[f"tradeoff/{key}"] for key in TRADEOFF_COLUMNS}
        for key, value in own.items():
            values.setdefault(key, []).append(value)
            deltas.setdefault(key, []).append(value - plain[key] if key in plain else math.nan)
    keys = ComparisonTable(split, sweep.class_names, ()).columns
    return Row(
        variant=variant,
        control=trials[0].control,
        loss=trials[0].loss,
        targets=targets,
        seeds=tuple(dict.fromkeys(trial.seed for trial in trials)),
        values={key: Spread.over(values.get(key, [])) for key in keys},
        deltas={key: Spread.over(deltas.get(key, [])) for key in keys},
    )


def _readings(matrix: NDArray[np.int64], class_names: Sequence[str], targets: Sequence[int]) -> dict[str, float]:
    """The metric columns of one matrix, in percent; those of the target only when there is one."""
    found = summarize(matrix, class_names, targets)
    readings = {"miou": found["miou"]} | {f"iou/{slug(name)}": found[f"iou/{slug(name)}"] for name in class_names}
    if targets:
        names = [slug(class_names[index]) for index in targets]
        readings["miou_without_target"] = found["miou_without_target"]
        for metric in ("iou", "precision", "recall"):
            # Over several targets the mean of those that can be measured, as everywhere.
            readings[f"target_{metric}"] = Spread.over(found[f"{metric}/{name}"] for name in names).mean
    return {key: 100 * value for key, value in readings.items()}


def _mark_front(rows: Sequence[Row]) -> list[Row]:
    """The rows with `on_front` set: not dominated in (low cost, high gain). Plain stands at (0, 0)."""
    points = [(row.values["target_cost"].mean, row.values["others_gain"].mean) for row in rows]
    points = [(0.0, 0.0) if row.control == "plain" else point for row, point in zip(rows, points, strict=True)]
    marked = []
    for row, (cost, gain) in zip(rows, points, strict=True):
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points)
        on_front = not (beaten or math.isnan(cost) or math.isnan(gain))
        marked.append(replace(row, on_front=on_front))
    return marked


def _row_order(row: Row) -> tuple[int, float, str]:
    """Controls first, then the largest gain; rows without one last."""
    gain = row.values["others_gain"].mean
    return _CONTROL_ORDER.get(row.control, 2), math.inf if math.isnan(gain) else -gain, row.variant


def _csv_number(value: float) -> str:
    """Four decimals, empty for NaN."""
    return "" if math.isnan(value) else f"{value:.4f}"
