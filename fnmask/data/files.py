"""Pairs of image and mask files on disk: finding, reading and hashing them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError


@dataclass(frozen=True)
class Pair:
    """One image file and the mask file that labels it."""

    id: str
    image: Path
    mask: Path


def list_pairs(images: Path, masks: Path, *, image_suffix: str, layout: str) -> tuple[Pair, ...]:
    """Pair the files of two folders by stem, sorted by name.

    Args:
        images: Folder of the images.
        masks: Folder of the masks: PNG files with the same stems.
        image_suffix: With the dot, such as ".jpg".
        layout: Told in errors: which files are expected where, and where people get them.

    Returns:
        One pair per image; its id is the stem.

    Raises:
        FileNotFoundError: A folder is missing, or an image has no mask or a mask no image.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}. {layout}")
    image_of = {path.stem: path for path in images.glob(f"*{image_suffix}")}
    mask_of = {path.stem: path for path in masks.glob("*.png")}
    if alone := sorted(image_of.keys() ^ mask_of.keys()):
        raise FileNotFoundError(
            f"{len(alone)} files of {images} and {masks} have no partner of the same stem: {alone[0]!r}, ... {layout}"
        )
    if not image_of:
        raise FileNotFoundError(f"{images} holds no {image_suffix} file. {layout}")
    return tuple(Pair(stem, image_of[stem], mask_of[stem]) for stem in sorted(image_of))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a picture of any mode, palettes included, as RGB of shape (H, W, 3)."""
    return _read(path, "RGB")


def read_ids(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit mask whose raw values, gray levels or palette indices, are the labels; shape (H, W)."""
    return _read(path, None)


def _read(path: Path, mode: str | None) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            # Converting a palette mask would replace its ids by colors; so a mask of ids is taken as it is stored.
            if mode is None and picture.mode not in ("L", "P"):
                raise ValueError(
                    f"{path} has mode {picture.mode}; a mask of class ids is 8-bit gray or palette (L, P)."
                )
            return np.array(picture if mode is None else picture.convert(mode), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not a picture that Pillow can read. Is the download complete?") from error


def digest_files(root: Path, paths: Iterable[Path], *, salt: str) -> str:
    """Hash names below `root` and contents, in the given order, and a salt for what else decides the result."""
    total = hashlib.sha256(salt.encode())
    for path in paths:
        content = path.read_bytes()
        # The length ends a name and a content, so that no two lists of files give the same bytes.
        total.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()
