"""Damaged files by the hundred thousand: every reader gives what it promises, or one sentence that names the file."""

import base64
import io
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from damaging import damaged, reshaped, with_checksums
from PIL import Image

from fnmask.data.annotations.masks import AnnotationMasks, open_annotations
from fnmask.data.class_map import VOID, ClassMap, build_class_map, read_class_map
from fnmask.data.mask_files import read_colors, read_marks
from fnmask.data.mask_formats import ColorMasks, IdMasks
from fnmask.data.rasters import Window
from fnmask.data.reading import picture_size, read_photo
from fnmask.data.samples import Sample, read_pairs
from fnmask.data.splitting import by_lists
from fnmask.data.tiles import cut_into_tiles

# Together more than a hundred thousand.
PICTURE_CASES, TEXT_CASES = 12_000, 4_000
HEIGHT, WIDTH = 6, 8
COLORS = [(132, 41, 246), (110, 193, 228), (60, 16, 152)]
CLASSES = build_class_map({"name": name, "color": color} for name, color in zip("abc", COLORS, strict=True))


def encode(values, suffix, **how):
    file = io.BytesIO()
    picture = values if isinstance(values, Image.Image) else Image.fromarray(values)
    picture.save(file, suffix, **how)
    return file.getvalue()


def pictures():
    """A few whole files of each kind, by suffix."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, (HEIGHT, WIDTH), np.uint8)
    colors = np.array(COLORS, np.uint8)[labels]
    palette = Image.fromarray(labels)
    palette.putpalette(np.array(COLORS, np.uint8).ravel().tolist())
    photo = Image.fromarray(generator.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = Image.fromarray(np.dstack([colors, np.where(labels == 2, 0, 255).astype(np.uint8)]))
    every = [labels, colors, palette, clear, labels.astype(np.uint16)]
    deep = cv2.imencode(".png", colors.astype(np.uint16) * 16)[1].tobytes()
    white_is_zero, on_its_side = encode(labels, "TIFF", tiffinfo={262: 0}), encode(labels, "TIFF", tiffinfo={0x0112: 6})
    return {
        "png": [*(encode(one, "PNG") for one in [*every, photo.convert("1")]), encode(photo, "PNG", exif=turned), deep],
        "jpg": [encode(photo, "JPEG", exif=turned), *(encode(photo.convert(mode), "JPEG") for mode in ("CMYK", "L"))],
        "tif": [
            *(encode(one, "TIFF", compression="tiff_deflate") for one in [*every, photo.convert("CMYK")]),
            white_is_zero,
            on_its_side,
        ],
        "bmp": [encode(photo, "BMP"), encode(palette, "BMP")],
        "webp": [encode(photo, "WEBP"), encode(photo, "WEBP", lossless=True)],
    }  # fmt: skip


def check_labels(labels, classes=CLASSES):
    assert labels.dtype == np.uint8
    assert labels.ndim == 2
    assert set(np.unique(labels)) <= {*range(len(classes.names)), VOID}


def read_everything(path):
    """All that is done with a picture."""
    sample = Sample("a", path, (path,))
    size = picture_size(path)
    for how in ({}, {"window": Window(1, 2, 3, 3)}, {"channels": [0]}, {"upright": False, "value_range": (0, 4095)}):
        photo = read_photo(path, **how)
        assert photo.dtype == np.uint8
        assert photo.shape[2:] == (3,)
    for tile in cut_into_tiles(sample, (4, 4))[:2]:
        assert tile.window.height <= 4
    assert len(size) == 2


def read_as_ids(path):
    check_labels(IdMasks(CLASSES).read(Sample("a", path, (path,)), (HEIGHT, WIDTH)))


def read_as_colors(path):
    check_labels(ColorMasks(CLASSES).read(Sample("a", path, (path,)), (HEIGHT, WIDTH)))


def read_parts(path):
    """A part of a mask is that part of it, by whichever library it is read; and so are the marks of a class."""
    window = Window(1, 2, 3, 3)
    for read in (read_marks, read_colors):
        whole, part = read(path), read(path, window)
        assert part.dtype == whole.dtype
        if path.suffix != ".tif":
            np.testing.assert_array_equal(part, whole[1:4, 2:5])


def refusal(reader, path, case):
    """What is said of a file, or None if it is read."""
    try:
        reader(path)
    except (UnicodeDecodeError, MemoryError) as error:
        raise AssertionError(case) from error
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    except Exception as error:
        raise AssertionError(case) from error
    return None


def run(folder, name, contents, readers, n_cases, *, is_text, reshapes=False):
    """Every reader on every case; what it says is one sentence with the name of the file."""
    generator = np.random.default_rng(sum(name.encode()))
    for number, whole in enumerate(contents):
        path = folder / f"whole{number}.{name}"
        path.write_bytes(whole)
        said = [refusal(reader, path, f"whole file {number}") for reader in readers]
        assert None in said, f"without any damage it is refused, so that nothing behind that is ever reached: {said}"
        path.unlink()
    told = 0
    for case in range(n_cases):
        whole = contents[int(generator.integers(len(contents)))]
        other = contents[int(generator.integers(len(contents)))]
        if reshapes:
            content = json.dumps(reshaped(json.loads(whole), generator)).encode()
        else:
            content = damaged(whole, other, generator, is_text=is_text)
            # Nearly every damage of a PNG file breaks a checksum, and is found before anything is decoded.
            content = with_checksums(content) if generator.random() < 0.8 else content
        # A name of its own: what is remembered of files is remembered by name and time.
        path = folder / f"{case}.{name}"
        path.write_bytes(content)
        for reader in readers:
            sentence = refusal(reader, path, f"case {case}: {content!r}")
            told += sentence is None
            assert sentence is None or (path.name in sentence and len(sentence) < 3000), (case, sentence, content)
        path.unlink()
    n_read = n_cases * len(readers)
    print(f"{name}: {n_cases} damaged files, {n_read} readings, of which {told} went well")
    assert 0 < told < n_read, "all are refused, or none: are they damaged, and not beyond recognition?"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """In memory where there is such a place; a damaged size is a bomb early."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    shared = Path("/dev/shm")
    if not shared.is_dir():
        yield tmp_path
        return
    own = shared / f"fuzz-{tmp_path.parent.name}-{tmp_path.name}"
    own.mkdir()
    yield own
    shutil.rmtree(own)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "webp"])
