"""The comparison in numbers: one row for each loss variant, over its seeds, against the plain control."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.columns import measured_columns, reader
from fnmask.compare.differences import Difference, Group, differences
from fnmask.compare.frontier import Curve, curve, standings
from fnmask.compare.ranking import mark_front, row_order
from fnmask.compare.resampling import N_RESAMPLES
from fnmask.compare.rows import STANDING_COLUMNS, ComparisonTable, Row, Spread
from fnmask.compare.runs import Sweep, Trial
from fnmask.metrics.margins import Margins

# The trade-off is a difference by another name: column and sign.
_TRADED = {"target_cost": ("target_iou", -1), "others_gain": ("miou_without_target", 1)}


def build_table(
    sweep: Sweep, split: str, *, resamples: int = N_RESAMPLES, shown: frozenset[str] | None = None
) -> ComparisonTable:
    """Compare the variants of a sweep on one split.

    Each trial is compared with the plain control of its own reference, and the differences are averaged over seeds:
    `mean_s(metric(variant, s) - metric(plain, s))`. So a variant with fewer seeds than plain is still compared like
    with like.

    Args:
        sweep: with at least one trial.
        split: one of `sweep.splits`.
        resamples: of the images, for the intervals.
        shown: the variants that get intervals; None for all. The intervals are corrected for the others too.
    """
    every = _by_variant(sweep)
    variants = {name: trials for name, trials in every.items() if shown is None or name in shown}
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
    plain = {control.run_id for control in sweep.plain_controls.values()}
    moved = {name: group for name, group in compared.items() if all(trial.moves in plain for trial in variants[name])}
    trained = {name: group for name, group in compared.items() if name not in moved}
    told: dict[str, dict[str, Difference]] = {}
    # Apart: a threshold moved on the plain network of its seed would lend trained variants too little noise.
    for own in (trained, moved):
        found = differences(list(own.values()), controls, sweep.class_names, resamples=resamples)
        told |= dict(zip(own, found, strict=True))
    # It lies on the frontier, or as good as, and is not measured against it.
    frontiers = _stand(sweep, split, trained, told)
    readings = _readings(sweep, split, variants, dict(zip(variants, targets, strict=True)))
    rows = [
        _build_row(sweep, trials, names, told.get(name, {}), *readings[name])
        for (name, trials), names in zip(variants.items(), targets, strict=True)
    ]
    measured = [*measured_columns(sweep.class_names), *STANDING_COLUMNS]
    counts = [sum(row.deltas[key].is_measured for key in measured) for row in rows if row.control != "plain"]
    left_out = tuple(row for row in brief_rows(sweep, split) if row.variant not in variants) if shown else ()
    count = sum(counts) + len(left_out) * max(counts, default=0)
    ordered = tuple(sorted(mark_front(rows), key=lambda row: row_order(row, sweep.metric)))
    return ComparisonTable(split, sweep.class_names, ordered, max(1, count), frontiers, left_out, sweep.metric)


def brief_rows(sweep: Sweep, split: str) -> list[Row]:
    """Every variant by its means alone, without intervals or frontier; in the order of the table."""
    variants = _by_variant(sweep)
    targets = {name: _targets_of(sweep, trials) for name, trials in variants.items()}
    readings = _readings(sweep, split, variants, targets)
    rows = []
    for name, trials in variants.items():
        own, plain = readings[name]
        paired = np.array([own[block] - plain[block] for block in plain])
        told = {}
        for column, key in enumerate(measured_columns(sweep.class_names)):
            known = [value for value in paired[:, column].tolist() if value == value] if len(paired) else []
            told[key] = Difference(sum(known) / len(known), n_seeds=len(known)) if known else Difference()
        rows.append(_build_row(sweep, trials, targets[name], told, own, plain))
    return sorted(rows, key=lambda row: row_order(row, sweep.metric))


def _by_variant(sweep: Sweep) -> dict[str, list[Trial]]:
    """The trials of each variant. A control from an earlier sweep stands in the table like one of this."""
    variants: dict[str, list[Trial]] = {}
    for trial in sweep.all_trials:
        variants.setdefault(trial.variant, []).append(trial)
    return variants


_Blocks = dict[str, NDArray[np.float64]]


def _readings(
    sweep: Sweep, split: str, variants: Mapping[str, Sequence[Trial]], targets: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[_Blocks, _Blocks]]:
    """What each variant reads by reference, and what its plain control does: all variants of one target at once."""
    controls = {key: own.total(split) for key, own in sweep.baselines.items() if split in own.matrices}
    found: dict[str, tuple[_Blocks, _Blocks]] = {}
    for chosen in dict.fromkeys(targets.values()):
        names = [name for name in variants if targets[name] == chosen]
        read = reader(_indices(sweep, chosen))
        keys = [(name, trial.reference) for name in names for trial in variants[name]]
        stacked = [trial.total(split) for name in names for trial in variants[name]]
        values = read(Margins.of(np.stack([*stacked, *controls.values()])))
        plain = dict(zip(controls, values[len(keys) :], strict=True))
        for name in names:
            found[name] = {}, {}
        for (name, reference), row in zip(keys, values, strict=False):
            found[name][0][reference] = row
            if reference in plain:
                found[name][1][reference] = plain[reference]
    return found


def _stand(
    sweep: Sweep, split: str, groups: Mapping[str, Group], told: Mapping[str, dict[str, Difference]]
) -> dict[str, Curve]:
    """Adds the distance to the frontier to what is told of each variant of a single target; returns the frontiers."""
    kept = {
        reference: (control.frontiers[split], control.matrices[split])
        for reference, control in sweep.plain_controls.items()
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
    trials: Sequence[Trial],
    targets: tuple[str, ...],
    told: Mapping[str, Difference],
    totals: _Blocks,
    plain: _Blocks,
) -> Row:
    """One variant over its seeds, from what it and its control read by reference."""
    measured = list(measured_columns(sweep.class_names))
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
        runs=tuple(trial.run_id for trial in sorted(trials, key=lambda own: (len(own.seed), own.seed))),
    )
