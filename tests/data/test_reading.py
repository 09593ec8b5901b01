"""Pictures of any kind as color, and one sentence for each that is none."""

import os
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from fnmask.data.mask_files import read_values
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.reading import picture_size, read_photo

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def save(path, mode="RGB"):
    Image.fromarray(PIXELS).convert(mode).save(path)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "CMYK"])
def test_any_mode_of_8_bits_is_read_as_color(tmp_path, mode):
    path = save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"), mode)
    found = read_photo(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.array(Image.fromarray(PIXELS).convert(mode).convert("RGB")))


def test_a_palette_with_transparent_entries(tmp_path):
    picture = Image.fromarray(PIXELS).convert("P")
    picture.save(tmp_path / "a.png", transparency=bytes(range(255, 155, -1)))
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), np.array(picture.convert("RGB")))


def test_a_photograph_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter turn clockwise
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), np.rot90(PIXELS, -1))


def test_bad_files_are_told_in_a_line(tmp_path, monkeypatch):
    whole = save(tmp_path / "whole.png").read_bytes()
    jpeg = save(tmp_path / "whole.jpg").read_bytes()
    deep = (PIXELS[..., 0].astype(np.uint16) * 200, PIXELS[..., 0].astype(np.float32))
    for name, content in (("zero.png", b""), ("text.png", b"hello"), ("cut.png", whole[:-40]), ("cut.jpg", jpeg[:-60])):
        (tmp_path / name).write_bytes(content)
    Image.fromarray(deep[0]).save(tmp_path / "deep.png")
    Image.fromarray(deep[1]).save(tmp_path / "float.tif")
    told = {}
    for name in ("zero.png", "text.png", "cut.png", "cut.jpg", "deep.png", "float.tif", "none.png"):
        with pytest.raises(UnreadableError) as bad:
            read_photo(tmp_path / name, may_be_deep=False)
        told[name] = str(bad.value)
        assert "\n" not in told[name]
        assert told[name].startswith(f"{tmp_path / name} ")
    assert "is empty" in told["zero.png"]
    assert "cannot be read as a picture" in told["text.png"]
    assert "truncated" in told["cut.jpg"].lower()
    assert "has more than 8 bits in a channel; save it with 8" in told["deep.png"]
    assert "has more than 8 bits in a channel; save it with 8" in told["float.tif"]
    assert "is not there any more" in told["none.png"]
    with pytest.raises(
        UnreadableError,
        match=r"float\.tif has pixels of type float32, which have no range of their own; give value_range",
    ):
        read_photo(tmp_path / "float.tif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 11)
    with pytest.raises(UnreadableError, match=r"whole\.png has more than 0 megapixels"):
        read_photo(tmp_path / "whole.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # 24 px: Pillow warns, and reads
    assert read_photo(tmp_path / "whole.png").shape == (6, 4, 3)


def test_a_range_of_values_becomes_bytes(tmp_path):
    Image.fromarray(np.array([[0, 1000, 4095, 9000]], np.uint16)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png", value_range=(0, 4095))[0, :, 0].tolist() == [0, 62, 255, 255]
    assert read_photo(tmp_path / "a.png")[0, :, 1].tolist() == [0, 4, 16, 35]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = save(tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(UnreadableError, match="may not be read: mend its permissions"):
        read_photo(path)


def turned(tmp_path, name, orientation, **how):
    """A file whose pixels lie as a camera held it, and what it shows."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if name.endswith("tif"):
        Image.fromarray(PIXELS).save(tmp_path / name, tiffinfo={0x0112: orientation})
    else:
        Image.fromarray(PIXELS).save(tmp_path / name, exif=exif, **how)
    with Image.open(tmp_path / name) as picture:
        return np.asarray(ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("name", "channels"), [("a.png", None), ("a.png", [2, 1, 0]), ("a.tif", None), ("a.tif", [0])])
def test_every_turn_by_every_way_of_reading(tmp_path, orientation, name, channels):
    """TIFF files, and images whose channels were chosen, were left as they are stored, unlike their masks."""
    upright = turned(tmp_path, name, orientation)
    chosen = upright if channels is None else upright[..., channels * (3 // len(channels))]
    np.testing.assert_array_equal(read_photo(tmp_path / name, channels=channels), chosen)
    assert picture_size(tmp_path / name) == upright.shape[:2]
    stored = PIXELS if channels is None else PIXELS[..., channels * (3 // len(channels))]
    np.testing.assert_array_equal(read_photo(tmp_path / name, channels=channels, upright=False), stored)
    if name == "a.tif" and orientation > 1:
        with pytest.raises(UnreadableError, match=r"a\.tif is stored turned; save it upright"):
            read_photo(tmp_path / name, window=Window(0, 0, 2, 2))


def test_deep_colors_keep_their_lower_bits(tmp_path):
    values = np.array([[[0, 4095, 1000]] * 4] * 6, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values[..., ::-1])
    assert read_photo(tmp_path / "a.png", value_range=(0, 4095))[0, 0].tolist() == [0, 255, 62]
    assert read_photo(tmp_path / "a.png")[0, 0].tolist() == [0, 16, 4]


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize(("n_bits", "kind"), [(1, "uint8"), (4, "uint8"), (8, "uint8"), (12, "uint16"), (16, "uint16")])
@pytest.mark.parametrize("photometric", ["MINISBLACK", "MINISWHITE"])
@pytest.mark.parametrize("window", [None, Window(0, 0, 2, 2)])
def test_a_tiff_is_as_bright_as_its_bits_say(tmp_path, n_bits, kind, photometric, window):
    rasterio = pytest.importorskip("rasterio")
    most = 2**n_bits - 1
    values = np.array([[0, most], [most, 0]], kind)
    how = {"driver": "GTiff", "height": 2, "width": 2, "count": 1, "dtype": kind, "nbits": n_bits}
    with rasterio.open(tmp_path / "a.tif", "w", photometric=photometric, **how) as raster:
        raster.write(values if photometric == "MINISBLACK" else most - values, 1)
    assert read_photo(tmp_path / "a.tif", window=window)[..., 0].tolist() == [[0, 255], [255, 0]]
    # A mask, whole by Pillow and in tiles by rasterio.
    if n_bits != 12:
        np.testing.assert_array_equal(read_values(tmp_path / "a.tif", window)[0], values)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("kind", ["int8", "int16", "uint32", "int32"])
def test_ids_of_any_whole_numbers_are_taken(tmp_path, kind):
    """As programs for maps write them."""
    rasterio = pytest.importorskip("rasterio")
    values = np.array([[0, 3], [100, 1]], kind)
    for name, given in (("a", values), ("b", values - 1)):
        with rasterio.open(tmp_path / f"{name}.tif", "w", "GTiff", 2, 2, 1, dtype=kind) as raster:
            raster.write(given, 1)
    for window in (None, Window(0, 0, 2, 2)):
        found, clear = read_values(tmp_path / "a.tif", window)
        np.testing.assert_array_equal(found, values)
        assert clear is None
    with pytest.raises(UnreadableError, match=r"b\.tif holds values outside 0\.\.65535, so it is no mask"):
        read_values(tmp_path / "b.tif", Window(0, 0, 2, 2))


def test_a_bitmap_of_16_bits_for_all_channels_is_not_deep(tmp_path):
    masks = struct.pack("<3I", 0xF800, 0x07E0, 0x001F)
    head = struct.pack("<2sIHHI", b"BM", 70, 0, 0, 66) + struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(head + masks + struct.pack("<2H", 0xF800, 0x001F))
    assert read_photo(tmp_path / "a.bmp").tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert read_values(tmp_path / "a.bmp")[0].tolist() == [[[255, 0, 0], [0, 0, 255]]]
