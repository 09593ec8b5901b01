"""Images cut into tiles: every pixel once, at its place, in one split, and read without the rest of its file."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fnmask.data.class_map import VOID
from fnmask.data.folder import Folder
from fnmask.data.mask_files import read_colors
from fnmask.data.rasters import UnreadableError, Window, read_raster
from fnmask.data.reading import read_photo
from fnmask.data.samples import Sample
from fnmask.data.tiles import cut_into_tiles

PALETTE = [132, 41, 246, 110, 193, 228, 0, 0, 0]
COLORS = np.array(PALETTE, np.uint8).reshape(-1, 3)
CLASSES = {"land": "#8429F6", "road": "#6EC1E4"}
N_IMAGES, HEIGHT, WIDTH = 6, 45, 70


def image_of(number):
    return np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def labels_of(number):
    return np.random.default_rng(100 + number).integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)


def write(root, suffix="png", kind="colors"):
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(N_IMAGES):
        Image.fromarray(image_of(number)).save(root / "images" / f"{number}.{suffix}")
        labels = labels_of(number)
        mask = Image.fromarray(labels if kind != "colors" else COLORS[labels])
        if kind == "palette":
            mask.putpalette(PALETTE)
        mask.save(root / "masks" / f"{number}.{suffix}")
    return root


def whole(source):
    """Every image and its labels, put together from the tiles of all splits; and how often each pixel came."""
    images = np.zeros((N_IMAGES, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.zeros((N_IMAGES, HEIGHT, WIDTH), np.uint8)
    times = np.zeros((N_IMAGES, HEIGHT, WIDTH), int)
    for split in ("train", "val", "test"):
        for index, name in enumerate(source.ids(split)):
            image, own = source.load(split, index)
            assert image.shape == (*own.shape, 3) == (20, 32, 3)
            number, _, place = name.partition("/")
            row, column = map(int, place.split("_"))
            height, width = min(20, HEIGHT - row), min(32, WIDTH - column)
            at = int(number), slice(row, row + height), slice(column, column + width)
            images[at], labels[at] = image[:height, :width], own[:height, :width]
            times[at] += 1
            assert (own[height:] == VOID).all()
            assert (own[:, width:] == VOID).all()
    return images, labels, times


@pytest.mark.parametrize("with_rasterio", [True, False])
@pytest.mark.parametrize(("suffix", "kind"), [("png", "colors"), ("tif", "colors"), ("tif", "ids"), ("tif", "palette")])
def test_every_pixel_comes_once_and_at_its_place(tmp_path, monkeypatch, suffix, kind, with_rasterio):
    if not with_rasterio:
        for module in ("mask_files", "reading"):
            monkeypatch.setattr(f"fnmask.data.{module}.has_rasterio", lambda: False)
    write(tmp_path, suffix, kind)
    classes = ["land", "road"] if kind == "ids" else CLASSES
    source = Folder(root=str(tmp_path), classes=classes, tile_size=(20, 32))
    images, labels, times = whole(source)
    assert (times == 1).all()
    np.testing.assert_array_equal(images, [image_of(number) for number in range(N_IMAGES)])
    np.testing.assert_array_equal(labels, [labels_of(number) for number in range(N_IMAGES)])


def test_tiles_of_an_image_are_one_group_in_one_split(tmp_path):
    source = Folder(root=str(write(tmp_path)), classes=CLASSES, tile_size=(20, 32))
    groups = {split: Counter(source.groups(split)) for split in ("train", "val", "test")}
    assert sum(len(own) for own in groups.values()) == N_IMAGES, "none is divided"
    assert {count for own in groups.values() for count in own.values()} == {9}
    other = Folder(root=str(tmp_path), classes=CLASSES, tile_size=(20, 31))
    assert other.digest() != source.digest() == Folder(root=str(tmp_path), classes=CLASSES, tile_size=(20, 32)).digest()


def test_an_image_that_fits_is_one_tile(tmp_path):
    source = Folder(root=str(write(tmp_path)), classes=CLASSES, tile_size=(HEIGHT, WIDTH))
    assert sum(len(source.ids(split)) for split in ("train", "val", "test")) == N_IMAGES
    np.testing.assert_array_equal(source.load("val", 0)[1].shape, (HEIGHT, WIDTH))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_files_for_each_class_are_read_in_tiles_too(tmp_path, suffix):
    write(tmp_path, suffix)
    for number in range(N_IMAGES):
        road = Image.fromarray(labels_of(number) * 255)
        road.save(tmp_path / "masks" / f"{number}_road.{suffix}")
    masks = "masks/{id}_{class}." + suffix
    source = Folder(root=str(tmp_path), classes=["land", "road"], masks=masks, rest="land", tile_size=(20, 32))
    np.testing.assert_array_equal(whole(source)[1], [labels_of(number) for number in range(N_IMAGES)])
    Image.new("L", (WIDTH, HEIGHT + 20)).save(tmp_path / "masks" / f"0_road.{suffix}")
    with pytest.raises(ValueError, match="must be of one size"):
        whole(source)


def test_another_size_is_refused_before_a_tile_is_read(tmp_path):
    write(tmp_path)
    Image.new("RGB", (WIDTH, HEIGHT + 20)).save(tmp_path / "masks" / "3.png")
    with pytest.raises(UnreadableError, match=r"3\.png has 65 x 70 px, its image 45 x 70 px"):
        Folder(root=str(tmp_path), classes=CLASSES, tile_size=(20, 32))


def test_an_unknown_color_is_told_with_its_place(tmp_path):
    write(tmp_path)
    mask = COLORS[labels_of(0)]
    mask[44, 69] = 1, 2, 3
    Image.fromarray(mask).save(tmp_path / "masks" / "0.png")
    source = Folder(root=str(tmp_path), classes=CLASSES, tile_size=(20, 32))
    with pytest.raises(ValueError, match=r"0\.png, from row 40, column 64: it holds the colors #010203 \(1 px\)"):
        whole(source)


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = tmp_path / "a.png"
    for value in (7, 9):
        Image.new("RGB", (8, 8), (value, value, value)).save(path)
        # Within one tick of a file system's clock nothing tells them apart.

        os.utime(path, ns=(value, value))
        assert (read_photo(path, window=Window(4, 4, 4, 4)) == value).all()


@pytest.mark.parametrize(("mode", "color"), [("P", 1), ("CMYK", (10, 20, 30, 40)), ("L", 99), ("RGBA", (9, 8, 7, 100))])
@pytest.mark.parametrize("window", [None, Window(2, 3, 4, 5)])
def test_a_tiff_has_the_colors_that_a_png_has(tmp_path, mode, color, window):
    """rasterio gives the indices of palettes and the inks of CMYK, which are no colors."""
    picture = Image.new(mode, (12, 10), color)
    if mode == "P":
        picture.putpalette(PALETTE)
    picture.save(tmp_path / "a.tif")
    picture.convert("RGB").save(tmp_path / "b.png")
    of_tiff, of_png = (read_photo(tmp_path / name, window=window) for name in ("a.tif", "b.png"))
    np.testing.assert_array_equal(of_tiff, of_png)


def test_a_large_raster_is_not_read_at_once(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "a.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableError, match=r"a\.tif has more than 0 megapixels"):
        read_raster(tmp_path / "a.tif")
    assert read_raster(tmp_path / "a.tif", Window(0, 0, 7, 9)).shape == (7, 9, 1)
    assert len(cut_into_tiles(Sample("a", tmp_path / "a.tif"), (50, 50))) == 4


LARGE = """
import resource, sys
from fnmask.data.folder import Folder
source = Folder(root=sys.argv[1], classes=["land", "road"], tile_size=(512, 512), val_fraction=0.3, test_fraction=0.3)
ids = [(split, index) for split in ("train", "val", "test") for index in range(len(source.ids(split)))]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for split, index in ids[:40]:
    image, labels = source.load(split, index)
    assert image.shape == (512, 512, 3) and image.max() == 200 and labels[0, 0] == 1
