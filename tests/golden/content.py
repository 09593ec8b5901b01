"""A whole page of a comparison as numbers and texts by name: tables, sentences, what the pictures are drawn from."""

import base64
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np

from fnmask.compare.comparison import write_comparison
from fnmask.compare.differences import Difference
from fnmask.compare.rows import ComparisonTable, Row
from fnmask.compare.verdict import verdict
from fnmask.tracking.mlflow_store import MlflowStore

# Of a picture's traces: what is drawn, not how.
_DRAWN = ("x", "y", "z", "text", "customdata", "name", "error_x", "error_y")

Content = dict[str, Any]


def save(content: Content, path: Path) -> None:
    """Write a page as a tree, a line for each of its parts: names that begin alike are written once."""
    tree: dict[str, Any] = {}
    for place, value in content.items():
        *above, last = place.split("/")
        node = tree
        for part in above:
            node = node.setdefault(part, {})
        node[last] = float(f"{value:.12g}") if isinstance(value, float) else value
    path.write_text(_lines(tree, depth=3) + "\n", encoding="utf-8")


def load(path: Path) -> Content:
    """Read what `save` wrote."""
    return dict(_leaves("", json.loads(path.read_text(encoding="utf-8"))))


def _lines(node: Any, depth: int) -> str:
    if not depth or not isinstance(node, dict):
        return json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    inner = ",\n".join(f"{json.dumps(key, ensure_ascii=False)}:{_lines(own, depth - 1)}" for key, own in node.items())
    return "{\n" + inner + "\n}"


def page_content(root: Path) -> Content:
    """Everything that the comparison of a store's newest sweep says, by the name of its place.

    Args:
        root: project with the store; the page is written below it.
    """
    written = write_comparison(MlflowStore(root, "fnmask", create=False), [], root / "page", attach=False)
    page = written.report.read_text(encoding="utf-8")
    found: Content = {"outcomes": json.dumps(written.sweep.outcomes), "trials": len(written.sweep.trials)}
    for index, sentence in enumerate(verdict(written.sweep, written.main)):
        found[f"verdict/{index}"] = sentence
    for split, table in written.tables.items():
        found |= {f"table/{split}/{name}": value for name, value in _of_table(table).items()}
    facts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    found |= {f"facts/{unescape(name)}": unescape(text) for name, text in facts}
    for name, figure in _figures(page).items():
        for number, trace in enumerate(figure["data"]):
            drawn = {key: trace[key] for key in _DRAWN if key in trace}
            found |= {f"figure/{name}/{number}/{place}": value for place, value in _leaves("", drawn)}
    return found


def _of_table(table: ComparisonTable) -> Content:
    found: Content = {"comparisons": table.comparisons, "order": " | ".join(row.variant for row in table.rows)}
    for target, curve in table.frontiers.items():
        found |= {f"frontier/{target}/{place}": value for place, value in _leaves("", curve.points.tolist())}
    for row in table.rows:
        found |= {f"{row.variant}/{name}": value for name, value in _of_row(row, table.comparisons).items()}
    return found


def _of_row(row: Row, comparisons: int) -> Content:
    found: Content = {
        "control": row.control,
        "loss": row.loss,
        "on_front": row.on_front,
        "targets": " ".join(row.targets),
        "seeds": " ".join(row.seeds),
    }
    for key, spread in row.values.items():
        parts = {"mean": spread.mean, "low": spread.low, "high": spread.high, "count": spread.count}
        found |= {f"value/{key}/{name}": value for name, value in parts.items()}
    for key, delta in row.deltas.items():
        found |= {f"delta/{key}/{name}": value for name, value in _of_difference(delta, comparisons).items()}
    return found


def _of_difference(delta: Difference, comparisons: int) -> Content:
    found: Content = {"mean": delta.mean, "n_seeds": delta.n_seeds}
    if delta.is_measured:
        low, high = delta.interval(comparisons)
        found |= {"alone": delta.half_width(), "page_low": low, "page_high": high}
    return found


def _figures(page: str) -> dict[str, Any]:
    """The pictures that the page carries, as its script reads them."""
    found = re.search(r'<script[^>]*id="figures"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found, "the page has no figures"
    figures: dict[str, Any] = json.loads(found[1])
    return figures


def _leaves(place: str, value: Any) -> list[tuple[str, Any]]:
    """Numbers and texts by their place."""
    if isinstance(value, dict) and "bdata" in value:  # plotly's way to write arrays
        numbers = np.frombuffer(base64.b64decode(value["bdata"]), np.dtype(value["dtype"]))
        return _leaves(place, numbers.tolist())
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(str(index), one) for index, one in enumerate(value)]
    else:
        return [(place, value)]
    return [leaf for key, own in pairs for leaf in _leaves(f"{place}/{key}" if place else key, own)]
