"""Photographs the page of a data check of synthetic images: `python docs/draw_data_check.py FOLDER`.

The set is made to have troubles: a broken file, an unknown class, a copy, a mask of nothing, a val unlike test.
"""

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from fnmask.cli import main as fnmask
from fnmask.data.aerial import Aerial

WORDS = ["dataset.classes=[land,building,road,vegetation,water]", "dataset.void=[255]"]


def write_troubled(root: Path) -> None:
    """Write towns as a person's folder, and spoil some of the files."""
    towns = Aerial(n_train=24, n_val=8, n_test=8)
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index, name in enumerate(towns.ids(split)):
            image, labels = towns.load(split, index)
            if split == "val":  # as if villages validated and towns tested
                labels[labels == 1] = 0
            Image.fromarray(image).save(root / split / "images" / f"{name}.png")
            Image.fromarray(labels).save(root / split / "masks" / f"{name}.png")
    image, labels = towns.load("train", 3)
    Image.fromarray(image).save(root / "test/images/test_0002.png")
    Image.fromarray(labels).save(root / "test/masks/test_0002.png")
    Image.new("L", (128, 128)).save(root / "train/masks/train_0005.png")
    _, labels = towns.load("train", 9)
    labels[:20, :20] = 9
    Image.fromarray(labels).save(root / "train/masks/train_0009.png")
    broken = root / "train/images/train_0011.png"
    broken.write_bytes(broken.read_bytes()[:2000])


def main(folder: Path) -> None:
    """Write the picture, `data_check.png`."""
    folder = folder.resolve()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        write_troubled(Path("towns"))
        fnmask(["data", "check", "dataset=folder", "dataset.root=towns", *WORDS, "-o", "out"])
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1100, "height": 1000})
            page.goto(Path("out/check.html").resolve().as_uri())
            taken = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            browser.close()
    taken.convert("RGB").quantize(128).save(folder / "data_check.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