def test_pictures(folder, suffix):
    readers = (read_everything, read_as_ids, read_as_colors, read_parts)
    run(folder, suffix, pictures()[suffix], readers, PICTURE_CASES, is_text=False)


MAPS = [
    [{"name": "land", "color": "#8429F6", "id": 7}, {"name": "road", "color": [110, 193, 228]}, {"name": "void"}],
    {"classes": [{"title": "land", "color": "#8429F6"}, {"title": "road", "void": False}]},
    {"land": "#8429F6", "road": [1, 2, 3]},
    {"land": 3, "road": 7},
]


def read_map(path):
    found = read_class_map(path)
    assert isinstance(found, ClassMap)
    assert 2 <= len(found.names) == len(found.colors) == len(found.values)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["json", "yaml", "csv"])
def test_class_maps(folder, suffix):
    if suffix == "csv":
        contents = [b"name,r,g,b,id\nland,1,2,3,0\nroad,4,5,6,1\n", b"name,color\nland,#010203\nroad,#040506\n"]
    else:
        write = json.dumps if suffix == "json" else yaml.safe_dump
        contents = [write(one).encode() for one in MAPS]
    run(folder, suffix, contents, (read_map,), TEXT_CASES, is_text=True)
    if suffix == "json":
        run(folder, suffix, contents, (read_map,), TEXT_CASES, is_text=True, reshapes=True)


