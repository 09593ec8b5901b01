"""`dataset=folder` on folders made here, and on the real sets where FNMASK_DATA names their parent."""

import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from folders import fill, save
from PIL import Image, ImageOps

from fnmask.check.checking import check_source
from fnmask.data.folder import Folder
from fnmask.data.learning import LearnedClassesError
from fnmask.data.mask_files import read_values
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.named.camvid import CamVid
from fnmask.data.named.dubai import Dubai
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.reading import read_photo
from fnmask.data.samples import find_files
from fnmask.data.source import SPLITS

CLASSES = {"land": "#0A141E", "road": "#FF0000"}
REAL = os.environ.get("FNMASK_DATA")
real = pytest.mark.skipif(not REAL, reason="FNMASK_DATA does not name the folder of the real sets")


def test_ids_by_names_with_drawn_splits(tmp_path):
    fill(tmp_path, 20)
    source = Folder(root=str(tmp_path), classes=["land", "road"], val_fraction=0.2, test_fraction=0.1)
    assert [len(source.ids(split)) for split in SPLITS] == [14, 4, 2]
    assert sorted(name for split in SPLITS for name in source.ids(split)) == sorted(f"s{n // 5}_{n}" for n in range(20))
    image, labels = source.load("train", 0)
    number = int(source.ids("train")[0].partition("_")[2])
    assert (image == number).all()
    assert (labels == number % 2).all()
    again = Folder(root=str(tmp_path), classes=["land", "road"], val_fraction=0.2, test_fraction=0.1)
    other = Folder(root=str(tmp_path), classes=["land", "road"], val_fraction=0.2, test_fraction=0.1, split_seed=1)
    assert again.samples == source.samples
    assert other.samples != source.samples
    assert len({source.digest(), again.digest(), other.digest()}) == 2


def test_ids_of_a_map_and_void(tmp_path):
    fill(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        save(path, [[7, 3, 9, 7]] * 3)
    source = Folder(root=str(tmp_path), classes={"land": 7, "road": 3}, void=[9])
    assert source.load("train", 0)[1].tolist() == [[0, 1, 255, 0]] * 3
    unknown = Folder(root=str(tmp_path), classes={"land": 7, "road": 3})
    with pytest.raises(UnknownValueError, match=r"it holds the values 9 \(3 px\), .* lists 3, 7\."):
        unknown.load("train", 0)
    with pytest.raises(ValueError, match=r"void is \[7\], but 7 stands for a class"):
        Folder(root=str(tmp_path), classes={"land": 7, "road": 3}, void=[7])


@pytest.mark.parametrize(
    ("name", "how", "kind"),
    [
        ("a.tif", {"compression": "jpeg"}, "TIFF file compressed as JPEG"),
        ("a.webp", {}, "WebP file with loss"),
        ("a.webp", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}, "WebP file with loss"),
    ],
)
def test_masks_that_lost_values_are_refused(tmp_path, name, how, kind):
    """Their gray levels are ids beside those that were saved, most of them of other classes."""
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) % 11).save(tmp_path / name, **how)
    for window in (None, Window(0, 0, 2, 2)):
        with pytest.raises(UnreadableError, match=f"{name} is a {kind}, .* Export it as PNG"):
            read_values(tmp_path / name, window)
    Image.fromarray(np.zeros((16, 16, 4), np.uint8)).save(tmp_path / "b.webp", lossless=True, exif=b"Exif\0\0MM\0*")
    assert (read_values(tmp_path / "b.webp")[0] == 0).all()


