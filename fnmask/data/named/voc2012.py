"""Pascal VOC 2012: photographs, 20 kinds of objects and background."""

from fnmask.data.class_map import distinct_colors
from fnmask.data.named.facts import Facts, classes_by_id
from fnmask.data.named.reader import NamedSet, SplitAs, split_as
from fnmask.data.samples import Sample

_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


class Voc2012(NamedSet):
    """1464 training and 1449 validation images; the labels of the test images are not public.

    Masks are PNG files with a palette, whose indices are the classes; the border around objects, 255, is void.

    Args:
        root: folder that holds VOCdevkit/VOC2012/, or that folder itself; "~" is expanded.
        split: `held_out`: a tenth of the training images validates, the publisher's validation images test;
            `official`: train and val as published, no test split.

    Raises:
        FileNotFoundError: a folder or a listed file is missing; the message says what belongs where.
    """

    facts = Facts(
        title="Pascal VOC 2012",
        classes=classes_by_id(_NAMES, [(0, 0, 0), *distinct_colors(len(_NAMES) - 1)], void=[255]),
        licence="none stated; the images follow the terms of use of Flickr",
        citation="Everingham et al.: The PASCAL Visual Object Classes Challenge 2012 (VOC2012) Results. 2012",
        homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012",
        get="Download VOCtrainval_11-May-2012.tar from host.robots.ox.ac.uk/pascal/VOC/voc2012.",
        layout="VOCdevkit/VOC2012/{JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/{train,val}.txt}",
        official={"train": 1464, "val": 1449},
        splits="held_out: a tenth of the training images for val; the publisher's val is test",
        inside=("VOCdevkit/VOC2012", "VOC2012", "*/VOCdevkit/VOC2012"),
    )

    def __init__(self, *, root: str, split: SplitAs = "held_out") -> None:
        super().__init__(root)
        images, masks = self._files("JPEGImages", ".jpg"), self._files("SegmentationClass", ".png")

        def listed(part: str) -> list[Sample]:
            return self._among(self._listed(f"ImageSets/Segmentation/{part}.txt"), images, masks)

        self.samples = split_as(split, listed("train"), listed("val"))
