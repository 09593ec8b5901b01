"""The comparison in numbers: one row for each loss variant, over its seeds, against the plain control."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fnmask.compare.columns import OVERALL_COLUMNS, TARGET_COLUMNS, class_columns, measured_columns, reader
from fnmask.compare.differences import Difference, Group, differences
from fnmask.compare.frontier import Curve, curve, standings
from fnmask.compare.resampling import N_RESAMPLES
from fnmask.compare.runs import Loss, Sweep, Trial
from fnmask.metrics.margins import Margins

TRADEOFF_COLUMNS = {"target_cost": "target cost", "others_gain": "others' gain"}
# Distance to what the plain control reaches with another threshold: see `fnmask.compare.frontier`.
STANDING_COLUMNS = {"frontier_precision_recall": "to frontier, P/R", "frontier_iou": "to frontier, IoU"}
# What is a difference by itself, without a value of its own.
DIFFERENCE_COLUMNS = {**TRADEOFF_COLUMNS, **STANDING_COLUMNS}
# Points of recall that the target gave up for each point of IoU that the others won; only where they won any.
RATE_COLUMNS = {"exchange_rate": "recall given per point won"}
COST_COLUMNS = {"masked_fraction": "target masked", "duration_s": "time"}

# What has a value, and no difference to plain.
VALUE_COLUMNS = {**RATE_COLUMNS, **COST_COLUMNS}

# The trade-off is a difference by another name: column and sign.
_TRADED = {"target_cost": ("target_iou", -1), "others_gain": ("miou_without_target", 1)}

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
        values: by column key, over seeds: in percent, the trade-off in points, the duration in seconds.
        deltas: by column key, differences to the plain control of the same seed, backbone, data and base, in points;
            the trade-off too, with its own sign.
        on_front: no other variant costs the target less and wins the others more.
    """

    variant: str
    control: str
    loss: Loss
    targets: tuple[str, ...]
    seeds: tuple[str, ...]
    values: dict[str, Spread] = field(repr=False)
    deltas: dict[str, Difference] = field(repr=False)
    on_front: bool = False


@dataclass(frozen=True)
class ComparisonTable:
    """All variants on one split.

    Attributes:
        split: `"test"` or `"val"`.
        class_names: C names.
        rows: plain first, then the class down-weight control, then by the gain of the other classes.
        comparisons: how many measured differences are shown beside each other: what its intervals are corrected for.
        frontiers: by target, what the plain control reaches with other thresholds.
    """

    split: str
    class_names: tuple[str, ...]
    rows: tuple[Row, ...]
    comparisons: int = 1
    frontiers: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, str]:
        """Heading by column key, in order: target, trade-off, all classes, IoU of each class, costs of the run."""
        return {
            **TARGET_COLUMNS,
            **DIFFERENCE_COLUMNS,
            **RATE_COLUMNS,
            **OVERALL_COLUMNS,
            **class_columns(self.class_names),
            **COST_COLUMNS,
        }

    def stands_out(self, row: Row, key: str) -> bool:
        """Whether the interval of a difference excludes 0, seeds, images and the size of the table considered."""
        return row.control != "plain" and row.deltas[key].stands_out(self.comparisons)


def build_table(sweep: Sweep, split: str, *, resamples: int = N_RESAMPLES) -> ComparisonTable:
    """Compare the variants of a sweep on one split.

    Each trial is compared with the plain control of its own reference, and the differences are averaged over seeds:
    `mean_s(metric(variant, s) - metric(plain, s))`. So a variant with fewer seeds than plain is still compared like
    with like.

    Args:
        sweep: with at least one trial.
        split: one of `sweep.splits`.
        resamples: of the images, for the intervals.
    """
    variants: dict[str, list[Trial]] = {}
    # A control from an earlier sweep stands in the table like one of this.
    for trial in {one.run_id: one for one in (*sweep.trials, *sweep.baselines.values())}.values():
        variants.setdefault(trial.variant, []).append(trial)
    targets = [_targets_of(sweep, trials) for trials in variants.values()]
    controls = {key: control.matrices[split] for key, control in sweep.baselines.items() if split in control.matrices}
    groups = [
        Group(_indices(sweep, names), {trial.reference: trial.matrices[split] for trial in trials})
        for names, trials in zip(targets, variants.values(), strict=True)
    ]
    # Not the control itself: counted among those that are compared with it, it would lend them noise that is its own.
    compared = {
        name: group
        for (name, trials), group in zip(variants.items(), groups, strict=True)
        if trials[0].control != "plain"
    }
    found = differences(list(compared.values()), controls, sweep.class_names, resamples=resamples)
    told = dict(zip(compared, found, strict=True))
    frontiers = _stand(sweep, split, compared, told)
    rows = [
        _build_row(sweep, group, trials, split, names, told.get(name, {}))
        for (name, trials), group, names in zip(variants.items(), groups, targets, strict=True)
    ]
    measured = [*measured_columns(sweep.class_names), *STANDING_COLUMNS]
    count = sum(row.deltas[key].is_measured for row in rows if row.control != "plain" for key in measured)
    ordered = tuple(sorted(_mark_front(rows), key=_row_order))
    return ComparisonTable(split, sweep.class_names, ordered, max(1, count), frontiers)


