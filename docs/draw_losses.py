"""Draws the pictures of docs/losses.md from the losses themselves.

    python docs/draw_losses.py                   # docs/img/losses/*.png, on the synthetic towns; a few minutes on a CPU
    python docs/draw_losses.py --dataset camvid --root PATH --target road --output FOLDER    # on your own images

Left, one pixel whose probability of the target goes from 0 to 1 while two other classes share the rest, 9 to 1. Right,
a training image under a plain network that was trained for a few hundred steps.
"""

import argparse
import io
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pictured_losses import PICTURES, REST, Picture
from PIL import Image

from fnmask.data.aerial import Aerial
from fnmask.data.arrays import load_split
from fnmask.data.label_noise import Classes, NoNoise, OverWide
from fnmask.data.named.camvid import CamVid
from fnmask.data.named.dubai import Dubai
from fnmask.data.pipeline import TrainStream
from fnmask.data.source import DataSource
from fnmask.losses import MaskedCrossentropy, build_loss, error_weights, ramp, variants
from fnmask.losses.spec import LossSpec
from fnmask.models.tiny import tiny

Array = NDArray[np.float32]

# Okabe and Ito's colors, which the color-blind tell apart. The tint of the images is used for nothing else.
TINT, OUTLINE, INK = "#D55E00", "#0072B2", "#404040"
LINES = (("#000000", "-", 4.5), ("#0072B2", "-", 2.6), ("#009E73", (0, (5, 2)), 2.0), ("#CC79A7", (0, (1.5, 1.5)), 2.0))

PROBABILITIES = np.linspace(0.01, 0.99, 393)


def survival(picture: Picture, variant: LossSpec, labels: Array, logits: Array, ignore_class: int | None) -> Array:
    """What is left of each pixel: its weight, or the share of its plain gradient, along that gradient."""
    build = partial(build_loss, class_weights=np.ones(logits.shape[-1]), ignore_class=ignore_class)
    if not picture.by_gradient:
        return keras.ops.convert_to_numpy(build(variant, picture.base).pixel_weights(labels, logits))
    plain = variants.plain(num_classes=logits.shape[-1], target=list(variant.targets))
    gradients = []
    for spec in (plain, variant):
        loss, given = build(spec, picture.base), tf.constant(logits)
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = loss(labels, given)
        gradients.append(tape.gradient(value, given).numpy())
    along, square = (np.sum(gradients[0] * each, axis=-1) for each in reversed(gradients))
    return np.where(square > 0, along / np.maximum(square, 1e-30), 1.0)


def draw_curves(axes: Axes, picture: Picture) -> None:
    """The weight, or what is left of the gradient, over the probability of the target."""
    flip = REST[0] / (1 + REST[0])
    axes.axvspan(flip, 1, color="#EEEEEE", zorder=0, lw=0)
    axes.text(flip + 0.02, 0.13, "called the target", color=INK, fontsize=8, transform=axes.get_xaxis_transform())
    for index, (name, make) in enumerate(picture.curves.items()):
        color, style, width = LINES[index]
        rest = REST if picture.rest is None else picture.rest[index]
        own = np.log(np.stack([PROBABILITIES, *(share * (1 - PROBABILITIES) for share in rest)], axis=-1))
        # The batch: at every probability a pixel of each class, whose own logit leads like the target's. Beside a false
        # alarm all have the same logits.
        turn = 0 if picture.label else 1
        rows = [np.roll(own, turn * label, axis=-1) for label in picture.labels]
        labels = np.repeat(picture.labels, len(PROBABILITIES)).reshape(1, len(rows), -1)
        left = survival(picture, make(3, 0, 1), labels, np.float32([rows]), None)
        values = left[0, picture.labels.index(picture.label)]
        axes.plot(PROBABILITIES, values, color=color, ls=style, lw=width, label=name, solid_capstyle="butt")
    low, high = axes.get_ylim()
    if low < -0.1:
        axes.text(0.02, 0.13, "below 0: pushed away", color=INK, fontsize=8, transform=axes.get_xaxis_transform())
    axes.set(xlim=(0, 1), ylim=(min(low, -0.04), max(high, 1.08)))
    axes.set_xlabel(f"probability of the target, at a pixel {'of another class' if picture.label else 'labeled so'}")
    axes.set_ylabel("share of the plain gradient" if picture.by_gradient else "weight of the pixel")
    axes.spines[["top", "right"]].set_visible(False)
    axes.axhline(0, color=INK, lw=0.6)
    look = {"handlelength": 2.3, "columnspacing": 1.3, "handletextpad": 0.5, "borderaxespad": 0.2}
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncol=len(picture.curves), **look)


