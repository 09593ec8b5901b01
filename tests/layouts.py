"""Public data sets in miniature, in the layout of their publishers: every label of every mask is known."""

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 8, 4


def save(path: Path, pixels: np.ndarray, *, palette: bool = False, **kwargs: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    if palette:
        picture.putpalette(list(range(256)) * 3)
    picture.save(path, **kwargs)


def photo(path: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    save(path, np.full((*size, 3), 100, np.uint8))


def ids(path: Path, values: list[int], *, palette: bool = False) -> None:
    """A mask of ids; the values follow each other row by row, and are repeated to its end."""
    save(path, np.resize(np.array(values, np.uint8), (HEIGHT, WIDTH)), palette=palette)


def colors(path: Path, digits: list[str]) -> None:
    """A mask of colors, as `ids`."""
    rgb = np.array([list(bytes.fromhex(color)) for color in digits], np.uint8)
    save(path, rgb[np.resize(np.arange(len(rgb)), (HEIGHT, WIDTH))])


def cityscapes(root: Path, values: list[int], train: int = 10) -> None:
    cities = {f"train/city{number % 5}": (number, number + 5) for number in range(train // 2)}
    for place, frames in {**cities, "val/lindau": (0, 1)}.items():
        city = place.split("/")[1]
        for frame in frames:
            name = f"{city}_{frame:06d}_000019"
            photo(root / f"leftImg8bit/{place}/{name}_leftImg8bit.png")
            ids(root / f"gtFine/{place}/{name}_gtFine_labelIds.png", values)
            # What else the archive brings.
            ids(root / f"gtFine/{place}/{name}_gtFine_instanceIds.png", [255])
            (root / f"gtFine/{place}/{name}_gtFine_polygons.json").write_text("{}")


def voc2012(root: Path, values: list[int], train: int = 10) -> None:
    folder = root / "VOCdevkit/VOC2012"
    lists = {"train": [f"2007_{number:06d}" for number in range(train)], "val": ["2008_000001", "2008_000009"]}
    for part, names in lists.items():
        for name in names:
            photo(folder / f"JPEGImages/{name}.jpg")
            ids(folder / f"SegmentationClass/{name}.png", values, palette=True)
        listed = folder / f"ImageSets/Segmentation/{part}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(names) + "\n")
    photo(folder / "JPEGImages/2009_000001.jpg")  # most images have no mask


def ade20k(root: Path, values: list[int], train: int = 10) -> None:
    for part, short, count in (("training", "train", train), ("validation", "val", 2)):
        for number in range(1, count + 1):
            name = f"ADE_{short}_{number:08d}"
            photo(root / f"ADEChallengeData2016/images/{part}/{name}.jpg")
            ids(root / f"ADEChallengeData2016/annotations/{part}/{name}.png", values)
        (root / f"ADEChallengeData2016/images/{part}/._{name}.jpg").write_bytes(b"macOS")


def oxford_pet(root: Path, values: list[int], train: int = 10) -> None:
    lists = {"trainval": [f"Abyssinian_{number}" for number in range(train)], "test": ["beagle_1", "beagle_9"]}
    for part, names in lists.items():
        for name in names:
            photo(root / f"images/{name}.jpg")
            ids(root / f"annotations/trimaps/{name}.png", values)
            (root / f"annotations/trimaps/._{name}.png").write_bytes(b"macOS")
        (root / f"annotations/{part}.txt").write_text("".join(f"{name} 1 1 1\n" for name in names))


def coco_stuff(root: Path, values: list[int], train: int = 10) -> None:
    for part, first, count in (("train2017", 9, train), ("val2017", 139, 2)):
        for number in range(first, first + count):
            photo(root / f"images/{part}/{number:012d}.jpg")
            ids(root / f"annotations/{part}/{number:012d}.png", values)


def loveda(root: Path, values: list[int], train: int = 10) -> None:
    for part, first, count in (("Train", 0, train // 2), ("Val", 2522, 1)):
        for scene in ("Urban", "Rural"):
            for number in range(first, first + count):
                photo(root / f"{part}/{scene}/images_png/{number}.png")
                ids(root / f"{part}/{scene}/masks_png/{number}.png", values)


def camvid32(root: Path, digits: list[str]) -> None:
    names = ["0001TP_006690", "0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07957", "0016E5_07959"]
    for name in [*names, "0016E5_08159", "0016E5_08160", "Seq05VD_f00000"]:
        photo(root / f"701_StillsRaw_full/{name}.png")
        colors(root / f"LabeledApproved_full/{name}_L.png", digits)


def camvid(root: Path, values: list[int]) -> None:
    """As the SegNet tutorial has it."""
    for part, number in (("train", 6690), ("val", 7959), ("test", 8550)):
        for name in (f"0001TP_{number:06d}", f"0001TP_{number + 30:06d}"):
            photo(root / f"{part}/{name}.png")
            ids(root / f"{part}annot/{name}.png", values)
        (root / f"{part}.txt").write_text("/SegNet/CamVid/...\n")


def dubai(root: Path, digits: list[str]) -> None:
    for tile in range(1, 9):
        for part in range(1, 10):
            photo(root / f"Semantic segmentation dataset/Tile {tile}/images/image_part_{part:03d}.jpg")
            colors(root / f"Semantic segmentation dataset/Tile {tile}/masks/image_part_{part:03d}.png", digits)


TRAIN_TILES = [(row, column) for row in range(2, 6) for column in (10, 11, 12)]
TRAIN_TILES += [(row, column) for row in (6, 7) for column in range(7, 13)]
TEST_TILES = [(2, 13), (2, 14), (3, 13), (3, 14), (4, 13), (4, 14), (4, 15), (5, 13), (5, 14), (5, 15)]
TEST_TILES += [(6, 13), (6, 14), (6, 15), (7, 13)]


def potsdam(root: Path, digits: list[str], size_px: int = 40) -> None:
    """Tiles whose left half is of the first color, and the right half of the others in columns."""
    rgb = [list(bytes.fromhex(color)) for color in digits]
    half = size_px // 2
    order = [0] * half + [1 + column * (len(rgb) - 1) // half for column in range(half)]
    mask = np.broadcast_to(np.array(rgb, np.uint8)[order], (size_px, size_px, 3)).copy()
    for row, column in [*TRAIN_TILES, *TEST_TILES]:
        name = f"top_potsdam_{row}_{column}"
        # Each pixel says where it is, and of which tile.
        place = [*np.indices((size_px, size_px)), np.full((size_px, size_px), row * 10 + column)]
        save(root / f"2_Ortho_RGB/{name}_RGB.tif", np.stack(place, axis=-1).astype(np.uint8))
        save(root / f"5_Labels_all/{name}_label.tif", mask)


# Option -> a way to write it, with values or colors that show every kind of them.
LAYOUTS = {
    "cityscapes": lambda root: cityscapes(root, list(range(34))),
    "voc2012": lambda root: voc2012(root, [*range(21), 255]),
    "ade20k": lambda root: ade20k(root, [0, 1, 7, 150]),
    "oxford_pet": lambda root: oxford_pet(root, [1, 2, 3]),
    "coco_stuff": lambda root: coco_stuff(root, [0, 10, 12, 89, 91, 148, 181, 255]),
    "loveda": lambda root: loveda(root, list(range(8))),
    "camvid32": lambda root: camvid32(root, ["804080", "8000C0", "400080", "000000"]),
    "camvid": lambda root: camvid(root, list(range(12))),
    "dubai": lambda root: dubai(root, ["3C1098", "6EC1E4", "000000"]),
    "potsdam": lambda root: potsdam(root, ["FFFFFF", "0000FF", "00FFFF", "00FF00", "FFFF00", "FF0000"]),
}
