"""Names and formats of the files that every run keeps: written at the end of a trial, read by the comparison."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.tracking.npz import read_npz

CONFIG = "config.yaml"
DATA_CHECK = "data_check.txt"
CLASSES = "classes.json"
OVERLAYS = "overlays/val.png"
PER_CLASS = "per_class.csv"

MaskEncoding = Literal["ids", "colors"]


def confusion_name(split: str, ending: str = "npz") -> str:
    """Name of a split's confusion matrix: `npz` for counts per image, `csv` and `png` for their sum."""
    return f"confusion/{split}.{ending}"


@dataclass(frozen=True)
class ClassList:
    """The classes of a data set, as a run keeps them.

    Attributes:
        names: C names.
        colors: C colors, red, green, blue in [0, 255].
        ignore_class: label of void pixels, or None.
        mask_encoding: of the set's masks: `ids` as gray levels or palette indices, or `colors` as RGB.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    ignore_class: int | None
    mask_encoding: MaskEncoding = "ids"


def pack_classes(classes: ClassList) -> bytes:
    """The content of `classes.json`."""
    return (json.dumps(asdict(classes), indent=2) + "\n").encode()


def unpack_classes(content: bytes) -> ClassList:
    """Read what `pack_classes` wrote; older versions kept no encoding."""
    raw = json.loads(content)
    colors = tuple((r, g, b) for r, g, b in raw["colors"])
    return ClassList(tuple(raw["names"]), colors, raw["ignore_class"], raw.get("mask_encoding", "ids"))


def pack_confusion(matrices: NDArray[np.int64], ids: Sequence[str]) -> bytes:
    """The content of `confusion/<split>.npz`.

    Args:
        matrices: `(N, C, C)` pixel counts of each image, indexed `[image, true, predicted]`.
        ids: N image ids, in the same order.

    Raises:
        ValueError: the shapes do not fit, or the counts are no integers.
    """
    square = matrices.ndim == 3 and matrices.shape[1] == matrices.shape[2]
    if not square or len(ids) != len(matrices) or not np.issubdtype(matrices.dtype, np.integer):
        raise ValueError(
            f"Got matrices of shape {matrices.shape} and type {matrices.dtype} with {len(ids)} ids; needed integers "
            "(N, C, C) and N ids."
        )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, matrices=matrices.astype(np.int64), ids=np.array(ids, dtype=np.str_))
    return buffer.getvalue()


def frontier_name(split: str) -> str:
    """Name of what every threshold on a plain model's logits would have given on a split."""
    return f"frontier/{split}.npz"


@dataclass(frozen=True)
class FrontierFile:
    """The content of `frontier/<split>.npz`.

    Attributes:
        log_odds: T thresholds on the difference between a target's logit and the best other one.
        targets: K classes whose threshold moves, each by itself.
        hits, predicted: found pixels, and pixels called so, of each class: integers `(K, N, T, C)`.
    """

    log_odds: NDArray[np.float64]
    targets: tuple[int, ...]
    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]


def pack_frontier(frontier: FrontierFile) -> bytes:
    """The content of `frontier/<split>.npz`. A count of one image's pixels fits 32 bits."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        log_odds=frontier.log_odds,
        targets=np.array(frontier.targets, dtype=np.int64),
        hits=frontier.hits.astype(np.int32),
        predicted=frontier.predicted.astype(np.int32),
    )
    return buffer.getvalue()


def unpack_frontier(content: bytes, targets: Sequence[int] | None = None) -> FrontierFile:
    """Read what `pack_frontier` wrote.

    Args:
        content: of the file.
        targets: those that are wanted, of those that there are; None for all. Hundreds of images take megabytes each.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        kept = arrays["targets"].tolist()
        places = [place for place, target in enumerate(kept) if targets is None or target in targets]
        hits, predicted = (arrays[name][places].astype(np.int64) for name in ("hits", "predicted"))
        return FrontierFile(arrays["log_odds"], tuple(kept[place] for place in places), hits, predicted)


def unpack_confusion(content: bytes) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Read what `pack_confusion` wrote: `(N, C, C)` int64 counts and N ids."""
    arrays = read_npz(content)
    return arrays["matrices"], tuple(arrays["ids"].tolist())


def confusion_csv(matrix: NDArray[np.int64], class_names: Sequence[str]) -> bytes:
    """A `(C, C)` matrix as CSV: one row for each true class, one column for each predicted class, in pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true \\ predicted", *class_names])
    writer.writerows([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
    return text.getvalue().encode()


def per_class_csv(columns: Mapping[str, NDArray[Any]], class_names: Sequence[str]) -> bytes:
    """The content of `per_class.csv`: one row for each class, which MLflow's page shows as a table.

    Args:
        columns: C values by heading; whole numbers are written as they are, others with four decimals, NaN as empty.
        class_names: C names.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", *columns])
    for name, *values in zip(class_names, *(column.tolist() for column in columns.values()), strict=True):
        writer.writerow([name, *(_csv_cell(value) for value in values)])
    return text.getvalue().encode()


def _csv_cell(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "" if math.isnan(value) else f"{value:.4f}"
