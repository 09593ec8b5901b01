"""Images on which the variants differ most: what each predicts there, and which errors its loss lets off."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.compare.loading import File, read_file
from fnmask.compare.rows import ComparisonTable
from fnmask.compare.runs import Sweep, Trial
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.predictions import (
    Pictures,
    Predictions,
    pictures_name,
    predictions_name,
    unpack_pictures,
    unpack_predictions,
)

MOST_IMAGES, MOST_VARIANTS = 5, 8

VOID_COLOR = (205, 205, 205)
# Larger ones are shown at this size: a page holds dozens of them.
_LONGEST_SIDE_PX = 640
# Stripes are so wide; black beside white, to be seen on any color.
_STRIPE_PX = 2


@dataclass(frozen=True)
class Seen:
    """What one variant makes of an image.

    Attributes:
        variant: label.
        class_ids: what each pixel is called, uint8 `(H, W)`.
        let_off: pixels whose error weighs less than 1 under its loss, bool `(H, W)`.
        correct: share of the labeled pixels that are right.
        target_recall: share of the target's pixels that are found; NaN without any, or without one target.
    """

    variant: str
    class_ids: NDArray[np.uint8]
    let_off: NDArray[np.bool_]
    correct: float
    target_recall: float


@dataclass(frozen=True)
class Shown:
    """One image.

    Attributes:
        id: its name.
        jpeg: the image.
        labels: class ids or void, uint8 `(H, W)`.
        seen: by the plain control first.
        moved: share of the labeled pixels that a variant calls otherwise than plain, in the mean over variants.
    """

    id: str
    jpeg: bytes
    labels: NDArray[np.uint8]
    seen: tuple[Seen, ...]
    moved: float


def load_pictures(store: MlflowStore, sweep: Sweep, table: ComparisonTable) -> list[Shown]:
    """Read the images on which the variants shown differ most from plain, all of one seed.

    The front and the controls, at most eight variants, are read: however many there are in the sweep.

    Returns:
        At most five, where they differ most first; none where no plain control has kept images, as older ones.
    """
    split = table.split
    for control in _controls(sweep):
        pictures = _read(store, control, pictures_name(split), unpack_pictures)
        own = _read(store, control, predictions_name(split), unpack_predictions)
        if pictures is None or own is None:
            continue
        known: dict[str, tuple[Predictions, tuple[str, ...]]] = {control.variant: (own, sweep.only_targets)}
        paired = {one.variant: one for one in sweep.trials if one.reference == control.reference}
        for variant in _chosen(table, paired.keys() - {control.variant}):
            predictions = _read(store, paired[variant], predictions_name(split), unpack_predictions)
            if predictions is not None:
                known[variant] = predictions, paired[variant].targets
        if len(known) > 1:
            return choose_images(sweep, pictures, known)
    return []


def _controls(sweep: Sweep) -> list[Trial]:
    return sorted(sweep.plain_controls.values(), key=lambda trial: (len(trial.seed), trial.seed))


def _chosen(table: ComparisonTable, among: Set[str]) -> list[str]:
    """Of some variants the front, controls, then what wins most, in the order of the table."""
    rows = [row for row in table.rows if row.variant in among]
    order = sorted(rows, key=lambda row: 0 if row.on_front and not row.control else 1 if row.control else 2)
    return [row.variant for row in order[:MOST_VARIANTS]]


def _read(store: MlflowStore, trial: Trial, name: str, unpack: Callable[[bytes], File]) -> File | None:
    try:
        return read_file(store, trial.run_id, name, unpack)
    except FileNotFoundError:
        return None


def choose_images(
    sweep: Sweep, pictures: Pictures, predictions: Mapping[str, tuple[Predictions, Sequence[str]]]
) -> list[Shown]:
    """The images on which the variants differ most from plain, of those that all variants have kept.

    Variants that have kept none of them are left out.

    Args:
        sweep: whose classes they are of.
        pictures: images and labels.
        predictions: by variant, plain first: what it predicts, and the names of its targets.
    """
    num_classes = len(sweep.class_names)
    void = -1 if sweep.classes.ignore_class is None else sweep.classes.ignore_class
    # Of other images, or measured at another size, a variant cannot lie over the others.
    fitting = {
        variant: (own, targets)
        for variant, (own, targets) in predictions.items()
        if own.class_ids.shape[1:] == pictures.labels.shape[1:] and not set(own.ids).isdisjoint(pictures.ids)
    }
    if len(fitting) < 2 or next(iter(predictions)) not in fitting:
        return []
    found = []
    for place, name in enumerate(pictures.ids):
        labels = pictures.labels[place]
        valid = (labels < num_classes) & (labels != void)
        seen = []
        for variant, (own, targets) in fitting.items():
            if name not in own.ids:
                continue
            indices = [sweep.class_names.index(target) for target in targets]
            seen.append(_see(variant, own.class_ids[own.ids.index(name)], own.error_weights, labels, valid, indices))
        if len(seen) < len(fitting) or not valid.any():
            continue
        moved = [float(np.mean((one.class_ids != seen[0].class_ids)[valid])) for one in seen[1:]]
        found.append(Shown(name, pictures.jpegs[place], labels, tuple(seen), float(np.mean(moved))))
    return sorted(found, key=lambda shown: -shown.moved)[:MOST_IMAGES]


def _see(
    variant: str,
    class_ids: NDArray[np.uint8],
    weights: NDArray[np.float32],
    labels: NDArray[np.uint8],
    valid: NDArray[np.bool_],
    targets: Sequence[int],
) -> Seen:
    let_off = valid & (weights[np.where(valid, labels, 0), class_ids] < 1)
    right = class_ids == labels
    of_target = valid & (labels == targets[0]) if len(targets) == 1 else np.zeros_like(valid)
    recall = float(right[of_target].mean()) if of_target.any() else float("nan")
    return Seen(variant, class_ids, let_off, float(right[valid].mean()), recall)


def mask_png(class_ids: NDArray[np.uint8], colors: Sequence[tuple[int, int, int]]) -> bytes:
    """Class ids in the colors of the data set, void gray: a PNG file with a palette."""
    palette = np.full((256, 3), VOID_COLOR, np.uint8)
    palette[: len(colors)] = colors
    picture = _smaller(Image.fromarray(class_ids), Image.Resampling.NEAREST)
    picture.putpalette(palette.ravel().tolist())
    return _png(picture)


def hatching_png(marked: NDArray[np.bool_]) -> bytes:
    """Slanting stripes, black beside white, over the pixels that are marked; the rest is transparent."""
    shown = np.asarray(_smaller(Image.fromarray(marked.astype(np.uint8)), Image.Resampling.NEAREST))
    rows, columns = np.indices(shown.shape)
    stripes = ((rows + columns) // _STRIPE_PX) % 3
    # 0 is transparent, within the marked pixels too: what lies under them stays to be seen.
    picture = Image.fromarray(np.where(shown > 0, stripes, 0).astype(np.uint8))
    picture.putpalette([0, 0, 0, 0, 0, 0, 255, 255, 255])
    return _png(picture, transparency=0)


def photo_jpeg(jpeg: bytes) -> bytes:
    """The image, smaller where it is large."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        if max(picture.size) <= _LONGEST_SIDE_PX:
            return jpeg
        buffer = io.BytesIO()
        _smaller(picture, Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()


def data_url(content: bytes, kind: str) -> str:
    """A file as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _smaller(picture: Image.Image, method: Image.Resampling) -> Image.Image:
    share = _LONGEST_SIDE_PX / max(picture.size)
    if share >= 1:
        return picture
    width, height = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((width, height), method)


def _png(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True, **options)
    return buffer.getvalue()