@pytest.mark.slow
def test_pairs_and_lists(folder):
    (folder / "a.png").write_bytes(pictures()["png"][0])
    (folder / "b.png").write_bytes(pictures()["png"][1])
    pairs = [b"image,mask\na.png,b.png\n", b"image,mask,split,group\na.png,b.png,train,x\nb.png,a.png,val,y\n"]
    run(folder, "csv", pairs, (lambda path: read_pairs(path, folder),), TEXT_CASES, is_text=True)
    samples = [Sample(f"tile_{number}", folder / "a.png") for number in range(9)]

    def read_lists(path):
        (folder / "lists").mkdir(exist_ok=True)
        shutil.copy(path, folder / "lists" / "train.txt")
        (folder / "lists" / "val.txt").write_text("tile_8\n")
        try:
            found = by_lists(samples, folder / "lists", folder)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"{path.name}: {error}") from None
        assert {one.id for own in found.values() for one in own} <= {one.id for one in samples}

    lists = [b"tile_0\ntile_1\ntile_2\n", b"tile_3.png\ttile_3.png\n# no more\n"]
    run(folder, "txt", lists, (read_lists,), TEXT_CASES, is_text=True)


def annotations():
    """Whole files of each form."""
    square = [1, 1, 5, 1, 5, 4, 1, 4]
    pairs = [[1, 1], [5, 1], [5, 4]]
    counts = [5, 10, HEIGHT * WIDTH - 15]
    marks = base64.b64encode(encode(np.ones((4, 5), np.uint8), "PNG")).decode()
    coco = {
        "images": [{"id": 0, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [square]},
            {"id": 2, "image_id": 0, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts}},
            {"id": 3, "image_id": 0, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": "5:Q1"}},
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }  # fmt: skip
    labelme = {
        "imageHeight": HEIGHT, "imageWidth": WIDTH, "imagePath": "a.png",
        "shapes": [
            {"label": "a", "shape_type": "polygon", "points": pairs},
            {"label": "b", "shape_type": "circle", "points": pairs[:2]},
            {"label": "b", "shape_type": "mask", "points": pairs[:2], "mask": marks},
            {"label": "a", "shape_type": "linestrip", "points": pairs},
        ],
    }  # fmt: skip
    datumaro = {
        "categories": {"label": {"labels": [{"name": "a"}, {"name": "b"}]}},
        "items": [{"id": "a", "image": {"size": [HEIGHT, WIDTH]}, "annotations": [
            {"id": 0, "type": "polygon", "label_id": 0, "points": square, "z_order": 1},
            {"id": 1, "type": "mask", "label_id": 1, "rle": {"size": [HEIGHT, WIDTH], "counts": counts}},
            {"id": 2, "type": "bbox", "label_id": 1, "bbox": [1, 1, 3, 3]},
            {"id": 3, "type": "ellipse", "label_id": 1, "points": [1, 1, 3, 3]},
        ]}],
    }  # fmt: skip
    labels = "<label><name>a</name><color>#010203</color></label><label><name>b</name></label>"
    shapes = (
        '<polygon label="a" z_order="1" points="1,1;5,1;5,4"/>'
        '<box label="b" xtl="1" ytl="1" xbr="4" ybr="4" rotation="30"/>'
        '<ellipse label="b" cx="3" cy="3" rx="2" ry="1"/>'
        '<mask label="a" rle="1, 2, 3" left="1" top="1" width="3" height="2"/>'
    )
    cvat = (
        f"<annotations><meta><task><labels>{labels}</labels></task></meta>"
        f'<image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">{shapes}</image></annotations>'
    )
    forms = {name: [json.dumps(content).encode()] for name, content in
             (("coco", coco), ("labelme", labelme), ("datumaro", datumaro))}  # fmt: skip
    return {**forms, "cvat": [cvat.encode()]}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["coco", "labelme", "datumaro", "cvat"])
def test_annotations(folder, form):
    image = folder / "images" / "a.png"
    image.parent.mkdir()
    image.write_bytes(pictures()["png"][1])
    masks = AnnotationMasks(CLASSES, "c", ("void",))

    def read(path):
        assert open_annotations(path).names is not None
        own = image if form != "labelme" else image.parent / f"{path.stem}.png"
        check_labels(masks.read(Sample("a", own, (path,)), (HEIGHT, WIDTH)))

    suffix = "xml" if form == "cvat" else "json"
    run(folder, suffix, annotations()[form], (read,), 3 * TEXT_CASES, is_text=True)
    if suffix == "json":
        run(folder, suffix, annotations()[form], (read,), 3 * TEXT_CASES, is_text=True, reshapes=True)
