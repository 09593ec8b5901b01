"""From a sweep in the store to the files of its comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fnmask.compare.curves import load_curves
from fnmask.compare.loading import load_sweep
from fnmask.compare.report import build_report
from fnmask.compare.runs import Sweep
from fnmask.compare.table import ComparisonTable, build_table
from fnmask.compare.table_csv import table_csv
from fnmask.compare.terminal import comparison_text
from fnmask.tracking.mlflow_store import MlflowStore

TEXT_WIDTH = 100


@dataclass(frozen=True)
class Comparison:
    """A comparison that has been written.

    Attributes:
        sweep: what was compared.
        tables: by split, the main one first.
        table: the main table as plain text, 100 columns wide.
        paths: files written, by name: `report.html`, `table.txt` and `<split>.csv`.
    """

    sweep: Sweep
    tables: Mapping[str, ComparisonTable]
    table: str
    paths: Mapping[str, Path]

    @property
    def main(self) -> ComparisonTable:
        """The table of the main split."""
        return next(iter(self.tables.values()))

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.paths["report.html"]


def write_comparison(
    store: MlflowStore,
    sweeps: Sequence[str],
    output_dir: Path,
    *,
    where: str = "",
    split: str | None = None,
    attach: bool = True,
) -> Comparison:
    """Compare the variants of a sweep, or of several; write page, CSV files and text, and attach them to its run.

    Args:
        store: holds the runs.
        sweeps: study names, run ids or the beginnings of some; none for the newest sweep. The files are attached to
            the first one.
        output_dir: folder for the files, made when missing; files of an earlier call are replaced.
        where: which trials count, as a filter of MLflow's search; their controls count in any case.
        split: the main split, `"test"` or `"val"`; None for test when the trials have it, else val.
        attach: also keep the files with the sweep's run, under `compare/`.

    Returns:
        The tables and where the files lie.

    Raises:
        SweepNotFoundError: no such sweep, or it has no finished trial.
        ValueError: the trials cannot be compared, or do not have the split; or `where` is no filter.
    """
    loaded = load_sweep(store, *sweeps, where=where)
    if split is not None and split not in loaded.splits:
        raise ValueError(
            f"Sweep {loaded.study!r} has no confusion matrices for the split {split!r}. It has: "
            f"{', '.join(loaded.splits)}."
        )
    order = sorted(loaded.splits, key=lambda name: name != split)
    tables = _corrected_together({name: build_table(loaded, name) for name in order})
    text = comparison_text(loaded, tables[order[0]], width=TEXT_WIDTH)
    contents = {
        "report.html": build_report(loaded, tables, load_curves(store, loaded, tables[order[0]])),
        "table.txt": text,
    }
    contents |= {f"{name}.csv": table_csv(table) for name, table in tables.items()}
    output_dir.mkdir(parents=True, exist_ok=True)
    paths = {name: output_dir / name for name in contents}
    for name, content in contents.items():
        paths[name].write_text(content, encoding="utf-8", newline="\n")
    if attach:
        store.attach(loaded.record.run_id, {f"compare/{name}": path.read_bytes() for name, path in paths.items()})
    return Comparison(loaded, tables, text, paths)


def _corrected_together(tables: Mapping[str, ComparisonTable]) -> dict[str, ComparisonTable]:
    """The tables of one page, which all together are to raise no false alarm in 95 of 100 pages."""
    total = sum(table.comparisons for table in tables.values())
    return {name: replace(table, comparisons=total) for name, table in tables.items()}
