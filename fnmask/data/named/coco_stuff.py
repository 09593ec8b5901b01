"""COCO-Stuff: the photographs of COCO 2017, 80 things and 91 kinds of stuff."""

from pathlib import Path

from fnmask.data.class_map import read_class_map
from fnmask.data.named.facts import Facts
from fnmask.data.named.reader import NamedSet, SplitAs, split_as
from fnmask.data.samples import Sample


class CocoStuff(NamedSet):
    """118287 training and 5000 validation images of the pixel maps `stuffthingmaps`: ids 0 to 181, 255 unlabeled.

    Ids are those of COCO less one; of its 91 things eleven were never annotated, so there are 171 classes.

    Args:
        root: folder that holds images/ and annotations/; "~" is expanded.
        split: `held_out`: a tenth of the training images validates, the publisher's validation images test;
            `official`: train and val as published, no test split.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="COCO-Stuff",
        classes=read_class_map(Path(__file__).with_name("coco_stuff.csv")),
        licence="annotations: CC BY 4.0; the images follow the terms of Flickr",
        citation="Caesar, Uijlings, Ferrari: COCO-Stuff: Thing and Stuff Classes in Context. CVPR 2018",
        homepage="https://github.com/nightrome/cocostuff",
        get="Download train2017.zip and val2017.zip from images.cocodataset.org/zips, and "
        "stuffthingmaps_trainval2017.zip as linked at github.com/nightrome/cocostuff.",
        layout="images/{train2017,val2017}/*.jpg and annotations/{train2017,val2017}/*.png",
        official={"train": 118287, "val": 5000},
        splits="held_out: a tenth of the training images for val; the publisher's val is test",
        inside=("cocostuff/dataset", "dataset"),
        unpack_into={"stuffthingmaps*": "annotations", "*2017*": "images"},
    )

    def __init__(self, *, root: str, split: SplitAs = "held_out") -> None:
        super().__init__(root)
        self.samples = split_as(split, self._images("train2017"), self._images("val2017"))

    def _images(self, part: str) -> list[Sample]:
        return self._pair(self._files(f"images/{part}", ".jpg"), self._files(f"annotations/{part}", ".png"))