print(len(ids), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_images_of_400_megapixels_are_read_tile_by_tile(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        for folder, count, value in (("images", 3, 200), ("masks", 1, 1)):
            profile = {"driver": "GTiff", "height": 20_000, "width": 20_000, "count": count, "dtype": "uint8"}
            tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
            with rasterio.open(tmp_path / folder / f"{number}.tif", "w", **profile, **tiled) as file:
                rows = np.full((count, 512, 20_000), value, np.uint8)
                for first in range(0, 20_000, 512):
                    height = min(512, 20_000 - first)
                    file.write(rows[:, :height], window=rasterio.windows.Window(0, first, 20_000, height))
    told = subprocess.run(
        [sys.executable, "-c", LARGE, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(told[0]) == 4 * 40 * 40
    # Of an image alone: 1,200 MB.
    assert int(told[1]) < 300_000


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("window", [None, Window(0, 0, 1, 2)])
def test_16_bits_are_no_color(tmp_path, suffix, window):
    """Above 255 they were white in whole masks, and began again at black in tiles."""
    Image.fromarray(np.array([[0, 256]], np.uint16)).save(tmp_path / f"a.{suffix}")
    with pytest.raises(UnreadableError, match=rf"a\.{suffix} has 16 bits in a pixel.* Give mask_format=ids"):
        read_colors(tmp_path / f"a.{suffix}", window)
