"""The verdict for the sweep's page in MLflow, with the command that wrote it."""

import shlex

from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import GAIN, Sweep
from fnmask.compare.verdict import verdict


def verdict_note(sweep: Sweep, table: ComparisonTable) -> str:
    """The three sentences in Markdown, the command behind them, and where the whole comparison is.

    Args:
        sweep: what was compared.
        table: the main one.
    """
    words = ["fnmask", "compare"]
    for study in (sweep.record.tag("study") or sweep.record.name, *sweep.others):
        words += ["--sweep", study]
    if sweep.where:
        words += ["--where", sweep.where]
    if table.split != sweep.splits[0]:
        words += ["--split", table.split]
    if sweep.metric != GAIN:
        words += ["--metric", sweep.metric]
    if sweep.against:
        words += ["--baseline", sweep.against]
    words += sweep.experiment_words
    # Two backticks: a filter has single ones.
    source = f"Written by ``{shlex.join(words)}``; all of it is in `compare/report.html` under *Artifacts*."
    return "\n\n".join([*(_plain(sentence) for sentence in verdict(sweep, table)), source])


def _plain(sentence: str) -> str:
    """A sentence whose names Markdown leaves as they are, such as `ignore_fn_road`."""
    for sign in "\\`*_[]<":
        sentence = sentence.replace(sign, f"\\{sign}")
    return sentence
