"""A report as text: findings first, then the splits side by side."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fnmask.check.report import CheckReport, finding_text

_STYLES = {"error": "bold red", "warning": "yellow", "hint": "cyan"}
# Of more classes the table is on the page and in the JSON file.
_MOST_CLASSES = 60


def print_report(report: CheckReport, console: Console) -> None:
    """Print a report; in colors where the console has them."""
    digest = f", digest {report.digest[:12]}" if report.digest else ""
    console.print(f"Data set {report.name}{digest}: {report.summary()}\n", markup=False, highlight=False)
    for finding in report.findings:
        head = Text(f"{finding.severity:8}", _STYLES[finding.severity])
        # A hanging indent: a grid wraps each cell for itself.
        row = Table.grid(padding=(0, 1))
        row.add_row(head, Text(finding_text(finding)))
        console.print(row)
    if report.splits:
        console.print()
        console.print(_table(report))


def _table(report: CheckReport) -> Table:
    """Class shares of every split, and in how many images a class is."""
    table = Table(title="Share of labeled pixels in %, and images with the class", title_justify="left", box=None)
    table.add_column("class")
    for split in report.splits:
        table.add_column(split, justify="right")
        table.add_column("in", justify="right", style="dim")
    for label, name in enumerate(report.class_names[:_MOST_CLASSES]):
        cells = [
            text
            for own in report.splits.values()
            for text in (f"{100 * own.class_share(label):.2f}", str(own.images_with[label]))
        ]
        table.add_row(Text(name), *cells)
    if len(report.class_names) > _MOST_CLASSES:
        table.add_row(f"... and {len(report.class_names) - _MOST_CLASSES} more classes")
    splits = report.splits.values()
    for title, texts in (
        ("void, of all", [f"{100 * own.void_share:.2f}" for own in splits]),
        ("images", [str(own.images) for own in splits]),
        ("smallest, px", ["x".join(map(str, own.smallest)) for own in splits]),
        ("largest, px", ["x".join(map(str, own.largest)) for own in splits]),
    ):
        table.add_row(title, *(cell for text in texts for cell in (text, "")))
    return table
