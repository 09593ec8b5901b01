"""Annotations of COCO: pixels as its own program finds them, in any window of a large image."""

import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from annotating import (
    HEIGHT,
    N_IMAGES,
    SIZE,
    SQUARE,
    TRIANGLE,
    WIDTH,
    blob,
    coco,
    compressed,
    images,
    labels_of,
    ring,
    uncompressed,
    write_coco,
)
from PIL import Image

from fnmask.check.checking import check_source
from fnmask.data.annotations import drawing
from fnmask.data.annotations.coco import open_coco, run_lengths
from fnmask.data.class_map import VOID
from fnmask.data.folder import Folder
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.source import MissingPartnersError


def random_rings(seed, count=5):
    generator = np.random.default_rng(seed)
    return [ring(generator.uniform(-5, 65, (generator.integers(3, 9), 2))) for _ in range(count)]


def test_coco_equals_its_own_program_bit_for_bit(tmp_path):
    pytest.importorskip("pycocotools.coco", reason="annotations need the extra")
    from pycocotools.coco import COCO

    annotations = [{"category_id": 10, "iscrowd": 0, "segmentation": [one]} for one in random_rings(0)]
    annotations += [{"category_id": 10, "iscrowd": 0, "segmentation": random_rings(1, 3)}]
    for place, own in enumerate(annotations):
        root = write_coco(tmp_path / str(place), [own])
        _, labels = labels_of(root, rest="land")
        theirs = COCO(str(root / "annotations.json"))
        np.testing.assert_array_equal(labels, theirs.annToMask(theirs.anns[0]))


@pytest.mark.parametrize("form", [compressed, uncompressed])
def test_run_lengths_of_coco(tmp_path, form):
    mask = blob(3)
    segmentation = {"size": SIZE, "counts": form(mask)}
    _, labels = labels_of(write_coco(tmp_path, [{"category_id": 7, "iscrowd": 1, "segmentation": segmentation}]))
    np.testing.assert_array_equal(labels, np.where(mask, 0, VOID))


@pytest.mark.parametrize("seed", range(20))
def test_compressed_run_lengths_equal_the_reference(seed):
    mask = np.random.default_rng(seed).random((37, 53)) < [0.001, 0.5, 0.999][seed % 3]
    lengths = run_lengths(compressed(mask))
    np.testing.assert_array_equal(drawing.runs(lengths, (37, 53), by_columns=True), mask)


def test_classes_are_in_the_order_of_coco_and_small_lies_over_large(tmp_path):
    small = [[10.0, 8.0], [14.0, 8.0], [14.0, 12.0], [10.0, 12.0]]
    annotations = [
        {"category_id": 10, "segmentation": [ring(small)]},
        {"category_id": 7, "segmentation": [ring(SQUARE)]},
        {"category_id": 10, "iscrowd": 1, "segmentation": {"size": SIZE, "counts": [0, HEIGHT * WIDTH]}},
    ]
    source, labels = labels_of(write_coco(tmp_path, annotations))
    assert source.class_names == ("land", "road")
    assert (labels[9:11, 11:13] == 1).all(), "the small road over the land"
    assert (labels[6:8, 6:24] == 0).all(), "the land over the crowd"
    assert (labels[25:, 30:] == 1).all(), "the crowd"


