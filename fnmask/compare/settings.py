"""What a search has varied: the settings of each variant as values that can be ranked or grouped."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import Sweep

# Of where a run lies, when it ran and on what; seeds are averaged.
_NOT_SETTINGS = ("lineage.", "study.", "tracking.", "hydra.", "seed", "root", "dataset.root", "decision")
_TARGET = "._target_"
ABSENT = "–"  # noqa: RUF001 - as where a value is missing

Value = float | str


@dataclass(frozen=True)
class Settings:
    """The variants of a search, with what was varied.

    Attributes:
        rows: n variants with a gain, without plain and moved thresholds, which have no settings of a mask.
        values: by setting, n numbers, or n texts where not all have a number.
    """

    rows: tuple[Row, ...]
    values: Mapping[str, tuple[Value, ...]]


def settings_of(sweep: Sweep, table: ComparisonTable) -> Settings:
    """The settings that differ between variants; `loss`, `weighting` and so on are called by their functions' names."""
    params = {trial.variant: trial.params for trial in sweep.all_trials}
    every = (*table.rows, *table.left_out)
    masked = (row for row in every if row.loss not in ("plain", "threshold") and row.variant in params)
    rows = tuple(row for row in masked if not math.isnan(row.values["others_gain"].mean))
    keys = dict.fromkeys(key for row in rows for key in params[row.variant] if not key.startswith(_NOT_SETTINGS))
    found: dict[str, tuple[Value, ...]] = {}
    for key in keys:
        texts = [params[row.variant].get(key, ABSENT) for row in rows]
        if len(set(texts)) > 1:
            found[key.removesuffix(_TARGET)] = _values(
                [text.rpartition(".")[2] for text in texts] if key.endswith(_TARGET) else texts
            )
    return Settings(rows, found)


def _values(texts: Sequence[str]) -> tuple[Value, ...]:
    """Numbers where every text is one that has a place on an axis; a class may be called `inf` or `nan`."""
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        return tuple(texts)
    return numbers if all(map(math.isfinite, numbers)) else tuple(texts)
