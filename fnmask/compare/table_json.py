"""The comparison as JSON: every number of the page, for programs. The keys are told in `docs/compare.md`."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fnmask.compare.curves import VariantCurves
from fnmask.compare.differences import Difference
from fnmask.compare.rows import DIFFERENCE_COLUMNS, VALUE_COLUMNS, ComparisonTable, Row
from fnmask.compare.runs import Sweep
from fnmask.compare.verdict import verdict
from fnmask.compare.wording import explanation, standing

FORMAT = 1


def comparison_json(
    sweep: Sweep,
    tables: Mapping[str, ComparisonTable],
    facts: Mapping[str, str],
    curves: Sequence[VariantCurves] = (),
) -> str:
    """The comparison; what is not defined is null.

    Args:
        sweep: what was compared.
        tables: by split, the main one first.
        facts: what a reader needs to judge or repeat it.
        curves: of the variants that are shown over their epochs.
    """
    main = next(iter(tables.values()))
    content = {
        "format": FORMAT,
        "study": sweep.study,
        "compared_with": sweep.compared_with,
        "ranked_by": sweep.metric,
        "classes": list(sweep.class_names),
        "verdict": list(verdict(sweep, main)),
        "notes": list(sweep.notes),
        "facts": dict(facts),
        "tables": {split: _table(sweep, table) for split, table in tables.items()},
        "curves": {one.variant: {title: list(seeds) for title, seeds in one.panels.items()} for one in curves},
    }
    return json.dumps(_known(content), indent=1, ensure_ascii=False) + "\n"


def _table(sweep: Sweep, table: ComparisonTable) -> dict[str, Any]:
    return {
        "explanation": explanation(sweep, table),
        "comparisons": table.comparisons,
        "columns": table.columns,
        "rows": [_row(table, row) for row in table.rows],
        # Of thousands, means alone.
        "left_out": [
            {"variant": row.variant, "seeds": list(row.seeds), "runs": list(row.runs)}
            | {key: of.mean for key, of in row.values.items()}
            for row in table.left_out
        ],
        "frontiers": {
            target: {"log_odds": curve.log_odds.tolist(), "points": curve.points.tolist()}
            for target, curve in table.frontiers.items()
        },
    }


def _row(table: ComparisonTable, row: Row) -> dict[str, Any]:
    return {
        "variant": row.variant,
        "control": row.control,
        "loss": row.loss,
        "targets": list(row.targets),
        "seeds": list(row.seeds),
        "runs": list(row.runs),
        "on_front": row.on_front,
        "values": {
            key: {"mean": of.mean, "lowest": of.low, "highest": of.high, "seeds": of.count}
            for key, of in row.values.items()
            if key not in DIFFERENCE_COLUMNS
        },
        "differences": {key: _difference(table, row, key) for key in table.columns if key not in VALUE_COLUMNS},
    }


def _difference(table: ComparisonTable, row: Row, key: str) -> dict[str, Any]:
    own: Difference = row.deltas[key]
    interval = list(own.interval(table.comparisons)) if own.is_measured and row.control != "plain" else None
    told = {"mean": own.mean, "interval": interval, "seeds": own.n_seeds, "stands_out": table.stands_out(row, key)}
    return told | ({"standing": standing(table, row, key)} if key.startswith("frontier_") else {})


def _known(value: Any) -> Any:
    """Numbers that are none, and infinite ones, as null: JSON has neither."""
    if isinstance(value, Mapping):
        return {str(key): _known(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_known(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
