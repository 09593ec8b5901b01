"""Miniature data sets whose labels are annotations: COCO, LabelMe, CVAT."""

import json

import numpy as np
import pytest
from PIL import Image

from fnmask.data.folder import Folder

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


def labelme(root, shapes, folder="labels", **more):
    images(root)
    (root / folder).mkdir(exist_ok=True)
    for number in range(N_IMAGES):
        content = {"shapes": shapes, "imagePath": f"{number}.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}
        (root / folder / f"{number}.json").write_text(json.dumps(content))
    return root


def cvat(root, shapes, labels=CVAT_LABELS, folder=""):
    images(root)
    every = "".join(
        f'<image id="{number}" name="{folder}{number}.png" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
        for number in range(N_IMAGES)
    )
    (root / "annotations.xml").write_text(f'<?xml version="1.0"?><annotations>{labels}{every}</annotations>')
    return root