def _stand(
    sweep: Sweep, split: str, groups: Mapping[str, Group], told: Mapping[str, dict[str, Difference]]
) -> dict[str, Curve]:
    """Adds the distance to the frontier to what is told of each variant of a single target; returns the frontiers."""
    kept = {
        reference: (control.frontiers[split], control.matrices[split])
        for reference, control in sweep.baselines.items()
        if split in control.frontiers
    }
    found: dict[str, Curve] = {}
    for index, target in enumerate(sweep.class_names):
        own = {name: group.matrices for name, group in groups.items() if group.targets == (index,)}
        paired = [kept[key] for key in kept if any(key in matrices for matrices in own.values())]
        along = curve([of for of, _ in paired], [of.sum(axis=2) for _, of in paired], index)
        if along is None:
            continue
        found[target] = along
        for name, distances in standings(own, kept, index).items():
            told[name].update({f"frontier_{plane}": of for plane, of in distances.items()})
    return found


def _targets_of(sweep: Sweep, trials: Sequence[Trial]) -> tuple[str, ...]:
    """What a variant is read for. Plain has no target of its own: that of the others, when they share one."""
    return (() if trials[0].loss == "plain" else trials[0].targets) or sweep.only_targets


def _indices(sweep: Sweep, names: Sequence[str]) -> tuple[int, ...]:
    return tuple(sweep.class_names.index(name) for name in names)


def _build_row(
    sweep: Sweep,
    group: Group,
    trials: Sequence[Trial],
    split: str,
    targets: tuple[str, ...],
    told: dict[str, Difference],
) -> Row:
    """One variant over its seeds."""
    measured, read = list(measured_columns(sweep.class_names)), reader(group.targets)
    totals = {trial.reference: read(Margins.of(trial.total(split))) for trial in trials}
    plain = {
        reference: read(Margins.of(sweep.baselines[reference].total(split)))
        for reference in totals
        if reference in sweep.baselines and split in sweep.baselines[reference].matrices
    }
    values = {key: Spread.over(float(own[index]) for own in totals.values()) for index, key in enumerate(measured)}
    # The control differs from itself by nothing, and that is sure.
    unknown = Difference(0.0, n_seeds=len(trials)) if trials[0].control == "plain" else Difference()
    deltas = {key: told.get(key, unknown) for key in (*measured, *STANDING_COLUMNS)}
    for key, (source, sign) in _TRADED.items():
        column = measured.index(source)
        values[key] = Spread.over(sign * float(totals[one][column] - plain[one][column]) + 0.0 for one in plain)
        deltas[key] = replace(deltas[source], mean=sign * deltas[source].mean + 0.0)
    given, won = -deltas["target_recall"].mean, deltas["others_gain"].mean
    values["exchange_rate"] = Spread.over([given / won if won > 0 else math.nan])
    values["masked_fraction"] = Spread.over(100 * trial.masked_fraction for trial in trials)
    values["duration_s"] = Spread.over(trial.duration_s for trial in trials)
    return Row(
        variant=trials[0].variant,
        control=trials[0].control,
        loss=trials[0].loss,
        targets=targets,
        seeds=tuple(dict.fromkeys(trial.seed for trial in trials)),
        values=values,
        deltas=deltas,
    )


def _mark_front(rows: Sequence[Row]) -> list[Row]:
    """The rows with `on_front` set: not dominated in (low cost, high gain) by plain, at (0, 0), or by their like.

    Gains of other targets are over other classes. Plain is on the front of a target whose variants leave it there.
    """
    points = [(row.deltas["target_cost"].mean, row.deltas["others_gain"].mean) for row in rows]
    points = [(0.0, 0.0) if row.control == "plain" else point for row, point in zip(rows, points, strict=True)]
    marked = []
    for row, (cost, gain) in zip(rows, points, strict=True):
        rivals = [
            point
            for other, point in zip(rows, points, strict=True)
            if "plain" in (row.control, other.control) or set(other.targets) == set(row.targets)
        ]
        beaten = any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in rivals)
        on_front = not (beaten or math.isnan(cost) or math.isnan(gain))
        marked.append(replace(row, on_front=on_front))
    return marked


def _row_order(row: Row) -> tuple[int, float, str]:
    """Controls first, then the largest gain; rows without one last."""
    gain = row.values["others_gain"].mean
    return _CONTROL_ORDER.get(row.control, 2), math.inf if math.isnan(gain) else -gain, row.variant
