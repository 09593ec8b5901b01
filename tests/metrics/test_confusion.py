import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.metrics import confusion
from fnmask.metrics.confusion import confusion_matrix

# Fixed examples and no example database: the same run every time, nothing written to disk.
thorough = settings(max_examples=60, deadline=None, derandomize=True, database=None)

# Class 0: 6 right, 2 called 1. Class 1: 3 right, 1 called 0. Class 2: absent, yet called twice for class 1.
MATRIX = np.array([[6, 2, 0], [1, 3, 2], [0, 0, 0]])


@st.composite
def labeled_images(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_classes, shape = draw(st.integers(2, 6)), tuple(draw(st.integers(1, 5)) for _ in range(3))
    void = draw(st.sampled_from([None, -1, 255, num_classes]))
    labels = rng.integers(0, num_classes, shape)
    if void is not None:
        labels = np.where(rng.random(shape) < 0.3, void, labels)
    return labels, rng.integers(0, num_classes, shape), num_classes, void


@thorough
@given(labeled_images())
def test_every_reading_is_that_of_a_loop_over_pixel_sets(problem):  # P42
    labels, predicted, num_classes, void = problem
    matrix = confusion_matrix(labels, predicted, num_classes=num_classes, ignore_class=void)
    valid = {place for place in np.ndindex(labels.shape) if labels[place] != void}
    ious = []
    for c in range(num_classes):
        truth = {place for place in valid if labels[place] == c}
        called = {place for place in valid if predicted[place] == c}
        hits, union = len(truth & called), len(truth | called)
        expected = {
            "iou": hits / union if truth else np.nan,
            "recall": hits / len(truth) if truth else np.nan,
            "precision": hits / len(called) if truth and called else np.nan,
            "f1": 2 * hits / (len(truth) + len(called)) if truth else np.nan,
            "support": len(truth),
        }
        ious.append(expected["iou"])
        for name, value in expected.items():
            np.testing.assert_equal(getattr(confusion, name)(matrix)[c], value)
    present = [value for value in ious if not np.isnan(value)]
    np.testing.assert_allclose(confusion.mean_iou(matrix), sum(present) / len(present) if present else np.nan)
    assert confusion.classes_present(matrix) == len(present)


def test_by_hand():
    nan = np.nan
    np.testing.assert_allclose(confusion.iou(MATRIX), [6 / 9, 3 / 8, nan])
    np.testing.assert_allclose(confusion.precision(MATRIX), [6 / 7, 3 / 5, nan])
    np.testing.assert_allclose(confusion.recall(MATRIX), [6 / 8, 3 / 6, nan])
    np.testing.assert_allclose(confusion.f1(MATRIX), [12 / 15, 6 / 11, nan])
    np.testing.assert_array_equal(confusion.support(MATRIX), [8, 6, 0])
    assert confusion.mean_iou(MATRIX) == pytest.approx((6 / 9 + 3 / 8) / 2)
    assert confusion.mean_iou_without(MATRIX, [1]) == pytest.approx(6 / 9)
    assert confusion.pixel_accuracy(MATRIX) == pytest.approx(9 / 14)


def test_present_but_never_predicted():
    matrix = np.array([[4, 0], [2, 0]])
    assert np.isnan(confusion.precision(matrix)[1])
    assert [reading(matrix)[1] for reading in (confusion.iou, confusion.recall, confusion.f1)] == [0, 0, 0]


def test_no_pixel_at_all_is_nan_and_no_warning():
    empty = np.zeros((2, 2), np.int64)
    assert np.isnan(confusion.mean_iou(empty))
    assert np.isnan(confusion.pixel_accuracy(empty))
    assert np.isnan(confusion.mean_iou_without(MATRIX, [0, 1]))


def test_many_matrices_at_once():
    stack = np.stack([MATRIX, MATRIX.T, np.zeros((3, 3), np.int64)])
    for reading in (confusion.iou, confusion.precision, confusion.recall, confusion.f1, confusion.mean_iou):
        np.testing.assert_array_equal(reading(stack), np.stack([reading(matrix) for matrix in stack]))


def test_predictions_at_void_do_not_matter():
    labels = np.array([[0, 1, 255]])
    for at_void in (0, 1, -7):
        predicted = np.array([[0, 0, at_void]])
        matrix = confusion_matrix(labels, predicted, num_classes=2, ignore_class=255)
        np.testing.assert_array_equal(matrix, [[1, 0], [1, 0]])


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([0, 7], [0, 0], "hold 7, .*Set ignore_class"),
        ([0, 1], [0, 2], "predictions hold"),
        ([0, 1], [0], "do not go with"),
    ],
)
def test_wrong_labels_are_explained(labels, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(labels), np.array(predicted), num_classes=2)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3), int), r"\(\.\.\., C, C\)"),
        (np.ones((2, 2)), "never average"),
        (np.full((2, 2), -1), "negative count"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        confusion.iou(matrix)
