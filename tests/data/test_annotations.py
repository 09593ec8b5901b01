"""Annotations of any form: a sentence for what is wrong, and the window of a shape."""

import tracemalloc

import numpy as np
import pytest
from annotating import HEIGHT, SIZE, SQUARE, TRIANGLE, WIDTH, blob, images, labels_of, ring, write_coco

from fnmask.check.checking import check_source
from fnmask.data.annotations import drawing
from fnmask.data.folder import Folder
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.rasters import UnreadableError, Window


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"segmentation": [[1.0, 2.0, 3.0, 4.0]]}, r"annotation \d+: it has 2 points, and needs 3"),
        ({"segmentation": [[1.0, 2.0, 3.0]]}, r"annotation \d+: its points are not pairs of numbers"),
        ({"segmentation": [[1.0, float("nan")] * 3]}, r"annotation \d+: a coordinate is not finite"),
        ({"segmentation": [[1e12, 2.0] * 3]}, r"annotation \d+: a coordinate is not finite or farther"),
        ({"segmentation": []}, r"annotation \d+: it has no segmentation"),
        ({}, r"annotation \d+: it has no segmentation"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}}, r"its mask has the size \[4, 4\], the image \[40, 60\]"),
        (
            {"segmentation": {"size": SIZE, "counts": [7, 8]}},
            "its run lengths have a sum of 15, the mask has 2400",
        ),
        ({"segmentation": {"size": SIZE, "counts": [-5, 2405]}}, "its run lengths have a sum"),
        ({"segmentation": {"size": SIZE, "counts": "PP"}}, "its run lengths are cut off"),
        ({"segmentation": {"size": SIZE, "counts": "ü"}}, "its run lengths hold 'ü'"),
        ({"segmentation": {"size": SIZE, "counts": None}}, "it has no run lengths"),
        ({"segmentation": [ring(SQUARE)], "category_id": 99}, "the category 99, which is none of the categories"),
    ],
)
def test_a_bad_annotation_is_one_sentence(tmp_path, own, told):
    root = write_coco(tmp_path, [{"category_id": 7, **own}])
    with pytest.raises(UnreadableError, match=rf"annotations\.json, \d\.png: .*{told}"):
        labels_of(root)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON file"),
        ("[" * 100_000, "is no JSON file"),
        ("[]", "is of no form that is known"),
        ('{"images": [{}], "annotations": [], "categories": []}', "is no COCO file: KeyError at 'id'"),
        ('{"images": 3, "annotations": [], "categories": []}', "is no COCO file: TypeError"),
        ('{"items": [], "categories": {}}', "is no Datumaro file"),
    ],
)  # fmt: skip
def test_a_file_that_is_none(tmp_path, content, told):
    images(tmp_path)
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(UnreadableError, match=rf"annotations\.json {told}"):
        labels_of(tmp_path)


def test_classes_that_nobody_listed_are_refused_and_told_by_the_check(tmp_path):
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(SQUARE)]}], names=("lawn", "road"))
    source = Folder(root=str(root), masks="annotations.json", classes=["land", "road"])
    with pytest.raises(UnknownValueError, match=r"annotated with 'lawn' \(\d+ px\); the classes are land, road"):
        source.load("train", 0)
    (error,) = check_source(source, name="folder", digest="", n_workers=1).of("error")
    assert "lawn" in error.message
    with pytest.raises(ValueError, match="rest is 'water', which is no class: land, road"):
        Folder(root=str(root), masks="annotations.json", classes=["land", "road"], rest="water")


def test_windows_of_shapes_are_parts_of_the_whole():
    """Of large images only a window is drawn."""
    whole = Window(0, 0, HEIGHT, WIDTH)
    part = Window(7, 13, 20, 30)
    for draw in (
        drawing.polygon(np.array(TRIANGLE)),
        drawing.box((3, 4), (40, 30)),
        drawing.box((3, 4), (40, 30), 30),
        drawing.ellipse((20, 20), (15, 9)),
        drawing.line(np.array([[0.0, 0.0], [59.0, 39.0]]), 4),
        drawing.bitmap(blob(1), 3, -5),
    ):
        np.testing.assert_array_equal(draw(part), draw(whole)[7:27, 13:43])
        for row, column in np.ndindex(8, 12):
            tile = Window(5 * row, 5 * column, 5, 5)
            np.testing.assert_array_equal(draw(tile), draw(whole)[5 * row : 5 * row + 5, 5 * column : 5 * column + 5])


def test_a_shape_beside_the_window_costs_nothing():
    """It used to be drawn on all that lies between them."""
    tracemalloc.start()
    for points in (np.array(TRIANGLE), np.array(TRIANGLE) + 90_000):
        assert not drawing.polygon(points)(Window(40_000, 40_000, 50, 50)).any()
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
