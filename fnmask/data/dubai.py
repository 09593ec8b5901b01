"""The Dubai aerial set: eight tiles of nine parts each, masks as RGB colors."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.data.files import Pair, digest_files, list_pairs, read_rgb
from fnmask.data.source import Split, check_split

TILES = range(1, 9)
# The nine parts of a tile abut as a 3x3 grid, so a random crop would leak from train into test. By part, neighbors
# still share a scene: scores are optimistic for another city.
PARTS_OF: dict[Split, tuple[int, ...]] = {"train": (1, 2, 4, 5, 6, 8), "val": (9,), "test": (3, 7)}
VOID = 255
# What the masks hold. The class colors in the set's own classes.json never occur in one.
VOID_COLORS = ((0x9B, 0x9B, 0x9B), (0, 0, 0))

LAYOUT = (
    "The Dubai set is expected as 'Tile N/images/image_part_00P.jpg' and 'Tile N/masks/image_part_00P.png' below "
    "`root`, N = 1..8, P = 1..9. It is 'Semantic segmentation of aerial imagery' by Humans in the Loop (CC0), free at "
    "humansintheloop.org and on Kaggle."
)


class Dubai:
    """72 aerial pictures of Dubai in five classes, from 509x544 to 2149x1480 pixels.

    Void (255) is the gray of the annotators and black, which marks gaps between houses that nobody annotated.

    Source: Humans in the Loop with the Mohammed Bin Rashid Space Centre: Semantic segmentation of aerial imagery.
    """

    class_names: tuple[str, ...] = ("building", "land", "road", "vegetation", "water")
    class_colors: tuple[tuple[int, int, int], ...] = (
        (0x3C, 0x10, 0x98),
        (0x84, 0x29, 0xF6),
        (0x6E, 0xC1, 0xE4),
        (0xFE, 0xDD, 0x3A),
        (0xE2, 0xA9, 0x29),
    )
    ignore_class: int | None = VOID

    def __init__(self, *, root: str, split_by: Literal["part"] = "part") -> None:
        """List the files of all tiles.

        Args:
            root: Folder that holds "Tile 1" to "Tile 8"; "~" is expanded.
            split_by: "part": of each tile, parts 1 2 4 5 6 8 are train, 9 is val, 3 and 7 are test.

        Raises:
            FileNotFoundError: A folder or file is missing; the message says what belongs where.
            ValueError: Another `split_by`.
        """
        if split_by != "part":
            raise ValueError(f"split_by is {split_by!r}; only 'part' is known.")
        self.root = Path(root).expanduser()
        self._pairs = {split: self._list(parts) for split, parts in PARTS_OF.items()}

    def _list(self, parts: tuple[int, ...]) -> tuple[Pair, ...]:
        found = []
        for tile in TILES:
            folder = self.root / f"Tile {tile}"
            pairs = list_pairs(folder / "images", folder / "masks", image_suffix=".jpg", layout=LAYOUT)
            by_stem = {pair.id: pair for pair in pairs}
            for part in parts:
                if (stem := f"image_part_{part:03d}") not in by_stem:
                    raise FileNotFoundError(f"{folder / 'images'} has no {stem}.jpg. {LAYOUT}")
                found.append(Pair(f"tile{tile}_part{part}", by_stem[stem].image, by_stem[stem].mask))
        return tuple(found)

    def ids(self, split: Split) -> tuple[str, ...]:
        """Return names such as "tile3_part9", by tile, then part."""
        check_split(split)
        return tuple(pair.id for pair in self._pairs[split])

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one picture (H, W, 3) and its labels (H, W), 0..4 or 255 for void.

        Raises:
            ValueError: A mask holds a color that is neither a class nor void.
        """
        check_split(split)
        pair = self._pairs[split][index]
        return read_rgb(pair.image), self._labels(pair.mask)

    def _labels(self, path: Path) -> NDArray[np.uint8]:
        """Translate the colors of a mask; palette PNGs are among them (tiles 2 and 4), so it is read as RGB."""
        codes = _pack(read_rgb(path))
        labels = np.full(codes.shape, VOID, np.uint8)
        known = np.zeros(codes.shape, bool)
        for label, color in [*enumerate(self.class_colors), *((VOID, color) for color in VOID_COLORS)]:
            here = codes == _pack(np.array(color, np.uint8))
            labels[here] = label
            known |= here
        if not known.all():
            row, column = np.argwhere(~known)[0]
            raise ValueError(
                f"{path} has the color #{codes[row, column]:06X} at row {row}, column {column}, which is neither a "
                f"class nor void. Known: {', '.join(_hex(color) for color in (*self.class_colors, *VOID_COLORS))}. "
                "Was the mask saved again with smoothing or as JPEG?"
            )
        return labels

    def digest(self) -> str:
        """Return a SHA-256 over all files with their places, the class names and the split."""
        paths = (path for pairs in self._pairs.values() for pair in pairs for path in (pair.image, pair.mask))
        return digest_files(self.root, paths, salt=f"{self.class_names} {PARTS_OF}")


def _pack(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Make one number 0xRRGGBB of the last axis."""
    wide = rgb.astype(np.int32)
    packed: NDArray[np.int32] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02X}{:02X}{:02X}".format(*color)
