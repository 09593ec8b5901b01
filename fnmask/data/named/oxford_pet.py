"""Oxford-IIIT Pet: cats and dogs, trimaps of pet, background and the border between them."""

from typing import Literal

from fnmask.data.named.facts import Facts, classes_by_id
from fnmask.data.named.reader import NamedSet, split_as

_COLORS = {"pet": (230, 120, 50), "background": (60, 60, 70), "border": (250, 230, 120)}
_TWO = classes_by_id(("pet", "background"), (_COLORS["pet"], _COLORS["background"]), first=1, void=[3])
_THREE = classes_by_id(tuple(_COLORS), tuple(_COLORS.values()), first=1)


class OxfordPet(NamedSet):
    """3680 images for training and validation, 3669 for test, 37 breeds.

    Args:
        root: folder that holds images/ and annotations/; "~" is expanded.
        border: what the seam around a pet is, which the annotators left open: `void`, or a `class` of its own.

    Raises:
        FileNotFoundError: a folder or a listed file is missing; the message says what belongs where.
    """

    facts = Facts(
        title="Oxford-IIIT Pet",
        classes=_TWO,
        licence="CC BY-SA 4.0",
        citation="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs. CVPR 2012",
        homepage="https://www.robots.ox.ac.uk/~vgg/data/pets",
        get="Download images.tar.gz and annotations.tar.gz from robots.ox.ac.uk/~vgg/data/pets.",
        layout="images/*.jpg, annotations/trimaps/*.png and annotations/{trainval,test}.txt",
        official={"trainval": 3680, "test": 3669},
        splits="a tenth of trainval for val, test as published",
        inside=("oxford-iiit-pet",),
    )

    def __init__(self, *, root: str, border: Literal["void", "class"] = "void") -> None:
        super().__init__(root)
        if border == "class":
            self._settle(_THREE)
        images, masks = self._files("images", ".jpg"), self._files("annotations/trimaps", ".png")
        trainval, test = (
            self._among(self._listed(f"annotations/{part}.txt"), images, masks) for part in ("trainval", "test")
        )
        self.samples = split_as("held_out", trainval, test)