@dataclass(frozen=True)
class Scene:
    """One training image, and what the plain network says of it."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    logits: Array
    target: int
    target_name: str
    ignore_class: int | None

    @property
    def rival(self) -> int:
        """The class that the target is mostly taken for."""
        called = self.logits.argmax(-1)[self.labels == self.target]
        counts = np.bincount(called, minlength=self.logits.shape[-1])
        counts[self.target] = 0
        return int(counts.argmax())


def draw_image(axes: Axes, picture: Picture, scene: Scene) -> None:
    """The image in grey, tinted by 1 - weight, with the outline of the target's labels."""
    name, make = next(iter(picture.curves.items()))
    variant = make(scene.logits.shape[-1], scene.target, scene.rival)
    left = survival(picture, variant, scene.labels[None], scene.logits[None], scene.ignore_class)[0]
    let_off = np.clip(1 - left, 0, 1) * (scene.labels != (-1 if scene.ignore_class is None else scene.ignore_class))
    brightness = scene.image.mean(axis=-1)
    dark, bright = np.percentile(brightness, (1, 99))
    # In a few steps, so that the file stays small.
    grey = 0.45 + 0.5 * np.round(np.clip((brightness - dark) / max(bright - dark, 1), 0, 1) * 20) / 20
    tint = 0.9 * np.round(let_off[..., None] * 10) / 10
    axes.imshow((1 - tint) * grey[..., None] + tint * np.array(to_rgb(TINT)), interpolation="nearest")
    axes.contour(scene.labels == scene.target, levels=[0.5], colors=OUTLINE, linewidths=115 / len(scene.labels))
    axes.set_title(name, fontsize=8, color=INK, pad=4)
    axes.set_xlabel(f"orange: let off, {100 * let_off.mean():.1f} %;  blue: labeled {scene.target_name}", fontsize=8)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw(option: str, picture: Picture, scene: Scene, folder: Path) -> None:
    """Both panels of one option."""
    height, width = scene.labels.shape
    tall_in, wide_in = 2.65, 2.65 * width / height
    whole_in = 4.8 + wide_in
    figure = Figure(figsize=(whole_in, 3.3), dpi=100)
    draw_curves(figure.add_axes((0.68 / whole_in, 0.14, 3.8 / whole_in, 0.71)), picture)
    draw_image(figure.add_axes((4.7 / whole_in, 0.1, wide_in / whole_in, tall_in / 3.3)), picture, scene)
    figure.text(0.01, 0.94, f"loss={option}", fontsize=10, family="monospace")
    save(figure, folder / f"{option}.png")


def draw_matrices(folder: Path) -> None:
    """Four error matrices of four classes, in numbers."""
    matrices = {
        "plain": error_weights(4),
        "row 1: misses of class 1": error_weights(4, false_negatives={1: 0}),
        "column 1: false alarms": error_weights(4, false_positives={1: 0.5}),
        "single confusions": error_weights(4, confusions={(1, 0): 0, (3, 2): 0.5}),
    }
    figure = Figure(figsize=(8.6, 2.5), dpi=100, layout="constrained")
    for axes, (title, matrix) in zip(figure.subplots(1, 4), matrices.items(), strict=True):
        shade = 1 - (1 - matrix[..., None]) * 0.8 * (1 - np.array(to_rgb(TINT)))
        axes.imshow(shade)
        for (row, column), value in np.ndenumerate(matrix):
            axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=9)
        axes.set_title(title, fontsize=9)
        axes.set(xticks=range(4), yticks=range(4), xlabel="predicted")
        axes.tick_params(length=0, labelsize=8)
    figure.axes[0].set_ylabel("true")
    save(figure, folder / "error_matrix.png")


