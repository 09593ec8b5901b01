"""LoveDA: land cover of Nanjing, Changzhou and Wuhan from above, town and country apart."""

from typing import Literal

from fnmask.data.named.facts import Facts, classes_by_id
from fnmask.data.named.reader import NamedSet, SplitAs, split_as
from fnmask.data.samples import Sample

_CLASSES = {
    "background": (255, 255, 255),
    "building": (255, 0, 0),
    "road": (255, 255, 0),
    "water": (0, 0, 255),
    "barren": (159, 129, 183),
    "forest": (0, 255, 0),
    "agriculture": (255, 195, 128),
}


class LoveDA(NamedSet):
    """2522 training and 1669 validation images of 1024x1024; the labels of the 1796 test images are not public.

    Args:
        root: folder that holds Train/ and Val/; "~" is expanded.
        scene: `both`, or `urban` or `rural` alone.
        split: `held_out`: a tenth of the training images validates, the publisher's validation images test;
            `official`: train and val as published, no test split.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="LoveDA",
        classes=classes_by_id(tuple(_CLASSES), tuple(_CLASSES.values()), first=1, void=[0]),
        licence="CC BY-NC-SA 4.0: non-commercial",
        citation="Wang, Zheng, Ma, Lu, Zhong: LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic "
        "Segmentation. NeurIPS Datasets and Benchmarks 2021",
        homepage="https://github.com/Junjue-Wang/LoveDA",
        get="Download Train.zip and Val.zip from zenodo.org/records/5706578.",
        layout="{Train,Val}/{Urban,Rural}/{images_png,masks_png}/*.png",
        official={"train": 2522, "val": 1669},
        splits="held_out: a tenth of the training images for val; the publisher's val is test",
        inside=("LoveDA", "2021LoveDA"),
    )

    def __init__(
        self, *, root: str, scene: Literal["both", "urban", "rural"] = "both", split: SplitAs = "held_out"
    ) -> None:
        super().__init__(root)
        scenes = ("Urban", "Rural") if scene == "both" else (scene.capitalize(),)
        train, judged = ([pair for scene in scenes for pair in self._tiles(part, scene)] for part in ("Train", "Val"))
        self.samples = split_as(split, train, judged)

    def _tiles(self, part: str, scene: str) -> list[Sample]:
        images, masks = (self._files(f"{part}/{scene}/{kind}_png", ".png") for kind in ("images", "masks"))
        return self._pair(images, masks, prefix=f"{scene}/")
