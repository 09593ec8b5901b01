"""From a sweep in the store to the files of its comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fnmask.compare.asked import compared_with, judged_by
from fnmask.compare.curves import load_curves
from fnmask.compare.images import NoImagesError, write_images
from fnmask.compare.loading import load_sweep
from fnmask.compare.many import choose_variants
from fnmask.compare.pictures import load_pictures
from fnmask.compare.report import build_report, facts_of
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import GAIN, Sweep
from fnmask.compare.table import build_table
from fnmask.compare.table_csv import table_csv
from fnmask.compare.table_json import comparison_json
from fnmask.compare.table_markdown import comparison_markdown
from fnmask.compare.terminal import comparison_text
from fnmask.compare.verdict_note import verdict_note
from fnmask.tracking.mlflow_store import MlflowStore

TEXT_WIDTH = 100


@dataclass(frozen=True)
class Comparison:
    """A comparison that has been written.

    Attributes:
        sweep: what was compared.
        tables: by split, the main one first.
        table: the main table as plain text, 100 columns wide.
        paths: files written, by name: `report.html`, `report.md`, `report.json`, `table.txt`, `<split>.csv`, and
            `figures/<name>.<kind>`.
        complaint: why the pictures were not drawn, when they were asked for.
        view_link: where MLflow's page shows the trials, behind its address; None for sweeps of older versions.
    """

    sweep: Sweep
    tables: Mapping[str, ComparisonTable]
    table: str
    paths: Mapping[str, Path]
    view_link: str | None = None
    complaint: str = ""

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
    metric: str = GAIN,
    baseline: str | None = None,
    images: Sequence[str] = (),
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
        metric: key of the column that variants are ranked by; see `fnmask.compare.asked`.
        baseline: the variant, or the control, that differences are taken against; None for the plain control.
        images: kinds of files, `png` and `svg`, that the pictures are drawn as too.
        attach: also keep the files with the sweep's run, under `compare/`.

    Returns:
        The tables and where the files lie.

    Raises:
        SweepNotFoundError: no such sweep, or it has no finished trial.
        ValueError: the trials cannot be compared, or do not have the split; or `where` is no filter, `metric` no
            column, `baseline` no variant.
    """
    loaded = judged_by(load_sweep(store, *sweeps, where=where), metric)
    loaded = compared_with(loaded, baseline) if baseline is not None else loaded
    if split is not None and split not in loaded.splits:
        raise ValueError(
            f"Sweep {loaded.study!r} has no confusion matrices for the split {split!r}. It has: "
            f"{', '.join(loaded.splits)}."
        )
    order = sorted(loaded.splits, key=lambda name: name != split)
    shown = choose_variants(loaded, order[0])
    tables = _corrected_together({name: build_table(loaded, name, shown=shown) for name in order})
    text = comparison_text(loaded, tables[order[0]], width=TEXT_WIDTH)
    curves, facts = load_curves(store, loaded, tables[order[0]]), facts_of(loaded)
    report = build_report(loaded, tables, curves, load_pictures(store, loaded, tables[order[0]]))
    contents = {
        "report.html": report.html,
        "report.md": comparison_markdown(loaded, tables, facts),
        "report.json": comparison_json(loaded, tables, facts, curves),
        "table.txt": text,
    }
    contents |= {f"{name}.csv": table_csv(table) for name, table in tables.items()}
    output_dir.mkdir(parents=True, exist_ok=True)
    paths = {name: output_dir / name for name in contents}
    for name, content in contents.items():
        paths[name].write_text(content, encoding="utf-8", newline="\n")
    complaint = ""
    if images:
        try:
            drawn = write_images(report.figures, output_dir / "figures", images)
            paths |= {f"figures/{path.name}": path for path in drawn}
        except NoImagesError as error:
            complaint = str(error)
    if attach:
        store.attach(loaded.record.run_id, {f"compare/{name}": path.read_bytes() for name, path in paths.items()})
        store.tell_verdict(loaded.record.run_id, verdict_note(loaded, tables[order[0]]))
    return Comparison(loaded, tables, text, paths, store.view_link(loaded.record.run_id), complaint)


def _corrected_together(tables: Mapping[str, ComparisonTable]) -> dict[str, ComparisonTable]:
    """The tables of one page, which all together are to raise no false alarm in 95 of 100 pages."""
    total = sum(table.comparisons for table in tables.values())
    return {name: replace(table, comparisons=total) for name, table in tables.items()}
