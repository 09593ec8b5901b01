"""Three sentences for a mail: what was compared, what wins under which preference, and how sure that is."""

import math
from collections.abc import Sequence
from statistics import median

from fnmask.compare.moved import export_command
from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import GAIN, LESS_IS_BETTER, Sweep
from fnmask.compare.wording import interval_text, metric_name, percent, seeds_text, signed

# Points of target IoU that "at next to no cost" allows.
_LITTLE = 1.0
# Names in one sentence.
_MOST = 3


def verdict(sweep: Sweep, table: ComparisonTable) -> tuple[str, str, str]:
    """The sentences, claiming no more than the table shows."""
    return _compared(sweep, table), _winners(sweep, table), _certainty(table)


def _compared(sweep: Sweep, table: ComparisonTable) -> str:
    """What was compared."""
    every = (*table.rows, *table.left_out)
    masked = sum(row.loss == "mask" for row in every)
    others = sum(row.loss == "downweight" for row in every)
    # A threshold may be moved for classes that the sweep did not ask about.
    asked = [name for row in table.rows if row.loss != "threshold" for name in row.targets]
    targets = list(dict.fromkeys(asked or [name for row in table.rows for name in row.targets]))
    moved = sum(row.loss == "threshold" for row in table.rows)
    told = [_count(masked, "masked loss", "es")]
    told += [_count(others, "class down-weighting")] if others else []
    told += [_count(moved, "moved threshold")] if moved else []
    against = f"against {sweep.compared_with}" if sweep.baselines else "without a plain control to compare with"
    n_images = len(sweep.trials[0].matrices[table.split])
    data = ", ".join(dict.fromkeys(dataset.name for dataset in sweep.datasets))
    seeds = {seed for row in table.rows for seed in row.seeds}
    return (
        f"{_listed(told)} for {_listed(targets) or 'no class'} {against}, "
        f"{seeds_text(len(seeds))}, {_count(n_images, f'{table.split} image')}{' of ' + data if data else ''}."
    )


def _winners(sweep: Sweep, table: ComparisonTable) -> str:
    """What wins, target by target: what another target costs and buys says nothing about this one."""
    if not any(row.loss == "mask" for row in table.rows):
        return "There is no masked variant to compare with the plain control yet."
    rated = [row for row in table.rows if row.control != "plain" and not math.isnan(_gain(row))]
    targets = dict.fromkeys(row.targets for row in sorted(rated, key=_gain, reverse=True) if row.loss == "mask")
    if not targets:
        return "The masks cannot be rated: there is no plain control of theirs, or no other class that could win."
    told = [_of_target([row for row in rated if row.targets == target], table) for target in list(targets)[:_MOST]]
    if len(targets) > 1:
        told = [f"{_listed(target)}: {one}" for target, one in zip(targets, told, strict=False)]
    rest = f" {len(targets) - _MOST} more targets are in the table." if len(targets) > _MOST else ""
    told = [one[0].upper() + one[1:] if len(targets) == 1 else one for one in told]
    told = [_by_metric(sweep, rated, table), *told] if table.metric != GAIN else told
    return " ".join(told) + rest + _against_threshold(sweep, [row for row in rated if row.loss == "mask"], table)


def _by_metric(sweep: Sweep, rated: Sequence[Row], table: ComparisonTable) -> str:
    """What is best by the reading that was asked for, and whether that is better than what is compared with."""
    heading, metric = metric_name(table), table.metric
    known = [row for row in rated if not math.isnan(row.deltas[metric].mean)]
    if not known:
        return f"Nothing can be said by {heading}."
    sign = -1 if metric in LESS_IS_BETTER else 1
    # By what is paired: where seeds are not the same ones, values alone would compare seeds.
    best = max(known, key=lambda row: sign * row.deltas[metric].mean)
    delta, value = best.deltas[metric], percent(best.values[metric].mean)
    told = f"{value} points" if metric in LESS_IS_BETTER else f"{value} %, {signed(delta.mean)} points"
    bounds = _bounds(best, metric, table)
    told = f"{best.variant}{{}}: {told}{' ' + bounds if bounds and metric not in LESS_IS_BETTER else ''}."
    if round(sign * delta.mean, 1) <= 0:
        return f"By {heading}, no variant does better than {sweep.compared_with}; next is {told.format('')}"
    return f"By {heading}, {told.format(' does best')}"


def _of_target(rows: Sequence[Row], table: ComparisonTable) -> str:
    """What wins for whom this target does not matter, for whom it does, and beside a class weight."""
    masked = [row for row in rows if row.loss == "mask"]
    best = max(masked, key=_gain)
    cheap = [row for row in masked if row.deltas["target_cost"].mean <= _LITTLE and round(_gain(row), 1) > 0]
    if round(_gain(best), 1) <= 0:
        parts = [f"no mask wins anything for the other classes, {_traded(best, table, verb='does best with')}"]
    elif math.isnan(best.deltas["target_cost"].mean):
        parts = ["what masks cost is unknown, since the split shows no pixel of the target", _traded(best, table)]
    elif best in cheap:
        parts = [f"whether or not its misses matter, {_traded(best, table)}"]
    else:
        parts = [f"if its misses do not matter, {_traded(best, table)}"]
        limit = f"if it may lose at most {_LITTLE:.0f} point"
        parts.append(
            f"{limit}, {_traded(max(cheap, key=_gain), table)}" if cheap else f"{limit}, no mask wins anything"
        )
    rivals = [row for row in rows if row.loss == "downweight"]
    if rivals:
        rival = max(rivals, key=_gain)
        # As the numbers are printed: what looks equal is called so.
        ahead = round(_gain(rival), 1) - round(_gain(best), 1)
        word = "more than" if ahead > 0 else "less than" if ahead < 0 else "as much as"
        parts.append(f"simply weighting it down, {_traded(rival, table, verb='gives')}: on average {word} the first")
    return "; ".join(parts) + "."


