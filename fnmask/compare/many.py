"""Sweeps of thousands of trials: which variants a page shows, and matrices that are read when they are asked for.

A page shows all variants of an ordinary sweep. Of more than `MOST_SHOWN` it shows forty: the controls, the front, and
those that do best by the metric; the rest have their numbers in the CSV files, without intervals. Chosen among many,
the best look better than they are: so what is shown is corrected for the differences of all variants, shown or not.
The noise over seeds is estimated from those that are shown, which the choice leaves as it is: it goes by means, and
mean and variance of normal readings are independent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.ranking import front
from fnmask.compare.runs import Sweep
from fnmask.compare.table import brief_rows
from fnmask.tracking.artifacts import confusion_name, unpack_confusion
from fnmask.tracking.mlflow_store import MlflowStore

MOST_SHOWN = 100
# Of more than that; front and controls can be more than these.
SHOWN_OF_MORE = 40
# Trials whose matrices are held at once; of more, only their sums.
MOST_HELD = 500


@dataclass(frozen=True)
class OnDemand(Mapping[str, NDArray[np.int64]]):
    """Matrices `(N, C, C)` of one run by split, read from its files whenever they are asked for.

    Attributes:
        store: holds the files.
        run_id: of the run.
        splits: that it has.
    """

    store: MlflowStore
    run_id: str
    splits: tuple[str, ...]

    def __getitem__(self, split: str) -> NDArray[np.int64]:
        if split not in self.splits:
            raise KeyError(split)
        return unpack_confusion(self.store.read_artifact(self.run_id, confusion_name(split)))[0]

    def __contains__(self, split: object) -> bool:
        return split in self.splits

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)


def choose_variants(
    sweep: Sweep, split: str, *, most: int = MOST_SHOWN, of_more: int = SHOWN_OF_MORE
) -> frozenset[str] | None:
    """The variants that a page shows.

    Args:
        sweep: what is compared.
        split: whose numbers decide.
        most: variants of which all are shown.
        of_more: shown of more than those, unless controls and front alone are more.

    Returns:
        Names; None for all.
    """
    if len({trial.variant for trial in sweep.trials}) <= most:
        return None
    rows = brief_rows(sweep, split)
    # The plain one is no control while others are compared with another variant, and stays to be seen.
    plain = {trial.variant for trial in sweep.plain_controls.values()}
    must = {row.variant for row in rows if row.control} | plain | front(rows)
    best = [row.variant for row in rows if row.variant not in must]
    return frozenset({*must, *best[: max(0, of_more - len(must))]})
