"""Formats that a trial writes and the comparison reads."""

import math

import numpy as np
import pytest

from fnmask.tracking.artifacts import (
    ClassList,
    confusion_csv,
    confusion_name,
    pack_classes,
    pack_confusion,
    per_class_csv,
    unpack_classes,
    unpack_confusion,
)


def test_confusion_round_trip() -> None:
    matrices = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    back, ids = unpack_confusion(pack_confusion(matrices, ["0001", "0002"]))
    assert back.dtype == np.int64
    assert (back == matrices).all()
    assert ids == ("0001", "0002")


@pytest.mark.parametrize(
    ("matrices", "ids"),
    [(np.zeros((3, 3), int), ["a"]), (np.zeros((2, 3, 3), int), ["a"]), (np.zeros((1, 3, 3)), ["a"])],
)
def test_confusion_of_a_wrong_form_is_refused(matrices: np.ndarray, ids: list[str]) -> None:
    with pytest.raises(ValueError, match="needed integers"):
        pack_confusion(matrices, ids)


def test_confusion_csv_has_truth_in_rows() -> None:
    text = confusion_csv(np.array([[5, 1], [2, 7]]), ["land", "road"]).decode()
    assert text == "true \\ predicted,land,road\nland,5,1\nroad,2,7\n"


def test_per_class_csv_has_classes_in_rows() -> None:
    columns = {"val iou": np.array([0.5, math.nan]), "val support": np.array([7, 0])}
    assert per_class_csv(columns, ["land", "road"]) == b"class,val iou,val support\nland,0.5000,7\nroad,,0\n"


def test_classes_round_trip() -> None:
    classes = ClassList(("land", "road"), ((1, 2, 3), (4, 5, 6)), None)
    assert unpack_classes(pack_classes(classes)) == classes


def test_names() -> None:
    assert confusion_name("test") == "confusion/test.npz"
    assert confusion_name("val", "csv") == "confusion/val.csv"
