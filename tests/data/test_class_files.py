"""A file for each class, or for each instance of one."""

import os
from glob import escape

import numpy as np
import pytest
from folders import fill, save
from PIL import Image

from fnmask.check.checking import check_source
from fnmask.data.class_map import ClassMap
from fnmask.data.folder import Folder
from fnmask.data.mask_formats import ClassFiles
from fnmask.data.rasters import UnreadableError
from fnmask.data.samples import Sample

IDS = ("a", "a_1", "ab", "a[1]", "é ö", "*", "zz")
NAMES = ("car", "cart", "car_1", "[x]")
CLASSES = ClassMap(NAMES, ((0, 0, 0),) * 4, (0, 1, 2, 3))


@pytest.mark.parametrize(
    "pattern",
    [
        "parts/{id}-{class}.*.png",
        "parts/{class}-{id}.*.png",
        "parts/*-{id}-{class}.?.png",
        "parts/{id}-{class}.[12].png",
        "{id}/../parts/{id}-{class}.*",
    ],
)
def test_the_files_are_those_that_a_glob_finds(tmp_path, pattern):
    (tmp_path / "parts").mkdir()
    for sample_id in IDS:
        for name in NAMES:
            for number in (1, 2, 12):
                place = tmp_path / pattern.replace("{id}", sample_id).replace("{class}", name)
                place.parent.parent.mkdir(parents=True, exist_ok=True)
                ending = f"{number}.png"
                place.with_name(place.name.split(".")[0].replace("*-", "x-") + f".{ending}").touch()
    files = ClassFiles(CLASSES, tmp_path, pattern)
    seen = 0
    for sample_id in (*IDS, "absent"):
        expected = [
            path
            for name in NAMES
            for path in sorted(
                tmp_path.glob(pattern.replace("{id}", escape(sample_id)).replace("{class}", escape(name)))
            )
        ]
        assert list(files.files(Sample(sample_id, tmp_path / "a.png"))) == expected
        seen += len(expected)
    assert seen > 20


def test_a_folder_of_files_of_classes_is_listed_once(tmp_path, monkeypatch):
    (tmp_path / "parts").mkdir()
    for number in range(20):
        (tmp_path / "parts" / f"{number}_car_1.png").touch()
    files, listed = ClassFiles(CLASSES, tmp_path, "parts/{id}_{class}_*.png"), []
    names_in = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listed.append(folder) or names_in(folder))
    assert sum(len(files.files(Sample(str(number), tmp_path / "a.png"))) for number in range(20)) == 20
    assert listed == [tmp_path / "parts"]


def test_one_file_for_each_class_or_instance(tmp_path):
    fill(tmp_path)
    for name in sorted(path.stem for path in (tmp_path / "images").iterdir()):
        save(tmp_path / "parts" / name / "road_1.png", [[9, 0, 0, 0]] + [[0, 0, 0, 0]] * 2)
        save(tmp_path / "parts" / name / "road_2.png", [[0, 9, 0, 0]] + [[0, 0, 0, 0]] * 2)
        save(tmp_path / "parts" / name / "car_1.png", [[0, 9, 9, 0]] + [[0, 0, 0, 0]] * 2)
    source = Folder(root=str(tmp_path), masks="parts/{id}/{class}_*.png", classes=["land", "road", "car"], rest="land")
    # Where two overlap the later class wins.
    assert source.load("train", 0)[1].tolist() == [[1, 2, 2, 0]] + [[0] * 4] * 2
    alone = Folder(root=str(tmp_path), masks="parts/{id}/{class}_*.png", classes=["land", "road", "car"])
    assert alone.load("train", 0)[1].tolist() == [[1, 2, 2, 255]] + [[255] * 4] * 2


def test_a_file_of_a_class_marks_what_is_seen(tmp_path):
    """Neither what lies under full transparency, nor the first color of a palette whatever it is."""
    fill(tmp_path)
    clear = np.full((3, 4, 4), 255, np.uint8)
    clear[:, 1:, 3] = 0
    marked = Image.fromarray(np.array([[1, 1, 1, 0]] * 3, np.uint8))
    marked.putpalette([255, 255, 255, 0, 0, 0])
    held = Image.fromarray(np.array([[0, 0, 1, 1]] * 3, np.uint8))
    held.putpalette([255, 255, 255, 255, 255, 255])
    for name in sorted(path.stem for path in (tmp_path / "images").iterdir()):
        (tmp_path / "parts").mkdir(exist_ok=True)
        Image.fromarray(clear).save(tmp_path / "parts" / f"{name}-road.png")
        marked.save(tmp_path / "parts" / f"{name}-car.png")
        held.save(tmp_path / "parts" / f"{name}-bin.png", transparency=1)
    names = ["land", "bin", "road", "car"]
    source = Folder(root=str(tmp_path), masks="parts/{id}-{class}.png", classes=names, rest="land")
    assert source.load("train", 0)[1].tolist() == [[2, 1, 0, 3]] * 3


