"""Annotations of LabelMe."""

import base64
import io
import json

import numpy as np
import pytest
from annotating import (
    HEIGHT,
    SQUARE,
    TRIANGLE,
    WIDTH,
    labelme,
    labels_of,
)
from PIL import Image
from scipy.ndimage import binary_dilation

from fnmask.data.class_map import VOID
from fnmask.data.folder import Folder
from fnmask.data.source import MissingPartnersError


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def inside(points, x, y):
    """Whether pixels lie in a polygon, by counting edges; centers of pixels are whole numbers, as in LabelMe."""
    crossed = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
        crossed ^= ((y0 > y) != (y1 > y)) & (x < at)
    return crossed


def test_polygons_of_labelme(tmp_path):
    _, labels = labels_of(
        labelme(tmp_path, [{"label": "road", "points": TRIANGLE}]), "labels", classes=["land", "road"]
    )
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    wanted = inside(TRIANGLE, columns.astype(float), rows.astype(float))
    differ = (labels == 1) != wanted
    # Pillow draws the outline too.
    assert not (differ & wanted).any()
    assert differ.sum() < 120
    near = binary_dilation(wanted, np.ones((3, 3)), iterations=2)
    assert near[labels == 1].all()


def test_every_shape_of_labelme_and_their_order(tmp_path):
    stamp = np.ones((4, 6), bool)
    stamp[0, 0] = False
    shapes = [
        {"label": "land", "shape_type": "rectangle", "points": [[50.0, 30.0], [2.0, 2.0]]},
        {"label": "road", "shape_type": "circle", "points": [[20.0, 15.0], [20.0, 19.0]]},
        {"label": "road", "shape_type": "mask", "points": [[30.0, 20.0], [35.0, 23.0]], "mask": png(stamp)},
        {"label": "road", "shape_type": "linestrip", "points": [[0.0, 36.0], [59.0, 36.0]]},
        {"label": "road", "shape_type": "point", "points": [[55.0, 10.0]]},
        {"label": "_void_", "shape_type": "rectangle", "points": [[40.0, 4.0], [45.0, 8.0]]},
    ]  # fmt: skip
    _, labels = labels_of(labelme(tmp_path, shapes), "labels", classes=["land", "road"], void=["_void_"])
    assert (labels[15, 16:25] == 1).all()
    assert labels[15, 27] == 0
    assert labels[20, 30] == 0, "the pixel that the mask leaves out"
    assert (labels[21:24, 30:36] == 1).all()
    assert (labels[32:40, 30] == 1).sum() in (8, 9)
    assert labels[10, 55] == labels[6, 55] == 1
    assert (labels[4:9, 40:46] == VOID).all()
    assert labels[0, 0] == VOID, "nobody said what the rest is"


def test_labelme_beside_the_images_and_its_classes_by_name(tmp_path):
    shapes = [{"label": "road", "points": SQUARE}, {"label": "land", "points": TRIANGLE}]
    source, labels = labels_of(labelme(tmp_path, shapes, "images"), "images")
    assert source.class_names == ("land", "road")
    assert (labels[10, 6:12] == 1).all()
    (tmp_path / "images" / "3.json").unlink()
    with pytest.raises(MissingPartnersError, match=r"1 files have no partner .*: 3"):
        Folder(root=str(tmp_path), masks="images")


def test_the_classes_of_labelme_have_one_order_in_any_split(tmp_path):
    """No file names all of them; ids by the first that is read would be others with another draw."""
    labelme(tmp_path, [{"label": "road", "points": SQUARE}])
    for number, names in enumerate(("tree", "car road", "lamp", "car", "lamp tree")):
        shapes = [{"label": name, "points": SQUARE} for name in names.split()]
        (tmp_path / "labels" / f"{number}.json").write_text(json.dumps({"shapes": shapes}))
    for seed in range(5):
        source = Folder(root=str(tmp_path), masks="labels", rest="ground", split_seed=seed)
        assert source.class_names == ("ground", "car", "lamp", "road", "tree")
