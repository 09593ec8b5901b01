"""Whether a cost that grows is a straight line, and where it bends; from seconds that are measured elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

# An interval bends whose cost is more than so many times that of the first.
BEND = 1.1


@dataclass(frozen=True)
class Interval:
    """What one more of something costs between two values, by round."""

    label: str
    costs: Sequence[float]

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """The median between the other two."""
        low, _, high = quantiles(self.costs, n=4, method="inclusive") if len(self.costs) > 1 else [*self.costs] * 3
        return low, median(self.costs), high

    def bends_from(self, first: "Interval") -> bool | None:
        """Whether it costs more than `BEND` times the first; None: its median does, but by less than rounds differ."""
        (low, middle, _), (_, usual, most) = self.quartiles, first.quartiles
        if middle <= BEND * max(usual, 0.0):
            return False
        return True if low > BEND * max(most, 0.0) else None


def last_over_first(intervals: Sequence[Interval]) -> float | None:
    """The cost of the last interval over that of the first, by their medians; None where the first costs nothing."""
    first, last = intervals[0].quartiles[1], intervals[-1].quartiles[1]
    return last / first if first > 0 else None


def describe_bends(columns: Mapping[str, Sequence[Interval]]) -> str:
    """Which column bends first, which others do, and of which it cannot be told."""
    certain: list[tuple[int, str]] = []
    unsure = []
    for name, intervals in columns.items():
        verdicts = [interval.bends_from(intervals[0]) for interval in intervals[1:]]
        if True in verdicts:
            certain.append((verdicts.index(True) + 1, name))
        elif None in verdicts:
            unsure.append(name)
    told = []
    for place, name in sorted(certain, key=lambda each: each[0]):
        ratio = last_over_first(columns[name][: place + 1])
        by = "the first cost nothing" if ratio is None else f"{ratio:.2f} times the first"
        told.append(f"{name}, {columns[name][place].label} ({by})")
    text = f"**First to bend: {told[0]}.**" if told else "**None bends.**"
    text += f" Then: {'; '.join(told[1:])}." if told[1:] else ""
    return text + (f" Maybe, by less than the rounds differ: {', '.join(unsure)}." if unsure else "")
