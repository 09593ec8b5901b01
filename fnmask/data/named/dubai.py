"""The Dubai aerial set: eight tiles of nine parts each, masks as RGB colors."""

from typing import Literal

from fnmask.data.named.facts import Facts, classes_by_color
from fnmask.data.named.reader import NamedSet
from fnmask.data.samples import Sample
from fnmask.data.source import Split

TILES = range(1, 9)
# The nine parts of a tile abut as a 3x3 grid, so a random crop would leak from train into test. By part, neighbors
# still share a scene: scores are optimistic for another city.
PARTS_OF: dict[Split, tuple[int, ...]] = {"train": (1, 2, 4, 5, 6, 8), "val": (9,), "test": (3, 7)}


class Dubai(NamedSet):
    """72 aerial pictures of Dubai in five classes, from 509x544 to 2149x1480 pixels.

    Void (255) is the gray of the annotators and black, which marks gaps between houses that nobody annotated.

    Args:
        root: folder that holds "Tile 1" to "Tile 8"; "~" is expanded.
        split_by: "part": of each tile, parts 1 2 4 5 6 8 are train, 9 is val, 3 and 7 are test.

    Raises:
        FileNotFoundError: a folder or file is missing; the message says what belongs where.
        ValueError: another `split_by`.
    """

    facts = Facts(
        title="The Dubai set",
        # What the masks hold. The class colors in the set's own classes.json never occur in one.
        classes=classes_by_color(
            {"building": "3C1098", "land": "8429F6", "road": "6EC1E4", "vegetation": "FEDD3A", "water": "E2A929"},
            void=("9B9B9B", "000000"),
        ),
        licence="CC0 1.0",
        citation="Humans in the Loop with the Mohammed Bin Rashid Space Centre: Semantic segmentation of aerial "
        "imagery. 2020",
        homepage="https://humansintheloop.org/resources/datasets/semantic-segmentation-dataset-2",
        get="It is 'Semantic segmentation of aerial imagery' by Humans in the Loop, free at humansintheloop.org and on "
        "Kaggle.",
        layout="'Tile N/images/image_part_00P.jpg' and 'Tile N/masks/image_part_00P.png', N = 1..8, P = 1..9",
        official={"all": 72},
        splits="none official; of each tile, parts 1 2 4 5 6 8 for train, 9 for val, 3 and 7 for test",
        inside=("Semantic segmentation dataset",),
        encoding="colors",
    )

    def __init__(self, *, root: str, split_by: Literal["part"] = "part") -> None:
        super().__init__(root)
        if split_by != "part":
            raise ValueError(f"split_by is {split_by!r}; only 'part' is known.")
        tiles = {tile: self._tile(tile) for tile in TILES}
        self.samples = {
            split: tuple(tiles[tile][part] for tile in TILES for part in parts) for split, parts in PARTS_OF.items()
        }

    def _tile(self, tile: int) -> dict[int, Sample]:
        """The nine parts of a tile."""
        images, masks = self._files(f"Tile {tile}/images", ".jpg"), self._files(f"Tile {tile}/masks", ".png")
        self._pair(images, masks)
        parts = {}
        for part in range(1, 10):
            name = f"image_part_{part:03d}"
            if name not in images:
                raise FileNotFoundError(f"{self.place / f'Tile {tile}'} has no {name}. {self.facts.expected}")
            parts[part] = Sample(f"tile{tile}_part{part}", images[name], (masks[name],), group=f"tile{tile}")
        return parts
