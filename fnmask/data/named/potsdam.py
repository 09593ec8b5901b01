"""ISPRS Potsdam: a town from above at 5 cm, six classes, in tiles of 6000x6000 that are read window by window."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from fnmask.data.mask_formats import ColorMasks
from fnmask.data.named.facts import Facts, classes_by_color
from fnmask.data.named.reader import NamedSet, split_as
from fnmask.data.rasters import Window
from fnmask.data.samples import Sample
from fnmask.data.tiles import cut_into_tiles

# Row -> columns, as the contest divided them; the labels of its test tiles were published afterwards.
_TRAIN = {2: range(10, 13), 3: range(10, 13), 4: range(10, 13), 5: range(10, 13), 6: range(7, 13), 7: range(7, 13)}
_TEST = {2: range(13, 15), 3: range(13, 15), 4: range(13, 16), 5: range(13, 16), 6: range(13, 16), 7: range(13, 14)}

_IMAGES = {"RGB": ("_RGB", "_RGBIR"), "IRRG": ("_IRRG",)}
_LABELS = {"all": "_label", "no_boundary": "_label_noBoundary"}

# The colors of the set have channels of 0 and 255 alone: so near them there is no doubt which one is meant.
_NEAR = 8


class Potsdam(NamedSet):
    """24 training and 14 test tiles, cut into windows that do not overlap; those at the edge are filled up with void.

    Args:
        root: folder that the archives of images and labels were unpacked into; "~" is expanded.
        bands: `RGB`, from 2_Ortho_RGB or 4_Ortho_RGBIR; or `IRRG`, infrared first, from 3_Ortho_IRRG.
        labels: `all`, or `no_boundary`: with 3 px around objects void.
        window_px: height and width of a window in px.

    Raises:
        FileNotFoundError: a tile is missing; the message says what belongs where.
        ValueError: an image and its labels differ in size.
    """

    facts = Facts(
        title="ISPRS Potsdam",
        classes=classes_by_color(
            {
                "impervious surfaces": "FFFFFF",
                "building": "0000FF",
                "low vegetation": "00FFFF",
                "tree": "00FF00",
                "car": "FFFF00",
                "clutter": "FF0000",
            },
            void=("000000",),
        ),
        licence="for research, after a request for access",
        citation="Rottensteiner et al.: The ISPRS benchmark on urban object classification and 3D building "
        "reconstruction. ISPRS Annals I-3, 2012",
        homepage="https://www.isprs.org/education/benchmarks/UrbanSemLab/2d-sem-label-potsdam.aspx",
        get="Request access at isprs.org (2D Semantic Labeling, Potsdam), and download 2_Ortho_RGB.zip and "
        "5_Labels_all.zip: no program can do it for you. If they come in one archive, unpack that first.",
        layout="top_potsdam_ROW_COLUMN_RGB.tif and top_potsdam_ROW_COLUMN_label.tif, in folders of any name",
        official={"train": 24, "test": 14},
        splits="a tenth of the training tiles for val, test as published",
        encoding="colors",
    )

    def __init__(
        self,
        *,
        root: str,
        bands: Literal["RGB", "IRRG"] = "RGB",
        labels: Literal["all", "no_boundary"] = "all",
        window_px: Annotated[int, Ge(16)] = 500,
    ) -> None:
        super().__init__(root)
        self.salt += f" {bands} {labels} {window_px}"
        tifs = self._tifs()
        train, test = ([self._tile(place, tifs, bands, labels) for place in _places(rows)] for rows in (_TRAIN, _TEST))
        whole = split_as("held_out", train, test)
        self.tile_size = (window_px, window_px)
        self.samples = {
            split: tuple(window for tile in tiles for window in cut_into_tiles(tile, self.tile_size))
            for split, tiles in whole.items()
        }
        self.masks = _SnappedColors(self.facts.classes)

    def _tifs(self) -> dict[str, Path]:
        if not self.place.is_dir():
            raise FileNotFoundError(f"There is no folder {self.place}. {self.facts.expected}")
        return {path.stem: path for path in sorted(self.place.rglob("top_potsdam_*.tif"))}

    def _tile(self, place: str, tifs: Mapping[str, Path], bands: str, labels: str) -> Sample:
        images = [f"top_potsdam_{place}{ending}" for ending in _IMAGES[bands]]
        mask = f"top_potsdam_{place}{_LABELS[labels]}"
        image = next((name for name in images if name in tifs), None)
        if image is None or mask not in tifs:
            missing = mask if image else " or ".join(f"{name}.tif" for name in images)
            raise FileNotFoundError(f"There is no {missing.removesuffix('.tif')}.tif in {self.place} or below it. "
                                    f"{self.facts.expected}")  # fmt: skip
        return Sample(place, tifs[image], (tifs[mask],))


def _places(rows: Mapping[int, Sequence[int]]) -> list[str]:
    return [f"{row}_{column}" for row, columns in rows.items() for column in columns]


class _SnappedColors(ColorMasks):
    """Colors whose channels are nearly 0 or 255 are meant to be so; others stay, to be refused."""

    def _read(self, path: Path, window: Window | None) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        colors, clear = super()._read(path, window)
        return np.where(colors <= _NEAR, 0, np.where(colors >= 255 - _NEAR, 255, colors)).astype(np.uint8), clear