def colored(tmp_path: Path) -> None:
    fill(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        save(path, [[[10, 20, 30], [255, 0, 0]], [[255, 0, 0], [0, 0, 0]]])
        save(tmp_path / "images" / path.name, np.zeros((2, 2, 3)))


def test_colors_palettes_and_transparency(tmp_path):
    colored(tmp_path)
    expected = [[0, 1], [1, 255]]
    source = Folder(root=str(tmp_path), classes=CLASSES, void=["#000000"])
    assert source.load("train", 0)[1].tolist() == expected
    assert source.mask_encoding == "colors"
    mask = source.samples["train"][0].masks[0]
    Image.open(mask).convert("P", palette=Image.Palette.ADAPTIVE).save(mask)
    assert source.load("train", 0)[1].tolist() == expected
    save(mask, [[[10, 20, 30, 255], [255, 0, 0, 9]], [[255, 0, 0, 255], [77, 77, 77, 0]]])
    assert source.load("train", 0)[1].tolist() == expected
    # Of a palette, and of RGB, one color may be declared transparent: here one that else would be land.
    palette = Image.fromarray(np.array([[1, 0], [0, 2]], np.uint8))
    palette.putpalette([255, 0, 0, 10, 20, 30, 10, 20, 30])
    palette.save(mask, transparency=2)
    assert source.load("train", 0)[1].tolist() == expected
    as_rgb = Image.fromarray(np.array([[[10, 20, 30], [255, 0, 0]], [[255, 0, 0], [77, 77, 77]]], np.uint8))
    as_rgb.save(mask, transparency=(77, 77, 77))
    assert source.load("train", 0)[1].tolist() == expected


def test_an_index_is_an_id_however_it_is_shown(tmp_path):
    """Programs make the first index transparent, so that labels can be laid over an image."""
    fill(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        mask = Image.fromarray(np.array([[1, 0, 0, 1]] * 3, np.uint8))
        mask.putpalette([0, 0, 0, 255, 0, 0])
        mask.save(path, transparency=0)
    assert Folder(root=str(tmp_path), classes=["land", "road"]).load("train", 0)[1].tolist() == [[1, 0, 0, 1]] * 3
    with pytest.raises(LearnedClassesError) as caught:
        Folder(root=str(tmp_path))
    assert set(caught.value.found) == {0, 1}


def test_palettes_of_their_own_are_colors(tmp_path):
    """As two tiles of the Dubai set have them: an index is another class in each mask."""
    fill(tmp_path)
    colors = np.array([[10, 20, 30], [255, 0, 0]], np.uint8)
    for number, path in enumerate(sorted((tmp_path / "masks").iterdir())):
        mask = Image.fromarray(np.array([[number % 2, 1 - number % 2]] * 3, np.uint8).repeat(2, axis=1))
        mask.putpalette(np.roll(colors, number % 2, axis=0).tobytes())
        mask.save(path)
    with pytest.raises(LearnedClassesError) as caught:
        Folder(root=str(tmp_path))
    assert set(caught.value.found) == {"#0A141E", "#FF0000"}
    source = Folder(root=str(tmp_path), classes=CLASSES)
    assert source.load("train", 0)[1].tolist() == source.load("train", 1)[1].tolist() == [[0, 0, 1, 1]] * 3
    assert not [one for one in check_source(source, n_workers=1).findings if one.kind == "palettes"]
    as_ids = check_source(Folder(root=str(tmp_path), classes=["land", "road"]), n_workers=1)
    (warning,) = [one for one in as_ids.findings if one.kind == "palettes"]
    assert (warning.severity, warning.count) == ("warning", 5)
    assert "give a class map with colors and without ids" in warning.message
    assert re.search(r"(land|road) is #(0A141E|FF0000), not #(FF0000|0A141E)", str(warning.where[0]))


def test_an_unknown_color_is_refused_with_those_found_and_those_listed(tmp_path):
    colored(tmp_path)
    source = Folder(root=str(tmp_path), classes=CLASSES)
    with pytest.raises(
        UnknownValueError, match=r"s\d_\d\.png: it holds the colors #000000 \(1 px\), .*lists #0A141E, #FF"
    ):
        source.load("train", 0)
    by_id = Folder(root=str(tmp_path), classes=["land", "road"], mask_format="ids")
    with pytest.raises(UnreadableError, match=r"holds colors, not ids\. Give mask_format=colors"):
        by_id.load("train", 0)


def test_colors_that_nobody_gave_stand_for_no_class(tmp_path):
    """Classes without a color are drawn in those of Pascal VOC, which masks may hold too."""
    fill(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        save(path, [[[128, 0, 0], [0, 128, 0], [0, 128, 0], [128, 0, 0]]] * 3)
    with pytest.raises(UnreadableError, match="holds colors, not ids"):
        Folder(root=str(tmp_path), classes=["land", "road"]).load("train", 0)
    with pytest.raises(ValueError, match="mask_format is colors, and classes gives none"):
        Folder(root=str(tmp_path), classes=["land", "road"], mask_format="colors")
    for path in (tmp_path / "masks").iterdir():
        save(path, [[[0] * 3, [1] * 3, [1] * 3, [0] * 3]] * 3)
    source = Folder(root=str(tmp_path), classes=["land", "road"])
    assert source.load("train", 0)[1].tolist() == [[0, 1, 1, 0]] * 3
    assert source.mask_encoding == "ids"


def test_a_format_that_the_files_do_not_have_is_refused(tmp_path):
    fill(tmp_path)
    with pytest.raises(ValueError, match=r"mask_format is annotations, and .*\.png is not a file of annotations"):
        Folder(root=str(tmp_path), classes=["land", "road"], mask_format="annotations")


def test_without_classes_it_tells_what_the_masks_hold(tmp_path):
    colored(tmp_path)
    with pytest.raises(LearnedClassesError, match=r"(?s)The masks hold 3 values.*\{name: CLASS_0, color: '#FF0000'\}"):
        Folder(root=str(tmp_path))
    fill(tmp_path / "ids")
    with pytest.raises(LearnedClassesError) as caught:
        Folder(root=str(tmp_path / "ids"))
    assert set(caught.value.found) == {0, 1}


def test_what_has_no_partner_is_named(tmp_path):
    fill(tmp_path)
    (tmp_path / "masks" / "s0_3.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 files have no partner of the same id .*: s0_3\."):
        Folder(root=str(tmp_path), classes=["land", "road"])
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        Folder(root=str(tmp_path / "nowhere"), classes=["land", "road"])
    with pytest.raises(ValueError, match="leaves the data set"):
        Folder(root=str(tmp_path), images="../x", classes=["land", "road"])


def test_a_link_that_leaves_the_set_is_refused(tmp_path):
    fill(tmp_path / "set")
    save(tmp_path / "elsewhere.png", np.zeros((3, 4, 3)))
    (tmp_path / "set" / "images" / "s0_0.png").unlink()
    (tmp_path / "set" / "images" / "s0_0.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ValueError, match=r"s0_0\.png is a link to .*elsewhere\.png, outside of"):
        Folder(root=str(tmp_path / "set"), classes=["land", "road"])


def test_patterns_name_files_by_what_their_signs_stand_for(tmp_path):
    for tile in ("Tile 1", "Tile 2"):
        save(tmp_path / tile / "images" / "part_1.png", np.zeros((2, 2, 3)))
    assert set(find_files(tmp_path, "Tile */images/*.png")) == {"1/part_1", "2/part_1"}
    assert set(find_files(tmp_path, "**/*.png")) == {"Tile 1/images/part_1", "Tile 2/images/part_1"}
    save(tmp_path / "Tile 1" / "images" / "part_1.jpg", np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match=r"have the id '1/part_1': part_1\.(jpg, part_1\.png|png, part_1\.jpg)"):
        find_files(tmp_path, "Tile */images/*")


def test_images_of_many_kinds(tmp_path):
    deep = np.array([[0, 4095, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read_photo(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 16, 255]
    assert read_photo(tmp_path / "deep.png", value_range=(0, 4095))[0, :, 0].tolist() == [0, 255, 255]
    assert read_values(tmp_path / "deep.png")[0].tolist() == deep.tolist()
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "LA"):
        kind = "tif" if mode in ("1", "CMYK") else "png"
        Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode).save(tmp_path / f"{mode}.{kind}")
        assert read_photo(tmp_path / f"{mode}.{kind}").shape == (2, 3, 3), mode
    turned = Image.new("RGB", (3, 2), (9, 9, 9))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_photo(tmp_path / "turned.jpg").shape == (3, 2, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"no picture", "cannot be read as a picture"), (None, "cannot be read as a picture")],
)
def test_a_bad_file_is_one_sentence(tmp_path, content, message):
    path = tmp_path / "x.png"
    if content is None:
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)).save(path)
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    for read in (read_photo, read_values):
        with pytest.raises(UnreadableError, match=rf"x\.png {message}"):
            read(path)


def test_a_bomb_and_a_file_that_is_gone(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UnreadableError, match=r"more than 0 megapixels, .*tile_size=.* or cut it into parts"):
        read_photo(tmp_path / "big.png")
    with pytest.raises(UnreadableError, match="is not there any more"):
        read_photo(tmp_path / "gone.png")


@real
def test_dubai_with_its_own_classes_is_refused_and_with_the_right_ones_equals_its_reader():
    root = Path(REAL or "") / "dubai"
    places = {"root": str(root), "images": "Tile */images/*.jpg", "masks": "Tile */masks/*.png"}
    wrong = Folder(**places, classes="classes.json", split_seed=0)
    with pytest.raises(UnknownValueError) as caught:
        wrong.load("train", 0)
    told = str(caught.value)
    assert set(caught.value.found) <= {"#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929", "#000000"}
    listed = [entry["color"].upper() for entry in json.loads((root / "classes.json").read_text())["classes"]]
    assert all(color in told for color in listed)
    known = {"building": "#3C1098", "land": "#8429F6", "road": "#6EC1E4", "vegetation": "#FEDD3A", "water": "#E2A929"}
    own = Folder(**places, classes=known, void=["#9B9B9B", "#000000"], group_by=r"^(\d+)/")
    named = Dubai(root=str(root))
    labels = {name: (split, index) for split in SPLITS for index, name in enumerate(named.ids(split))}
    for split in SPLITS:
        for index, name in list(enumerate(own.ids(split)))[::9]:
            tile, part = name.split("/")
            twin = labels[f"tile{tile}_part{int(part.rpartition('_')[2])}"]
            np.testing.assert_array_equal(own.load(split, index)[1], named.load(*twin)[1])


@real
def test_dubai_without_classes_tells_its_colors():
    root = Path(REAL or "") / "dubai"
    with pytest.raises(LearnedClassesError) as caught:
        Folder(root=str(root), images="Tile */images/*.jpg", masks="Tile */masks/*.png")
    assert set(caught.value.found) >= {"#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"}


@real
def test_camvid_as_a_folder():
    names = list(CamVid.class_names)
    source = Folder(root=str(Path(REAL or "") / "camvid"), classes=names, void=[11])
    assert [len(source.ids(split)) for split in SPLITS] == [367, 101, 233]
    assert set(np.unique(source.load("val", 0)[1])) <= {*range(11), 255}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("honours", [True, False])
@pytest.mark.parametrize("kind", ["ids", "class_files"])
def test_an_image_is_turned_as_its_mask_is(tmp_path, orientation, honours, kind):
    """Cameras note a turn; programs that label apply it, or do not. The size of the mask says which."""
    stored = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    for number in range(4):
        (tmp_path / "images").mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored).save(tmp_path / "images" / f"{number}.png", exif=exif)
        with Image.open(tmp_path / "images" / f"{number}.png") as picture:
            upright = np.asarray(ImageOps.exif_transpose(picture))
        seen = upright if honours else stored
        name = f"{number}.png" if kind == "ids" else f"{number}_road.png"
        save(tmp_path / "masks" / name, (seen[..., 0] > 127).astype(np.uint8))
    more = {} if kind == "ids" else {"masks": "masks/{id}_{class}.png", "rest": "land"}
    image, labels = Folder(root=str(tmp_path), classes=["land", "road"], **more).load("train", 0)
    # A turn by 180 degrees and a mirror leave the size: then it is applied, as viewers do.
    expected = stored if not honours and orientation >= 5 else upright
    np.testing.assert_array_equal(image, expected)
    if honours or orientation in (1, 5, 6, 7, 8):
        np.testing.assert_array_equal(labels, image[..., 0] > 127)


