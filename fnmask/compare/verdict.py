"""Three sentences for a mail: what was compared, what wins under which preference, and how sure that is."""

import math
from collections.abc import Sequence

from fnmask.compare.runs import Sweep
from fnmask.compare.table import ComparisonTable, Row
from fnmask.compare.wording import interval_text, percent, seeds_text, signed

# Points of target IoU that "at next to no cost" allows.
_LITTLE = 1.0


def verdict(sweep: Sweep, table: ComparisonTable) -> tuple[str, str, str]:
    """The sentences, claiming no more than the table shows."""
    return _compared(sweep, table), _winners(table), _certainty(table)


def _compared(sweep: Sweep, table: ComparisonTable) -> str:
    """What was compared."""
    masked = sum(row.loss == "mask" for row in table.rows)
    others = sum(row.loss == "downweight" for row in table.rows)
    targets = list(dict.fromkeys(name for row in table.rows for name in row.targets))
    rivals = f" and {_count(others, 'class down-weighting')}" if others else ""
    n_images = len(sweep.trials[0].matrices[table.split])
    data = ", ".join(dict.fromkeys(dataset.name for dataset in sweep.datasets))
    seeds = {seed for row in table.rows for seed in row.seeds}
    return (
        f"{_count(masked, 'masked loss', 'es')}{rivals} for {_listed(targets) or 'no class'} against the plain "
        f"control, {seeds_text(len(seeds))}, {n_images} {table.split} images{' of ' + data if data else ''}."
    )


def _winners(table: ComparisonTable) -> str:
    """What wins for whom the target does not matter, and for whom it does."""
    rated = [row for row in table.rows if row.control != "plain" and not math.isnan(row.deltas["others_gain"].mean)]
    masked = [row for row in rated if row.loss == "mask"]
    if not masked:
        return "There is no masked variant to compare with the plain control yet."
    best = max(masked, key=_gain)
    parts = [f"If misses of the target do not matter, {_traded(best, table)}"]
    cheap = [row for row in masked if row.deltas["target_cost"].mean <= _LITTLE]
    if round(_gain(best), 1) <= 0:
        parts = [f"No mask wins anything for the other classes: {_traded(best, table, verb='does best with')}"]
    elif not cheap:
        parts.append(f"if the target may lose at most {_LITTLE:.0f} point, no mask does")
    elif best in cheap:
        parts[0] = f"Whether or not misses of the target matter, {_traded(best, table)}"
    else:
        parts.append(f"if the target may lose at most {_LITTLE:.0f} point, {_traded(max(cheap, key=_gain), table)}")
    # Like with like: what another target costs and buys says nothing about this one.
    rivals = [row for row in rated if row.loss == "downweight" and set(row.targets) == set(best.targets)]
    if rivals:
        rival = max(rivals, key=_gain)
        # As the numbers are printed: what looks equal is called so.
        ahead = round(_gain(rival), 1) - round(_gain(best), 1)
        word = "more than" if ahead > 0 else "less than" if ahead < 0 else "as much as"
        parts.append(f"simply weighting the class down, {_traded(rival, table, verb='gives')}: {word} the first")
    return "; ".join(parts) + "." + _against_threshold(table, masked)


def _against_threshold(table: ComparisonTable, masked: Sequence[Row]) -> str:
    """Whether training with a mask reaches more than the plain network with another threshold; empty if unknown."""
    told = [row for row in masked if row.deltas["frontier_iou"].is_measured]
    if not told:
        return ""
    beyond = [row.variant for row in told if table.stands_out(row, "frontier_iou")
              and row.deltas["frontier_iou"].mean > 0]  # fmt: skip
    if beyond:
        return f" Beyond what a threshold moved afterwards on the plain network reaches: {_listed(beyond[:3])}."
    best = max(told, key=lambda row: row.deltas["frontier_iou"].mean)
    distance = best.deltas["frontier_iou"]
    return (
        " No mask is shown to reach more than the plain network does with a threshold moved afterwards; the nearest to "
        f"it is {best.variant}, {signed(distance.mean)} points {interval_text(distance, table.comparisons)}."
    )


def _certainty(table: ComparisonTable) -> str:
    """How sure it is, by intervals that hold for the whole table at once."""
    told = [(row, key) for row in table.rows if row.control != "plain" for key in _measured(row)]
    if not told:
        return "Nothing can be said about chance: no variant has a plain control to be compared with."
    seeds = sorted({row.deltas[key].n_seeds for row, key in told})
    if seeds[-1] == 1:
        return (
            "With one seed nothing here is settled: the intervals are over images only, and another training may "
            "differ by more; run the sweep with at least three, such as study.seeds=3."
        )
    out = [(row, key) for row, key in told if table.stands_out(row, key)]
    gains = [row.deltas["others_gain"] for row in table.rows if row.control != "plain"]
    widths = sorted(gain.half_width(table.comparisons) for gain in gains if gain.n_seeds > 1 and gain.is_measured)
    least = (
        f"a gain of the other classes would have to exceed {percent(widths[len(widths) // 2])} points" if widths else ""
    )
    how = f"95 % intervals over {_listed([str(count) for count in seeds])} seeds and the images, corrected for all "
    how += f"{table.comparisons} differences of the page (Bonferroni)"
    if not out:
        return f"Nothing is significant by {how}{': ' + least if least else ''}."
    rows = list(dict.fromkeys(row.variant for row, _ in out))
    sure = [row.variant for row in table.rows if table.stands_out(row, "others_gain") and _gain(row) > 0]
    which = f"among them the gain of {_listed(sure[:3])}{' and others' if len(sure) > 3 else ''}"
    if not sure:
        which = f"none of them is a gain of the other classes{': ' + least if least else ''}"
    return f"{len(out)} differences of {_count(len(rows), 'variant')} are significant by {how}; {which}."


def _measured(row: Row) -> list[str]:
    return [key for key, delta in row.deltas.items() if delta.is_measured and key not in ("target_cost", "others_gain")]


def _gain(row: Row) -> float:
    return row.deltas["others_gain"].mean


def _traded(row: Row, table: ComparisonTable, *, verb: str = "wins most:") -> str:
    """A variant with its trade-off and the interval of its gain."""
    gain, cost = row.deltas["others_gain"], row.deltas["target_cost"]
    bounds = interval_text(gain, table.comparisons)
    paid = f"at a target cost of {percent(cost.mean)}"
    if cost.mean < 0:
        paid = f"and {signed(-cost.mean)} for the target itself"
    gained = f"{signed(gain.mean)} points of IoU for the other classes{' ' + bounds if bounds else ''}"
    return f"{row.variant} {verb} {gained} {paid}"


def _count(count: int, noun: str, plural: str = "s") -> str:
    return f"{count} {noun}{'' if count == 1 else plural}"


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))
