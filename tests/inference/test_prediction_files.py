import csv
import io

import numpy as np
import pytest

from fnmask.data.mask_files import read_colors, read_values
from fnmask.data.mask_values import decode_colors
from fnmask.data.named.camvid import CamVid
from fnmask.data.named.dubai import Dubai
from fnmask.inference import prediction_files
from fnmask.inference.prediction_files import areas_csv, draw_overlay, encode_mask, write_files
from fnmask.tracking.artifacts import ClassList

IMAGE = np.full((3, 4, 3), 100, np.uint8)


def every_class(n):
    return np.arange(12, dtype=np.uint8).reshape(3, 4) % n


def test_ids_are_read_back_by_the_reader_of_masks(tmp_path):
    n = len(CamVid.class_names)
    classes = ClassList(CamVid.class_names, CamVid.class_colors, CamVid.facts.void, "ids")
    write_files(tmp_path, "sub/a", IMAGE, every_class(n), classes)
    path = tmp_path / "masks" / "sub" / "a.png"
    np.testing.assert_array_equal(read_values(path)[0], every_class(n))
    # And a person sees the colors of the classes.
    np.testing.assert_array_equal(read_colors(path), np.array(CamVid.class_colors, np.uint8)[every_class(n)])
    assert read_colors(tmp_path / "overlays" / "sub" / "a.jpg").shape == (3, 4, 3)


def test_colors_are_read_back_by_the_reader_of_dubai(tmp_path):
    classes = ClassList(Dubai.class_names, Dubai.class_colors, Dubai.facts.void, Dubai.facts.encoding)
    encode_mask(every_class(5), classes).save(tmp_path / "mask.png")
    found = decode_colors(read_colors(tmp_path / "mask.png"), Dubai.facts.classes)
    np.testing.assert_array_equal(found, every_class(5))


def test_an_overlay_by_hand():
    classes = ClassList(("a", "b"), ((0, 200, 50), (255, 255, 255)), None)
    found = np.array(draw_overlay(IMAGE, every_class(2), classes))
    np.testing.assert_array_equal(found[0, 0], [50, 150, 75])
    np.testing.assert_array_equal(found[0, 1], [177, 177, 177])


def test_an_overlay_that_jpeg_cannot_hold_is_drawn_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction_files, "_LARGEST_JPEG_PX", 2)
    classes = ClassList(("a", "b"), ((0, 200, 50), (255, 255, 255)), None)
    write_files(tmp_path, "a", IMAGE, every_class(2), classes)
    assert read_colors(tmp_path / "overlays" / "a.jpg").shape == (2, 2, 3)
    assert read_values(tmp_path / "masks" / "a.png")[0].shape == (3, 4)


def test_areas_by_hand():
    text = areas_csv([("a, b", np.array([1, 3])), ("c", np.array([0, 0]))], ["land", "road"])
    assert text.splitlines() == [
        "image,land_px,road_px,land_percent,road_percent",
        '"a, b",1,3,25.000,75.000',
        "c,0,0,0.000,0.000",
    ]


@pytest.mark.parametrize("n", [2, 11])
def test_areas_sum_up_to_the_image(n):
    counts = np.bincount(every_class(n).ravel(), minlength=n)
    (row,) = csv.DictReader(io.StringIO(areas_csv([("a", counts)], [f"c{k}" for k in range(n)])))
    assert sum(int(value) for key, value in row.items() if key.endswith("_px")) == IMAGE.shape[0] * IMAGE.shape[1]
    assert sum(float(value) for key, value in row.items() if key.endswith("_percent")) == pytest.approx(100, abs=0.01)
