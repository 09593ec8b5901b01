"""A person's own images and masks, a few pixels each."""

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, values: object, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.array(values, np.uint8)
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path)


def fill(root: Path, count: int = 10, images: str = "images", masks: str = "masks") -> None:
    for number in range(count):
        save(root / images / f"s{number // 5}_{number}.png", np.full((3, 4, 3), number))
        save(root / masks / f"s{number // 5}_{number}.png", np.full((3, 4), number % 2))
