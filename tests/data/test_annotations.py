"""Annotations of COCO, LabelMe, CVAT and Datumaro: pixels as other programs find them, a sentence for what is wrong."""

import base64
import io
import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from fnmask.check.checking import check_source
from fnmask.data.annotations import drawing
from fnmask.data.annotations.coco import open_coco, run_lengths
from fnmask.data.class_map import VOID
from fnmask.data.folder import Folder
from fnmask.data.mask_values import UnknownValueError
from fnmask.data.rasters import UnreadableError, Window
from fnmask.data.source import MissingPartnersError

HEIGHT, WIDTH = 40, 60
N_IMAGES = 6
SIZE = [HEIGHT, WIDTH]
SIDES = {"height": HEIGHT, "width": WIDTH}
SQUARE = [[5.0, 5.0], [25.0, 5.0], [25.0, 20.0], [5.0, 20.0]]
TRIANGLE = [[10.5, 3.0], [50.2, 8.0], [30.0, 38.7]]
CVAT_LABELS = (
    "<meta><task><labels><label><name>land</name><color>#010203</color></label><label><name>road</name></label></labels>"
    "</task></meta>"
)


def images(root, count=N_IMAGES, folder="images"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        values = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(values).save(root / folder / f"{number}.png")


def coco(annotations, count=N_IMAGES, suffix=".png", names=("land", "road")):
    """`annotations` of every image."""
    every = [
        {**one, "image_id": number, "id": 100 * number + place}
        for number in range(count)
        for place, one in enumerate(annotations)
    ]
    return {
        "images": [{"id": number, "file_name": f"{number}{suffix}", **SIDES} for number in range(count)],
        "annotations": every,
        # Out of order, and not counted from 0.
        "categories": [{"id": 7 + 3 * place, "name": name} for place, name in reversed(list(enumerate(names)))],
    }


def ring(points):
    return [float(side) for point in points for side in point]


def random_rings(seed, count=5):
    generator = np.random.default_rng(seed)
    return [ring(generator.uniform(-5, 65, (generator.integers(3, 9), 2))) for _ in range(count)]


def compressed(mask):
    reference = pytest.importorskip("pycocotools.mask", reason="annotations need the extra")
    return reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def uncompressed(mask):
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    return np.diff(np.concatenate([[0], edges])).tolist()


def blob(seed):
    return np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.4


def write_coco(root, annotations, **more):
    images(root)
    (root / "annotations.json").write_text(json.dumps(coco(annotations, **more)))
    return root


def labels_of(root, masks="annotations.json", **more):
    source = Folder(root=str(root), masks=masks, **more)
    return source, source.load("train", 0)[1]


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


def labelme(root, shapes, folder="labels", **more):
    images(root)
    (root / folder).mkdir(exist_ok=True)
    for number in range(N_IMAGES):
        content = {"shapes": shapes, "imagePath": f"{number}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}
        (root / folder / f"{number}.json").write_text(json.dumps(content))
    return root


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


def cvat(root, shapes, labels=CVAT_LABELS, folder=""):
    images(root)
    every = "".join(
        f'<image id="{number}" name="{folder}{number}.png" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
        for number in range(N_IMAGES)
    )
    (root / "annotations.xml").write_text(f'<?xml version="1.0"?><annotations>{labels}{every}</annotations>')
    return root


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


def test_classes_that_nobody_listed_are_refused_and_told_by_the_check(tmp_path):
    root = write_coco(tmp_path, [{"category_id": 7, "segmentation": [ring(SQUARE)]}], names=("lawn", "road"))
    source = Folder(root=str(root), masks="annotations.json", classes=["land", "road"])
    with pytest.raises(UnknownValueError, match=r"annotated with 'lawn' \(\d+ px\); the classes are land, road"):
        source.load("train", 0)
    (error,) = check_source(source, name="folder", digest="", n_workers=1).of("error")
    assert "lawn" in error.message
    with pytest.raises(ValueError, match="rest is 'water', which is no class: land, road"):
        Folder(root=str(root), masks="annotations.json", classes=["land", "road"], rest="water")


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
