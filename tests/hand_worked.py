"""Sweeps made up of matrices that are worked by hand."""

from collections.abc import Mapping

import numpy as np

from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.runs import Loss, Sweep, Trial
from fnmask.compare.table import build_table
from fnmask.tracking.artifacts import ClassList
from fnmask.tracking.records import RunRecord

NAMES = ("land", "road", "car")
# [true, predicted]. IoU: land 80/110, road 40/80, car 40/50; road precision 40/70, recall 40/50.
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
# IoU: land 95/120, road 30/55, car 50/50; road precision 30/35, recall 30/50.
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]
# IoU: land 90/130, road 20/60, car 50/50.
DOWN = [[90, 10, 0], [30, 20, 0], [0, 0, 50]]
LAND, ROAD, CAR = 8000 / 110, 50.0, 80.0


def trial(
    number: int,
    variant: str,
    matrix: list[list[int]],
    *,
    seed: int = 0,
    control: str = "",
    loss: Loss | None = None,
    targets: tuple[str, ...] = ("road",),
    params: Mapping[str, str] | None = None,
) -> Trial:
    whole = np.array(matrix, dtype=np.int64)
    # Three images that differ, so that there is something to draw from.
    parts = np.stack([whole // 2, whole // 3, whole - whole // 2 - whole // 3])
    matrices = dict.fromkeys(("test", "val"), parts)
    kinds: dict[str, Loss] = {"plain": "plain", "class_downweight": "downweight"}
    kind = loss or kinds.get(control, "mask")
    return Trial(
        run_id=f"{variant}-{seed}-{number}",
        number=number,
        variant=variant,
        control=control,
        loss=kind,
        seed=str(seed),
        targets=targets,
        reference=f"ref{seed}",
        matrices=matrices,
        params=params or {"a": "1"},
        masked_fraction=0.125,
        duration_s=90.0,
    )


def sweep_of(*trials: Trial, class_names: tuple[str, ...] = NAMES) -> Sweep:
    record = RunRecord("run", "s", "FINISHED", {"fnmask.study": "s"}, {}, {}, 0, 1)
    baselines = {one.reference: one for one in trials if one.control == "plain"}
    colors = tuple((20 * index, 80, 200) for index in range(len(class_names)))
    classes = ClassList(class_names, colors, 255)
    return Sweep(record, classes, trials, baselines, {"complete": len(trials)}, ())


def table_of(sweep: Sweep, split: str = "test") -> ComparisonTable:
    """Its table, with few resamples."""
    return build_table(sweep, split, resamples=50)


def rows_by_name(table: ComparisonTable) -> Mapping[str, Row]:
    return {row.variant: row for row in table.rows}