def test_a_file_of_a_class_lies_below_the_root(tmp_path):
    fill(tmp_path / "set")
    for name in sorted(path.stem for path in (tmp_path / "set" / "images").iterdir()):
        save(tmp_path / "elsewhere" / f"{name}_road.png", np.ones((3, 4)))
        (tmp_path / "set" / "masks" / f"{name}_road.png").symlink_to(tmp_path / "elsewhere" / f"{name}_road.png")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    how = {"root": str(tmp_path / "set"), "classes": ["land", "road"], "rest": "land"}
    for folder in ("masks", "linked"):
        source = Folder(masks=f"{folder}/{{id}}_{{class}}.png", **how)
        for read in (source.digest, lambda source=source: source.load("train", 0)):
            with pytest.raises(ValueError, match=r"road\.png is a link to .*, outside of .*set\. Copy the file there"):
                read()
        assert source.misplaced_masks()[1] == ()
        (error,) = check_source(source, n_workers=1).of("error")
        assert error.kind == "refused"
    with pytest.raises(ValueError, match=r"elsewhere/.*, outside of .*set"):
        Folder(masks="../elsewhere/{id}_{class}.png", **how).digest()
    with pytest.raises(ValueError, match="leaves the data set: give a pattern below its root"):
        Folder(masks=f"{tmp_path}/elsewhere/{{id}}_{{class}}.png", **how)


def test_a_file_that_two_classes_claim_is_of_neither(tmp_path):
    """With car after cart, every cart was a car."""
    fill(tmp_path)
    for name in sorted(path.stem for path in (tmp_path / "images").iterdir()):
        save(tmp_path / "parts" / name / "cart_1.png", np.ones((3, 4)))
    with pytest.raises(UnreadableError, match=r"cart_1\.png fits 'parts/\{id\}/\{class\}\*\.png' for two classes"):
        Folder(root=str(tmp_path), masks="parts/{id}/{class}*.png", classes=["cart", "car"]).load("train", 0)
    told = Folder(root=str(tmp_path), masks="parts/{id}/{class}_*.png", classes=["cart", "car"])
    assert (told.load("train", 0)[1] == 0).all()


def parts(root, *, count):
    """A file of a class for each image; ids of which one begins another."""
    for number in range(1, count + 1):
        save(root / "images" / f"{number}.png", np.full((3, 4, 3), 9 * number))
        save(root / "masks" / f"{number}_road.png", np.eye(3, 4) * (number % 2))


def kinds_of(root, masks):
    source = Folder(root=str(root), masks=masks, classes=["land", "road"], rest="land")
    return {one.kind: one for one in check_source(source, n_workers=1).findings}


def test_a_mask_of_several_images_is_an_error(tmp_path):
    """The image 1 had the masks of 10, 11 and 12 as well."""
    parts(tmp_path, count=12)
    found = kinds_of(tmp_path, "masks/{id}*{class}.png")["shared_mask"]
    assert found.severity == "error"
    assert [place.id for place in found.where] == [f"masks/{number}_road.png" for number in (10, 11, 12)]
    assert not {"shared_mask", "unused_mask"} & kinds_of(tmp_path, "masks/{id}_{class}.png").keys()


def test_masks_of_no_class_are_told(tmp_path):
    parts(tmp_path, count=6)
    save(tmp_path / "masks" / "2_roads.png", np.eye(3, 4))
    save(tmp_path / "masks" / "7_road.png", np.eye(3, 4))
    found = kinds_of(tmp_path, "masks/{id}_{class}.png")["unused_mask"]
    assert found.severity == "warning"
    assert [place.id for place in found.where] == ["masks/2_roads.png", "masks/7_road.png"]
    # Below each other, and beside the images.
    for number in (1, 2, 3, 4):
        save(tmp_path / "more/data/images" / f"a/{number}.png", np.full((3, 4, 3), 9 * number))
        save(tmp_path / "more/data/masks" / f"a/{number}_road.png", np.eye(3, 4) * (number % 2))
    (tmp_path / "more/data/masks/a/1_roof.png").write_bytes((tmp_path / "masks/1_road.png").read_bytes())
    source = Folder(root=str(tmp_path / "more"), images="data/images", masks="data/masks/{id}_{class}.png",
                    classes=["land", "road"], rest="land", tile_size=(2, 2))  # fmt: skip
    assert source.misplaced_masks() == (("data/masks/a/1_roof.png",), ())
