"""Draws docs/img/label_noise.png: one synthetic scene, and its labels under each kind of noise.

python docs/draw_label_noise.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from fnmask.data.aerial import Aerial
from fnmask.data.label_noise import Classes, Dropped, Flipped, NoNoise, OverWide, Shifted, Spurious, UnderWide

TARGET = "building"
KINDS = {
    "labels as they are": NoNoise(),
    "over_wide, px=3": OverWide(target=TARGET, px=3),
    "under_wide, px=2": UnderWide(target=TARGET, px=2),
    "shifted, px=4": Shifted(target=TARGET, px=4),
    "dropped, rate=0.4": Dropped(target=TARGET, rate=0.4),
    "spurious, rate=1": Spurious(target=TARGET, rate=1.0),
    "flipped, to={road: 0.5}": Flipped(target=TARGET, to={"road": 0.5}),
}


def main() -> None:
    """Draw, and say where."""
    source = Aerial(size_px=128)
    image, labels = source.load("train", 5)
    colors = np.array([*source.class_colors, *[(0, 0, 0)] * (256 - len(source.class_colors))], np.uint8)
    figure, axes = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
    classes = Classes(source.class_names, source.ignore_class)
    panels = {"image": image} | {
        name: colors[kind.spoil(labels[None], ["train_0005"], classes)[0]] for name, kind in KINDS.items()
    }
    for axis, (name, panel) in zip(axes.flat, panels.items(), strict=True):
        axis.imshow(panel, interpolation="nearest")
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    path = Path(__file__).parent / "img" / "label_noise.png"
    figure.savefig(path, dpi=80)
    print(path)


if __name__ == "__main__":
    main()
