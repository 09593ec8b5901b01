"""Annotations of CVAT, as XML and as Datumaro's JSON."""

import json

import numpy as np
import pytest
from annotating import N_IMAGES, SIZE, SQUARE, blob, compressed, cvat, images, labels_of, ring

from fnmask.data.rasters import UnreadableError


def test_every_shape_of_cvat_and_their_order(tmp_path):
    pytest.importorskip("defusedxml", reason="annotations need the extra")
    shapes = (
        '<polygon label="road" z_order="2" points="5.0,5.0;25.0,5.0;25.0,20.0;5.0,20.0"/>'
        '<box label="land" z_order="1" xtl="0" ytl="0" xbr="59" ybr="39"/>'
        '<mask label="land" z_order="3" rle="1, 5, 6" left="10" top="8" width="6" height="2"/>'
        '<ellipse label="road" z_order="3" cx="45" cy="20" rx="8" ry="3" rotation="90"/>'
        '<box label="road" z_order="3" xtl="20" ytl="30" xbr="40" ybr="34" rotation="90"/>'
        '<tag label="land"/>'
    )
    source, labels = labels_of(cvat(tmp_path, shapes, folder="images/"), "annotations.xml")
    assert source.class_names == ("land", "road")
    assert source.class_colors[0] == (1, 2, 3)
    assert labels[6, 6] == 1
    assert labels[8, 10:16].tolist() == [1, 0, 0, 0, 0, 0]
    assert (labels[9, 10:16] == 1).all()
    assert labels[13, 45] == labels[27, 45] == 1, "turned, the ellipse stands"
    assert labels[20, 51] == 0
    assert labels[24, 30] == labels[39, 30] == 1, "and so does the box"
    assert labels[32, 22] == 0


def test_datumaro(tmp_path):
    mask = blob(5)
    annotations = [
        {
            "id": 0,
            "type": "mask",
            "label_id": 1,
            "z_order": 1,
            "rle": {"size": SIZE, "counts": compressed(mask)},
        },
        {"id": 1, "type": "polygon", "label_id": 0, "z_order": 0, "points": ring(SQUARE)},
        {"id": 2, "type": "bbox", "label_id": 0, "z_order": 2, "bbox": [40, 5, 4, 6]},
        {"id": 3, "type": "ellipse", "label_id": 0, "z_order": 2, "points": [50, 20, 56, 30]},
        {"id": 4, "type": "label", "label_id": 0},
    ]
    images(tmp_path)
    labels = {"labels": [{"name": "land"}, {"name": "road"}]}
    items = [
        {"id": f"{n}", "annotations": annotations, "image": {"path": f"{n}.png", "size": SIZE}} for n in range(N_IMAGES)
    ]
    (tmp_path / "annotations.json").write_text(
        json.dumps({"info": {}, "categories": {"label": labels}, "items": items})
    )
    _, found = labels_of(tmp_path)
    assert (found[5:12, 40:45] == 0).all()
    assert found[25, 53] == 0
    elsewhere = np.ones_like(mask)
    elsewhere[:, 39:] = False
    np.testing.assert_array_equal((found == 1)[elsewhere], mask[elsewhere])
    assert (found[10, 6:20][~mask[10, 6:20]] == 0).all()


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ('<polygon label="road" points="1,2;3"/>', r"shape 0 \(polygon of road\): its points are not pairs"),
        ('<polyline label="road" points="1,2;3,4"/>', "it has no area: draw a polygon"),
        ('<box label="road" xtl="a" ytl="0" xbr="1" ybr="1"/>', "its xtl is 'a', and must be a number"),
        ('<mask label="road" rle="1, 2" left="0" top="0" width="2" height="2"/>', "a sum of 3, the mask has 4 px"),
        ('<mask label="road" rle="x" left="0" top="0" width="2" height="2"/>', "its run lengths have a sum of -1"),
        ('<mask label="road" rle="4" left="0" top="0" width="2" height="-2"/>', "both must be whole numbers above 0"),
    ],
)
def test_a_bad_shape_of_cvat_is_one_sentence(tmp_path, shapes, told):
    pytest.importorskip("defusedxml", reason="annotations need the extra")
    with pytest.raises(UnreadableError, match=rf"annotations\.xml, \d\.png: .*{told}"):
        labels_of(cvat(tmp_path, shapes), "annotations.xml")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("<annotations><track/></annotations>", "is no file of CVAT for images"),
        ("<annotations/>", "lists no labels"),
        ("<anno", "is no XML file of CVAT"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "is no XML file of CVAT"),
    ],
)
def test_a_file_that_is_none_of_cvat(tmp_path, content, told):
    pytest.importorskip("defusedxml", reason="annotations need the extra")
    images(tmp_path)
    (tmp_path / "annotations.xml").write_text(content)
    with pytest.raises(UnreadableError, match=told):
        labels_of(tmp_path, "annotations.xml")