def test_a_file_for_each_split_as_coco_packs_them(tmp_path):
    (tmp_path / "annotations").mkdir()
    for split in ("train2017", "val2017"):
        images(tmp_path, 3, f"images/{split}")
        content = coco([{"category_id": 7, "segmentation": [ring(SQUARE)]}], 3)
        (tmp_path / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    source = Folder(root=str(tmp_path), masks="annotations/instances_{split}.json", rest="background")
    assert source.class_names == ("background", "land", "road")
    assert len(source.ids("train")) == len(source.ids("val")) == 3
    assert sorted(np.unique(source.load("val", 2)[1])) == [0, 1]
    before = source.digest()
    path = tmp_path / "annotations" / "instances_val2017.json"
    path.write_text(path.read_text().replace("25.0", "26.0"))
    assert Folder(root=str(tmp_path), masks="annotations/instances_{split}.json", rest="background").digest() != before


def test_it_travels_to_other_processes_and_is_checked_there(tmp_path):
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(SQUARE)]}])
    source = Folder(root=str(root), masks="annotations.json", rest="road")
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.load("val", 0)[1], source.load("val", 0)[1])
    assert len(pickle.dumps(source)) < 20_000
    report = check_source(source, name="folder", digest=source.digest(), n_workers=2)
    assert not report.of("error")


def test_tiles_are_cut_of_what_is_drawn(tmp_path):
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(TRIANGLE)]}])
    _, whole = labels_of(root, rest="road")
    source = Folder(root=str(root), masks="annotations.json", rest="road", tile_size=(16, 25))
    for index, name in enumerate(source.ids("train")[:9]):
        row, column = map(int, name.rpartition("/")[2].split("_"))
        expected = whole[row : row + 16, column : column + 25]
        np.testing.assert_array_equal(
            source.load("train", index)[1][: expected.shape[0], : expected.shape[1]], expected
        )


def test_what_has_no_partner_and_what_has_another_size(tmp_path):
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(SQUARE)]}])
    (root / "images" / "2.png").unlink()
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "images" / "other.png")
    with pytest.raises(MissingPartnersError, match=r"2 images have no entry .*: other, 2\.png"):
        labels_of(root)
    again = write_coco(tmp_path / "again", [{"category_id": 7, "segmentation": [ring(SQUARE)]}])
    for number in range(N_IMAGES):
        Image.new("RGB", (WIDTH, HEIGHT + 1)).save(again / "images" / f"{number}.png")
    with pytest.raises(UnreadableError, match=r"the image was \(40, 60\) px when it was labeled; it is \(41, 60\) px"):
        labels_of(again)


def test_many_objects_of_a_large_image_fit_into_memory():
    """A mask of each, as large as the image, did not; every tile is drawn from what is known of all."""
    size, rng = (4000, 3000), np.random.default_rng(0)
    blobs = [np.zeros(size, bool) for _ in range(2)]
    for row, mask in enumerate(blobs):
        mask[row * 990 : row * 990 + 40, 980:1060] = True
    annotations = [
        {"id": place, "image_id": 0, "category_id": 7, "segmentation": [rng.uniform(1, 2900, 12).tolist()]}
        for place in range(20)
    ] + [
        {
            "id": 50 + place,
            "image_id": 0,
            "category_id": 10,
            "segmentation": {"size": [*size], "counts": compressed(mask)},
        }
        for place, mask in enumerate(blobs)
    ]
    content = coco([], count=1) | {"annotations": annotations}
    content["images"][0] |= {"height": size[0], "width": size[1]}
    tracemalloc.start()
    file = open_coco(Path("a.json"), content)
    regions = file.regions(file.images["0.png"], size)
    window = Window(980, 1000, 500, 400)
    drawn = [region.draw(window) for region in regions if region.name == "road"]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < size[0] * size[1]
    for found in drawn:
        assert any((found == mask[980:1480, 1000:1400]).all() for mask in blobs)
    assert sum(found.any() for found in drawn) == 1
    whole = next(region for region in regions if region.name == "land").draw(Window(0, 0, *size))
    part = next(region for region in regions if region.name == "land").draw(window)
    np.testing.assert_array_equal(part, whole[980:1480, 1000:1400])


def test_an_entry_that_fits_two_images_is_of_neither(tmp_path):
    """Labeled in one folder and divided into several: images of one name had the same labels."""
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(SQUARE)]}])
    images(root, 1, "images/more")
    with pytest.raises(UnreadableError, match=r"the entry '0\.png' fits both .*0\.png and .*0\.png\. Write there"):
        labels_of(root)