def _against_threshold(sweep: Sweep, masked: Sequence[Row], table: ComparisonTable) -> str:
    """Whether training with a mask reaches more than the plain network with another threshold; empty if unknown."""
    told = [row for row in masked if row.deltas["frontier_iou"].knows_seeds]
    if not told:
        return ""
    plane = "in IoU of the target and of the others"
    beyond = [row.variant for row in told if table.stands_out(row, "frontier_iou")
              and row.deltas["frontier_iou"].mean > 0]  # fmt: skip
    if beyond:
        return f" Beyond what a threshold moved afterwards on the plain network reaches {plane}: {_first(beyond)}."
    best = max(told, key=lambda row: row.deltas["frontier_iou"].mean)
    distance = best.deltas["frontier_iou"]
    command = export_command(sweep, best)
    # A mask that is ahead, within its interval, is no reason to leave it.
    taken = "The threshold that comes nearest" if round(distance.mean, 1) > 0 else "Take that threshold instead"
    instead = taken if "--decision" in command else "The plain network as it is comes nearest"
    return (
        f" No mask is shown to reach more {plane} than the plain network does with a threshold moved afterwards; the "
        f"furthest is {best.variant}, {signed(distance.mean)} points {interval_text(distance, table.comparisons)}."
        f"{f' {instead}: {command}' if command else ''}"
    )


def _certainty(table: ComparisonTable) -> str:
    """How sure it is, by intervals that hold for the whole table at once."""
    rows = [row for row in table.rows if row.control != "plain"]
    told = [(row, key) for row in rows for key in _measured(row)]
    if not told:
        return (
            "Nothing can be said about chance: no variant has a plain control to be compared with, or the split has a "
            "single image."
        )
    sure = [(row, key) for row, key in told if row.deltas[key].knows_seeds]
    if not sure:
        few = "One seed settles" if all(row.deltas[key].n_seeds == 1 for row, key in told) else "So few seeds settle"
        return (
            f"{few} nothing: another training may differ by more than the intervals tell; run the sweep with at least "
            "three, such as study.seeds=3."
        )
    out = [(row, key) for row, key in sure if table.stands_out(row, key)]
    gains = [row.deltas["others_gain"] for row in rows]
    widths = [gain.half_width(table.comparisons) for gain in gains if gain.knows_seeds]
    least = f"a gain of the other classes would have to exceed {percent(median(widths))} points" if widths else ""
    # Those that are paired: a variant may have seeds that what it is compared with has not.
    seeds = sorted({max(delta.n_seeds for delta in row.deltas.values()) for row, _ in sure})
    how = f"95 % intervals over {_listed([str(count) for count in seeds])} seeds and the images, corrected for all "
    how += f"{table.comparisons} differences of the page (Bonferroni)"
    if not out:
        return f"Nothing is significant by {how}{': ' + least if least else ''}."
    winners = [row.variant for row in rows if table.stands_out(row, "others_gain") and _gain(row) > 0]
    which = f"among them the gain of {_first(winners)}"
    if not winners:
        which = f"none of them is a gain of the other classes{': ' + least if least else ''}"
    variants = len({row.variant for row, _ in out})
    return f"{len(out)} differences of {_count(variants, 'variant')} are significant by {how}; {which}."


def _measured(row: Row) -> list[str]:
    return [key for key, delta in row.deltas.items() if delta.is_measured and key not in ("target_cost", "others_gain")]


def _gain(row: Row) -> float:
    return row.deltas["others_gain"].mean


def _traded(row: Row, table: ComparisonTable, *, verb: str = "wins most:") -> str:
    """A variant with its trade-off and the interval of its gain."""
    gain, cost = row.deltas["others_gain"], row.deltas["target_cost"]
    bounds = _bounds(row, "others_gain", table)
    paid = "" if math.isnan(cost.mean) else f" at a target cost of {percent(cost.mean)}"
    if cost.mean < 0:
        paid = f" and {signed(-cost.mean)} for the target itself"
    gained = f"{signed(gain.mean)} points of IoU for the other classes{' ' + bounds if bounds else ''}"
    return f"{row.variant} {verb} {gained}{paid}"


def _bounds(row: Row, key: str, table: ComparisonTable) -> str:
    """The interval of a difference; of one seed beside others of several, with a word on how little it says."""
    bounds, is_alone = interval_text(row.deltas[key], table.comparisons), row.deltas[key].n_seeds == 1
    # Where all have one seed the last sentence says it of all.
    if bounds and is_alone and any(other.deltas[key].knows_seeds for other in table.rows):
        return f"{bounds} (one seed, so over images alone)"
    return bounds


def _count(count: int, noun: str, plural: str = "s") -> str:
    return f"{count} {noun}{'' if count == 1 else plural}"


def _first(names: Sequence[str]) -> str:
    """The first three, and how many more."""
    more = len(names) - _MOST
    return _listed([*names[:_MOST], f"{more} more"] if more > 0 else names)


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
