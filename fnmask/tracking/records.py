"""What a tracking store hands out: a run read back, and the data sets that it used."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


class NotFoundError(LookupError):
    """The store has not what was asked for, in words for a person."""


class SweepNotFoundError(NotFoundError):
    """There is no sweep, none of the given name, or nothing left of it to read."""


class RunNotFoundError(NotFoundError):
    """There is no run of the given id, or several begin with it."""


class ExperimentNotFoundError(NotFoundError):
    """There is no experiment of the given name."""


@dataclass(frozen=True)
class DatasetRecord:
    """One split of a data set that a run used.

    Attributes:
        name: of the data set, such as `"camvid"`.
        digest: hexadecimal hash of its content.
        context: `"train"`, `"val"` or `"test"`.
        source: folder or generator that it came from.
        n_images: number of images in the split.
    """

    name: str
    digest: str
    context: str
    source: str
    n_images: int


@dataclass(frozen=True)
class RunRecord:
    """A run as the store holds it.

    Attributes:
        run_id: the store's own id.
        name: shown in the list of runs.
        status: `RUNNING`, `FINISHED`, `FAILED` or `KILLED`.
        tags: without the store's own tags.
        params: the resolved configuration, flattened with dots.
        metrics: last value of every metric.
        start_ms: milliseconds since 1970.
        end_ms: the same, or None while the run is open.
        datasets: the splits that it used.
    """

    run_id: str
    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    start_ms: int
    end_ms: int | None
    datasets: tuple[DatasetRecord, ...] = ()

    def tag(self, name: str) -> str:
        """The tag `fnmask.<name>`, or `""` when the run lacks it."""
        return self.tags.get(f"fnmask.{name}", "")

    @property
    def trial(self) -> int | None:
        """The trial number, or None when the run is not a trial of a sweep."""
        text = self.tag("trial")
        return int(text) if text.isdigit() else None


def flatten_params(params: Mapping[str, object]) -> dict[str, str]:
    """Nested settings as flat texts: `{"loss": {"alpha": 0.5}}` becomes `{"loss.alpha": "0.5"}`.

    Args:
        params: nested or already flat mapping of plain values (numbers, texts, None, lists, mappings).

    Returns:
        Keys joined with dots; None, booleans and lists are written as JSON; characters that a store refuses in a
        name become `_`.

    Example:
        >>> flatten_params({"loss": {"alpha": 0.5, "target": ["road"]}, "seed": None})
        {'loss.alpha': '0.5', 'loss.target': '["road"]', 'seed': 'null'}
    """
    return {re.sub(r"[^\w\-. /:]", "_", key): _text(value) for key, value in _leaves("", params)}


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """Every leaf with its dotted key; an empty mapping is a leaf."""
    if not isinstance(value, Mapping) or (prefix and not value):
        yield prefix, value
        return
    for key, child in value.items():
        yield from _leaves(f"{prefix}.{key}" if prefix else str(key), child)


def _text(value: object) -> str:
    """Texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def quote_for_filter(value: str) -> str:
    """A text as the filters of a store's search take it.

    Raises:
        ValueError: the text holds both kinds of quotation mark.
    """
    if "'" in value and '"' in value:
        raise ValueError(f"{value!r} holds both kinds of quotation mark; a search can take only one. Rename it.")
    return f'"{value}"' if "'" in value else f"'{value}'"
