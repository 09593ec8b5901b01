"""Cells of the Markdown tables that a benchmark prints."""

from collections.abc import Sequence

from benchmarks.timing import Ratio

NOTHING = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, its first column to the left and the others to the right."""
    lines = [header, ["---", *(["---:"] * (len(header) - 1))], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def spread(ratio: Ratio | None) -> str:
    """A ratio with its quartiles, and with the number of rounds where it is small."""
    if ratio is None:
        return NOTHING
    few = f", {ratio.rounds} rounds" if ratio.rounds < 10 else ""
    return f"**{ratio.median:.2f}** [{ratio.low:.2f}, {ratio.high:.2f}{few}]"


def target(most: float | None, ratio: Ratio, *, of: str = "") -> tuple[str, str]:
    """The share that a contestant may cost, and whether it does."""
    if most is None:
        return NOTHING, NOTHING
    verdict = "yes" if ratio.median <= most else "**no**"
    return f"≤ {most:g}{of}", f"{verdict} ({ratio.median:.2f})"


def mebibytes(count: int | None) -> str:
    """Bytes as MiB."""
    return NOTHING if count is None else f"{count / 2**20:.0f}"
