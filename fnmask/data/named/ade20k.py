"""ADE20K as in the scene parsing challenge of 2016: indoors and outdoors, 150 classes."""

from pathlib import Path

from fnmask.data.class_map import read_class_map
from fnmask.data.named.facts import Facts
from fnmask.data.named.reader import NamedSet, SplitAs, split_as
from fnmask.data.samples import Sample


class Ade20k(NamedSet):
    """20210 training and 2000 validation images; the labels of the test images are not public.

    A class has the first of the names that the publisher lists for it. The publisher's colors give road and skyscraper
    the same gray, so others are shown.

    Args:
        root: folder that holds ADEChallengeData2016/, or that folder itself; "~" is expanded.
        split: `held_out`: a tenth of the training images validates, the publisher's validation images test;
            `official`: train and val as published, no test split.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="ADE20K",
        classes=read_class_map(Path(__file__).with_name("ade20k.csv")),
        licence="images: non-commercial research and teaching; annotations: BSD 3-Clause",
        citation="Zhou, Zhao, Puig, Fidler, Barriuso, Torralba: Scene Parsing through ADE20K Dataset. CVPR 2017",
        homepage="http://sceneparsing.csail.mit.edu",
        get="Download ADEChallengeData2016.zip from sceneparsing.csail.mit.edu.",
        layout="ADEChallengeData2016/{images/{training,validation}/*.jpg, annotations/{training,validation}/*.png}",
        official={"train": 20210, "val": 2000},
        splits="held_out: a tenth of the training images for val; the publisher's val is test",
        inside=("ADEChallengeData2016", "*/ADEChallengeData2016"),
    )

    def __init__(self, *, root: str, split: SplitAs = "held_out") -> None:
        super().__init__(root)
        self.samples = split_as(split, self._images("training"), self._images("validation"))

    def _images(self, part: str) -> list[Sample]:
        return self._pair(self._files(f"images/{part}", ".jpg"), self._files(f"annotations/{part}", ".png"))