def draw_schedule(folder: Path) -> None:
    """The three shapes of the ramp."""
    figure = Figure(figsize=(6.4, 2.3), dpi=100, layout="constrained")
    axes, steps = figure.subplots(), np.arange(1001)
    for (color, style, width), shape in zip(LINES[1:], ("linear", "cosine", "step"), strict=True):
        shares = [ramp(int(step), warmup_steps=300, ramp_steps=400, shape=shape) for step in steps]
        axes.plot(steps, shares, color=color, ls=style, lw=width, label=shape)
    axes.set(xticks=[0, 300, 700, 1000], xlim=(0, 1000), xlabel="optimizer step", ylabel="ramp r")
    axes.text(150, 0.08, "warmup_steps = 300", ha="center", fontsize=8, color=INK)
    axes.text(400, 0.9, "ramp_steps = 400", ha="center", fontsize=8, color=INK)
    axes.axvspan(300, 700, color="#EEEEEE", zorder=0, lw=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center right")
    save(figure, folder / "schedule.png")


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of few colors: half the size, and to the eye the same."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    few = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path}  {path.stat().st_size / 1024:.0f} kB", flush=True)


def look(source: DataSource, target: str, size: tuple[int, int], widen_px: int, steps: int) -> Scene:
    """Trains the plain network, and picks a training image in which it both finds and misses much of the target."""
    keras.utils.set_random_seed(0)
    index = source.class_names.index(target)
    data = load_split(source, "train", image_size=size)
    noise = OverWide(target=target, px=widen_px) if widen_px else NoNoise()
    labels = noise.spoil(data.labels, data.ids, Classes(source.class_names, source.ignore_class))
    data = type(data)(data.ids, data.images, labels)
    model = tiny(num_classes=len(source.class_names), width=8)
    loss = MaskedCrossentropy(len(source.class_names), ignore_class=source.ignore_class)
    model.compile(keras.optimizers.Adam(3e-3), loss=loss)
    with closing(TrainStream(data, batch_size=8, crop_size=(64, 64), flips="horizontal", seed=0).iterate()) as batches:
        model.fit(((images.astype(np.float32), labels) for images, labels in batches), steps_per_epoch=steps, verbose=2)
    few = slice(0, 48)
    logits = model.predict(data.images[few].astype(np.float32), batch_size=4, verbose=0)
    images, labels, logits = (quarters(each) for each in (data.images[few], labels[few], logits))
    is_target, is_called = labels == index, logits.argmax(-1) == index
    found, missed = ((is_target & each).sum(axis=(1, 2)) for each in (is_called, ~is_called))
    best = int(np.minimum(found, missed).argmax())
    return Scene(images[best], labels[best], logits[best], index, target, source.ignore_class)


def quarters(images: Array) -> Array:
    """The quarters of images that are too large to show pixels, smaller ones as they are."""
    count, height, width = images.shape[:3]
    if height <= 200:
        return images
    cut = images.reshape(count, 2, height // 2, 2, width // 2, *images.shape[3:]).swapaxes(2, 3)
    return cut.reshape(-1, height // 2, width // 2, *images.shape[3:])


def main() -> None:
    """Draws everything."""
    parser = argparse.ArgumentParser(description="Draws the pictures of docs/losses.md.")
    parser.add_argument("--dataset", choices=("aerial", "camvid", "dubai"), default="aerial")
    parser.add_argument("--root", help="folder of the data set, as dataset.root=PATH of train.py")
    parser.add_argument("--target", default="road", help="name of the class that is let off")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "img" / "losses")
    parser.add_argument("--only", nargs="+", choices=sorted(PICTURES), default=list(PICTURES), help="options to draw")
    parser.add_argument("--steps", type=int, default=250, help="optimizer steps of the plain network")
    given = parser.parse_args()
    if given.dataset != "aerial" and given.root is None:
        parser.error(f"--dataset {given.dataset} needs --root, the folder of your copy.")
    make = {"aerial": Aerial, "camvid": CamVid, "dubai": Dubai}[given.dataset]
    source = make() if given.dataset == "aerial" else make(root=given.root)
    if given.target not in source.class_names:
        parser.error(f"--target {given.target} is none of {', '.join(source.class_names)}.")
    # The labels of the towns' roads are too wide on purpose, as in conf/dataset/aerial.yaml.
    size, widen_px = {"aerial": ((128, 128), 3), "camvid": ((192, 256), 0), "dubai": ((256, 256), 0)}[given.dataset]
    given.output.mkdir(parents=True, exist_ok=True)
    scene = look(source, given.target, size, widen_px, given.steps)
    draw_matrices(given.output)
    draw_schedule(given.output)
    for option in given.only:
        draw(option, PICTURES[option], scene, given.output)


if __name__ == "__main__":
    main()
