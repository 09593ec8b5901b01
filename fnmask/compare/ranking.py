"""Which variants no other one beats, and in which order they stand."""

import math
from collections.abc import Sequence
from dataclasses import replace

from fnmask.compare.rows import Row
from fnmask.compare.runs import LESS_IS_BETTER

_CONTROL_ORDER = {"plain": 0, "class_downweight": 1, "": 2}


def mark_front(rows: Sequence[Row]) -> list[Row]:
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


def row_order(row: Row, metric: str) -> tuple[int, float, str]:
    """Controls first, then the best by a reading; rows without it last."""
    value = row.values[metric].mean
    rank = math.inf if math.isnan(value) else value if metric in LESS_IS_BETTER else -value
    return _CONTROL_ORDER.get(row.control, 2), rank, row.variant


def front(rows: Sequence[Row]) -> set[str]:
    """The variants that neither plain nor another one of the same targets beats in both, cost and gain; ties stay."""
    found: set[str] = set()
    has_plain = any(row.control == "plain" for row in rows)
    for targets in {frozenset(row.targets) for row in rows}:
        own = [row for row in rows if frozenset(row.targets) == targets and row.control != "plain"]
        points = {row.variant: (row.deltas["target_cost"].mean, row.deltas["others_gain"].mean) for row in own}
        best = -math.inf
        # The cheapest first, of equal ones the best: whoever does not win more than all before is beaten by one.
        ranked = sorted(
            (cost, -gain, name)
            for name, (cost, gain) in points.items()
            if cost == cost and gain == gain and not (has_plain and cost >= 0 >= gain and (cost, gain) != (0, 0))
        )
        last = (math.nan, math.nan)
        for cost, loss, name in ranked:
            if -loss > best or (cost, loss) == last:
                found.add(name)
                best, last = max(best, -loss), (cost, loss)
    return found
