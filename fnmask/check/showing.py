"""A few images of a set as a training sees them: labels, draws of the training stream, and what a loss lets off."""

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.check.contact_sheet import overlay
from fnmask.check.mistakes import let_off, plausible_mistakes
from fnmask.check.strips import Part, Strip
from fnmask.data.arrays import SplitArrays, load_split
from fnmask.data.augment import Augmentation, Crops
from fnmask.data.label_noise import Classes, LabelNoise, NoNoise
from fnmask.data.pipeline import Flips, TrainStream
from fnmask.data.source import SPLITS, DataSource, Split

# No class of a data set has it: as in the pictures of a run.
LET_OFF_COLOR = (255, 0, 200)


@dataclass(frozen=True)
class TrainView:
    """How a training takes the images.

    Attributes:
        image_size: height and width in px after loading.
        crop_size: of the random crop, or None.
        flips: as `conf/dataset/` has it.
        seed: of the stream.
        label_noise: on the training labels.
        crops: where crops are taken.
        augmentation: how images are changed.
    """

    image_size: tuple[int, int]
    crop_size: tuple[int, int] | None
    flips: Flips
    seed: int
    label_noise: LabelNoise = field(default_factory=NoNoise)
    crops: Crops = "uniform"
    augmentation: Augmentation = field(default_factory=Augmentation)


class _Chosen:
    """Some images of one split, as a data source of their own."""

    def __init__(self, source: DataSource, split: Split, indices: list[int]) -> None:
        self.class_names, self.class_colors = source.class_names, source.class_colors
        self.ignore_class = source.ignore_class
        self._source, self._split, self._indices = source, split, indices

    def ids(self, split: Split) -> tuple[str, ...]:
        names = self._source.ids(self._split)
        return tuple(names[index] for index in self._indices)

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return self._source.load(self._split, self._indices[index])

    def digest(self) -> str:
        return ""


def spread(count: int, most: int) -> list[int]:
    """Places of at most so many of a row, spread over it."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, min(most, count)).astype(int))]


def show_labels(source: DataSource, n_images: int) -> Part:
    """Images of every split with their labels over them, as the files hold them."""
    strips = []
    for split in SPLITS:
        for index in spread(len(source.ids(split)), n_images) if source.ids(split) else ():
            image, labels = source.load(split, index)
            shown = (Image.fromarray(image), Image.fromarray(overlay(image, labels, source)))
            size = f"{image.shape[0]} x {image.shape[1]} px"
            strips.append(Strip(f"{split}/{source.ids(split)[index]}, {size}", shown))
    return Part(
        "Labels", "Left the image, right its labels over it in gray, both as the files hold them.", tuple(strips)
    )


def load_shown(source: DataSource, view: TrainView, n_images: int) -> SplitArrays:
    """Some training images, at the size of training and with the label noise that is asked for."""
    chosen = _Chosen(source, "train", spread(len(source.ids("train")), n_images))
    arrays = load_split(chosen, "train", image_size=view.image_size)
    labels = view.label_noise.spoil(arrays.labels, arrays.ids, Classes(source.class_names, source.ignore_class))
    return SplitArrays(arrays.ids, arrays.images, labels)


def show_augmentation(source: DataSource, arrays: SplitArrays, view: TrainView, n_draws: int) -> Part:
    """What the training stream makes of each image: several draws, the labels over them."""
    strips = []
    for index, name in enumerate(arrays.ids):
        one = SplitArrays((name,), arrays.images[index : index + 1], arrays.labels[index : index + 1])
        stream = TrainStream(
            one,
            batch_size=n_draws,
            crop_size=view.crop_size,
            flips=view.flips,
            seed=view.seed,
            crops=view.crops,
            num_classes=len(source.class_names),
            augmentation=view.augmentation,
        )
        images, labels = stream.batch(0)
        pairs = [(one.images[0], one.labels[0]), *zip(images, labels, strict=True)]
        drawn = [np.concatenate([image, overlay(image, label, source)]).astype(np.uint8) for image, label in pairs]
        strips.append(Strip(f"train/{name}: whole, then {n_draws} draws", tuple(map(Image.fromarray, drawn))))
    crop = "whole images" if view.crop_size is None else f"random crops of {view.crop_size[0]} x {view.crop_size[1]} px"
    noise = ""
    if view.label_noise.target:
        kind = type(view.label_noise).__name__
        noise = f" The labels of {view.label_noise.target} are made worse on purpose ({kind})."
    changed = {key: value for key, value in asdict(view.augmentation).items() if value}
    told = "".join(f", {key} {value:g}" for key, value in changed.items())
    note = (
        f"Above the image, below its labels over it. Resized to {view.image_size[0]} x {view.image_size[1]} px, "
        f"{crop}, flips: {view.flips}{told}; drawn by seed {view.seed}.{noise}"
    )
    return Part("What augmentation does", note, tuple(strips))


def show_let_off(
    source: DataSource, arrays: SplitArrays, error_weights: NDArray[np.floating], targets: tuple[int, ...], name: str
) -> Part:
    """Which errors a loss lets off, for predictions that are wrong in one class alone."""
    strips = []
    for index, image_id in enumerate(arrays.ids):
        image, labels = arrays.images[index].astype(np.uint8), arrays.labels[index]
        for target in targets:
            try:
                mistakes = plausible_mistakes(labels, target, source.ignore_class)
            except ValueError:  # the image lacks it
                continue
            for wrong, predicted in mistakes.items():
                off = let_off(labels, predicted, error_weights)
                errors = (labels != predicted) & (labels < len(error_weights))
                caption = (
                    f"train/{image_id}: {source.class_names[target]} {wrong}. Of {np.count_nonzero(errors)} wrong "
                    f"pixels {np.count_nonzero(off)} are let off"
                    + (f", at a weight of {_weights(labels, predicted, error_weights, off)}." if off.any() else ".")
                )
                shown = (overlay(image, labels, source), overlay(image, predicted, source), _marked(image, off))
                strips.append(Strip(caption, tuple(map(Image.fromarray, shown))))
    note = (
        "Labels, a prediction, and in magenta the wrong pixels that weigh less than 1. The predictions are made of the "
        "labels, not by a network: right everywhere but in one class, which is missed or drawn too narrow or too wide. "
        "What counts is the error matrix at full strength; a loss with probabilities lets these pixels off as far as "
        "the network is sure, and none does before its warm-up is over."
    )
    if not strips:
        note = "None of the images shown has the target beside another class: give more --images."
    return Part(f"What {name} lets off", note, tuple(strips))


def _weights(
    labels: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    error_weights: NDArray[np.floating],
    off: NDArray[np.bool_],
) -> str:
    found = np.unique(error_weights[labels[off], predicted[off]])
    return f"{found[0]:.3g}" if len(found) == 1 else f"{found[0]:.3g} to {found[-1]:.3g}"


def _marked(image: NDArray[np.uint8], off: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image in pale gray, the pixels in a color of their own."""
    pale = (150 + 0.35 * image.mean(axis=-1)).clip(0, 255).astype(np.uint8)
    marked = np.repeat(pale[..., None], 3, axis=-1)
    marked[off] = LET_OFF_COLOR
    return marked
