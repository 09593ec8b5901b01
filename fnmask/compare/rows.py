"""The comparison as plain values: rows of readings and differences, under named columns."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fnmask.compare.columns import OVERALL_COLUMNS, TARGET_COLUMNS, class_columns
from fnmask.compare.differences import Difference
from fnmask.compare.frontier import Curve
from fnmask.compare.runs import GAIN, Loss

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
        runs: ids of its trials, the lowest seed first: what predicts, is exported, or is repeated.
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
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ComparisonTable:
    """All variants on one split.

    Attributes:
        split: `"test"` or `"val"`.
        class_names: C names.
        rows: plain first, then the class down-weight control, then by the metric.
        comparisons: how many measured differences are shown beside each other: what its intervals are corrected for.
        frontiers: by target, what the plain control reaches with other thresholds.
        left_out: variants that are not shown, in the same order: means, without intervals.
        metric: key of the column that variants are ranked by.
    """

    split: str
    class_names: tuple[str, ...]
    rows: tuple[Row, ...]
    comparisons: int = 1
    frontiers: Mapping[str, Curve] = field(default_factory=dict)
    left_out: tuple[Row, ...] = ()
    metric: str = GAIN

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