def test_void_in_a_list_of_names(tmp_path):
    fill(tmp_path)
    source = Folder(root=str(tmp_path), classes=["void", "land", "road"])
    number = int(source.ids("train")[0].partition("_")[2])
    assert (source.load("train", 0)[1] == (0 if number % 2 else 255)).all()
    with pytest.raises(ValueError, match=r"void is \[-1\]; -1 is no value of a mask"):
        Folder(root=str(tmp_path), classes=["land", "road"], void=[-1])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_ids_in_the_lower_halves_of_deep_colors_are_not_all_0(tmp_path, suffix, channels):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), np.full((3, 4, channels), 2, np.uint16))
    with pytest.raises(UnreadableError, match=rf"a\.{suffix} has 16 bits in each of its channels; save it with 8"):
        read_values(path)


def test_the_check_counts_images_whose_turn_no_mask_confirms(tmp_path):
    for number, (size, orientation) in enumerate(
        [((4, 6), 1), ((4, 6), 3), ((4, 6), 6), ((5, 5), 6), ((4, 6), 2), ((5, 5), 1)]
    ):
        (tmp_path / "images").mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(np.full((*size, 3), 40 * number, np.uint8)).save(
            tmp_path / "images" / f"{number}.jpg", exif=exif
        )
        save(tmp_path / "masks" / f"{number}.png", np.eye(*size) if orientation < 5 else np.eye(*size).T)
    report = check_source(Folder(root=str(tmp_path), classes=["land", "road"], val_fraction=0.3), n_workers=1)
    assert not report.of("error")
    (finding,) = [one for one in report.of("warning") if one.kind == "turned"]
    assert finding.message.startswith(
        "Images with a camera's note to turn or mirror them, whose masks have the same size"
    )
    assert sorted(place.id for place in finding.where) == ["1", "3", "4"]
    assert "either way: 3 of 6." in finding.message


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channels": [0, 1]}, r"channels is \[0, 1\]; give red, green and blue"),
        ({"value_range": (5, 5)}, r"value_range is \[5, 5\]; the first must be below"),
        ({"value_range": (9, 5)}, r"value_range is \[9, 5\]; the first must be below"),
        ({"rest": "land"}, r"rest is 'land', but these masks have a value everywhere"),
    ],
)
def test_options_that_mean_nothing(tmp_path, options, told):
    fill(tmp_path)
    with pytest.raises(ValueError, match=told):
        Folder(root=str(tmp_path), classes=["land", "road"], **options)
