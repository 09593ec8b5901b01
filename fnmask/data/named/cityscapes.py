"""Cityscapes: streets of many cities, the 19 classes of its benchmark out of 34 labels, fine annotations."""

from fnmask.data.named.facts import Facts, classes_by_id
from fnmask.data.named.reader import NamedSet, SplitAs, split_as, with_group
from fnmask.data.samples import Sample

# Label id, name, color; the other ids from 0 to 33 are left out of the benchmark.
_CLASSES = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
_IDS = {number: name for number, name, _ in _CLASSES}


class Cityscapes(NamedSet):
    """2975 training and 500 validation frames of 2048x1024; the labels of the 1525 test frames are not public.

    Args:
        root: folder that holds leftImg8bit/ and gtFine/; "~" is expanded.
        split: `held_out`: whole training cities validate, the publisher's validation cities test; `official`: train and
            val as published, no test split.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="Cityscapes",
        classes=classes_by_id(
            _IDS, [color for _, _, color in _CLASSES], void=[number for number in range(34) if number not in _IDS]
        ),
        licence="its own terms: non-commercial research and teaching, after registration",
        citation="Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016",
        homepage="https://www.cityscapes-dataset.com",
        get="Register at cityscapes-dataset.com, log in, and download leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip: no program can do it for you.",
        layout="leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and gtFine/{train,val}/CITY/*_gtFine_labelIds.png",
        official={"train": 2975, "val": 500},
        splits="held_out: of the 18 training cities, whole ones for val; the 3 validation cities are test",
        inside=("leftImg8bit_trainvaltest", "cityscapes"),
    )

    def __init__(self, *, root: str, split: SplitAs = "held_out") -> None:
        super().__init__(root)
        self.samples = split_as(split, self._frames("train"), self._frames("val"))

    def _frames(self, part: str) -> list[Sample]:
        ending, annotated = "_leftImg8bit", "_gtFine_labelIds"
        images = self._files(f"leftImg8bit/{part}", f"{ending}.png", below=True)
        masks = self._files(f"gtFine/{part}", f"{annotated}.png", below=True)
        return with_group(self._pair(images, masks), lambda frame: frame.image.parent.name)
