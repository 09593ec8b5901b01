"""CamVid as its makers publish it: 32 labels at 960x720, or the 11 classes that they are grouped into."""

import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import VOID, ClassMap
from fnmask.data.named.camvid import CamVid, drive
from fnmask.data.named.facts import Facts, classes_by_color
from fnmask.data.named.reader import NamedSet, with_group
from fnmask.data.samples import Sample
from fnmask.data.source import Split

# The 32nd label is Void, black.
_COLORS = {
    "Animal": "408040",
    "Archway": "C00080",
    "Bicyclist": "0080C0",
    "Bridge": "008040",
    "Building": "800000",
    "Car": "400080",
    "CartLuggagePram": "4000C0",
    "Child": "C08040",
    "Column_Pole": "C0C080",
    "Fence": "404080",
    "LaneMkgsDriv": "8000C0",
    "LaneMkgsNonDriv": "C00040",
    "Misc_Text": "808040",
    "MotorcycleScooter": "C000C0",
    "OtherMoving": "804040",
    "ParkingBlock": "40C080",
    "Pedestrian": "404000",
    "Road": "804080",
    "RoadShoulder": "8080C0",
    "Sidewalk": "0000C0",
    "SignSymbol": "C08080",
    "Sky": "808080",
    "SUVPickupTruck": "4080C0",
    "TrafficCone": "000040",
    "TrafficLight": "004040",
    "Train": "C04080",
    "Tree": "808000",
    "Truck_Bus": "C080C0",
    "Tunnel": "400040",
    "VegetationMisc": "C0C000",
    "Wall": "40C000",
}
# Class of the 11 -> the labels that make it.
GROUPS = {
    "sky": ("Sky",),
    "building": ("Building", "Bridge", "Wall", "Tunnel", "Archway"),
    "pole": ("Column_Pole", "TrafficCone"),
    "road": ("Road", "LaneMkgsDriv", "LaneMkgsNonDriv"),
    "pavement": ("Sidewalk", "ParkingBlock", "RoadShoulder"),
    "tree": ("Tree", "VegetationMisc"),
    "signsymbol": ("SignSymbol", "Misc_Text", "TrafficLight"),
    "fence": ("Fence",),
    "car": ("Car", "SUVPickupTruck", "Truck_Bus", "Train", "OtherMoving"),
    "pedestrian": ("Pedestrian", "Child", "CartLuggagePram", "Animal"),
    "bicyclist": ("Bicyclist", "MotorcycleScooter"),
}
# The grouped classes are those of `CamVid`, in its order.
_GROUPED = ClassMap(CamVid.facts.classes.names, CamVid.facts.classes.colors, tuple(range(len(GROUPS))), has_colors=True)


class CamVid32(NamedSet):
    """701 frames of 960x720 in 31 classes and void, split into 367, 101 and 233 as in SegNet.

    Args:
        root: folder that holds 701_StillsRaw_full/ and LabeledApproved_full/; "~" is expanded.
        classes: 32 labels, of which Void is no class, or the 11 classes of `CamVid`.

    Raises:
        FileNotFoundError: a folder or a partner is missing; the message says what belongs where.
    """

    facts = Facts(
        title="CamVid in full size",
        classes=classes_by_color(_COLORS, void=("000000",)),
        licence="none stated; ask the makers before any use but research",
        citation="Brostow, Fauqueur, Cipolla: Semantic object classes in video. Pattern Recognition Letters 2009; "
        "Brostow, Shotton, Fauqueur, Cipolla: Segmentation and Recognition Using Structure from Motion. ECCV 2008",
        homepage="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid",
        get="Download 701_StillsRaw_full.zip and LabeledApproved_full.zip from mi.eng.cam.ac.uk, VideoRec, CamVid.",
        layout="701_StillsRaw_full/*.png and LabeledApproved_full/*_L.png",
        official={"all": 701},
        splits="none by the makers; SegNet's, by drive and frame: 367, 101 and 233",
        unpack_into={"*StillsRaw*": "701_StillsRaw_full", "*LabeledApproved*": "LabeledApproved_full"},
        encoding="colors",
    )

    def __init__(self, *, root: str, classes: Literal[32, 11] = 32) -> None:
        super().__init__(root)
        if classes == 11:
            # A prediction of a group is written in the group's color; masks are read in those of all labels.
            self.class_names, self.class_colors = _GROUPED.names, _GROUPED.colors
        self._table = _table(grouped=classes == 11)
        self.salt += f" {classes}"
        images = self._files("701_StillsRaw_full", ".png", below=True)
        masks = self._files("LabeledApproved_full", "_L.png", below=True)
        splits: dict[Split, list[Sample]] = {"train": [], "val": [], "test": []}
        for sample in with_group(self._pair(images, masks), drive):
            splits[_split_of(sample.id)].append(sample)
        self.samples = {split: tuple(own) for split, own in splits.items()}

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """See `NamedSet`."""
        image, labels = super().load(split, index)
        return image, self._table[labels]


def _table(*, grouped: bool) -> NDArray[np.uint8]:
    """From the labels of all classes to those that are asked for."""
    table = np.arange(VOID + 1, dtype=np.uint8)
    if grouped:
        for label, name in enumerate(_COLORS):
            table[label] = next(place for place, own in enumerate(GROUPS.values()) if name in own)
    return table


def _split_of(name: str) -> Split:
    """SegNet's split of a frame such as `0001TP_006690` or `Seq05VD_f00000`."""
    taken_on, _, number = name.partition("_")
    frame = int(re.sub(r"\D", "", number) or 0)
    if taken_on == "Seq05VD" or (taken_on == "0001TP" and frame > 8520):
        return "test"
    return "val" if taken_on == "0016E5" and 7959 <= frame <= 8159 else "train"
