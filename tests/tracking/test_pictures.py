"""Pictures: the right colors at the right places."""

import io

import numpy as np
import pytest
from PIL import Image

from fnmask.tracking.confusion_picture import confusion_picture
from fnmask.tracking.pictures import IGNORED_COLOR, VOID_COLOR, overlay_picture

COLORS = ((255, 0, 0), (0, 255, 0))


def test_overlay_shows_image_label_prediction_and_ignored_pixels() -> None:
    images = np.full((1, 32, 64, 3), 40.0, np.float32)
    labels = np.zeros((1, 32, 64), np.int32)
    labels[:, :, 32:] = 1
    labels[:, :16, :32] = 255
    predictions = np.zeros((1, 32, 64), np.int64)
    ignored = labels == 1
    content = overlay_picture(
        images, labels, predictions, ignored, class_names=("land", "road"), class_colors=COLORS, ignore_class=255
    )
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    # Tiles are 3 x 64 = 192 px wide and 96 px high, 8 px apart, below a title of 26 px.
    left, middle, top = [8 + column * 200 for column in range(4)], 96, 26
    assert tuple(picture[top + 10, left[0] + 10]) == (40, 40, 40)
    assert tuple(picture[top + 10, left[1] + 10]) == VOID_COLOR
    assert tuple(picture[top + 60, left[1] + 10]) == COLORS[0]
    assert tuple(picture[top + 10, left[1] + middle + 10]) == COLORS[1]
    assert tuple(picture[top + 10, left[2] + middle + 10]) == COLORS[0]
    assert tuple(picture[top + 10, left[3] + middle + 10]) == IGNORED_COLOR
    assert len(set(picture[top + 10, left[3] + 10].tolist())) == 1, "pixels that count are grey"


def test_overlay_refuses_shapes_that_differ() -> None:
    images, labels = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"\(1, 8, 4\)"):
        overlay_picture(images, labels, labels[:, :, :4], labels == 1, class_names=("a", "b"), class_colors=COLORS)


def test_large_images_are_scaled_down() -> None:
    labels = np.zeros((2, 500, 1000), np.uint8)
    content = overlay_picture(
        np.zeros((2, 500, 1000, 3), np.uint8), labels, labels, labels == 1, class_names=("a", "b"), class_colors=COLORS
    )
    assert Image.open(io.BytesIO(content)).width == 8 + 4 * 368


def blue_center(matrix: list[list[int]]) -> tuple[float, float]:
    """Mean row and column of the deep blue pixels, as fractions of the picture."""
    content = confusion_picture(np.array(matrix), ("a", "b"))
    red, _, blue = np.moveaxis(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int), -1, 0)
    rows, columns = np.nonzero(blue - red > 60)
    return float(rows.mean() / red.shape[0]), float(columns.mean() / red.shape[1])


def test_confusion_picture_is_blue_where_the_share_is_large() -> None:
    first_hit, first_missed = blue_center([[9, 0], [0, 0]]), blue_center([[0, 9], [0, 0]])
    assert first_hit[1] < first_missed[1] - 0.2, "predictions run along the columns"
    second_missed = blue_center([[0, 0], [9, 0]])
    assert second_missed[0] > first_hit[0] + 0.2, "true classes run down the rows"


def test_confusion_picture_of_many_classes_stays_small() -> None:
    names = [f"class {index}" for index in range(150)]
    matrix = np.full((150, 150), 2) + np.diag(np.arange(150) * 1000)
    matrix[7] = 0
    picture = Image.open(io.BytesIO(confusion_picture(matrix, names)))
    assert max(picture.size) < 2500


def test_confusion_picture_refuses_a_wrong_number_of_names() -> None:
    with pytest.raises(ValueError, match="2 x 2"):
        confusion_picture(np.zeros((3, 3), np.int64), ("a", "b"))
