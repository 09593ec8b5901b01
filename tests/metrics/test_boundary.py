import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.metrics import confusion_matrix, iou, precision, recall
from fnmask.metrics.boundary import (
    tolerant_counts,
    tolerant_iou,
    tolerant_mean_iou,
    tolerant_precision,
    tolerant_recall,
)

thorough = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@st.composite
def labeled_images(draw, sizes=(2, 5)):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    num_classes = draw(st.integers(*sizes))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 8)), draw(st.integers(1, 8)))
    void = draw(st.sampled_from([None, -1, 255, num_classes]))
    labels = rng.integers(0, num_classes, shape)
    if void is not None:
        labels = np.where(rng.random(shape) < 0.3, void, labels)
    return labels, rng.integers(0, num_classes, shape), num_classes, void


def by_looking_around(labels, predicted, num_classes, tolerance_px, void):
    """The counts of one image, pixel by pixel."""
    counts = np.zeros((num_classes, 4), int)
    places = [place for place in np.ndindex(labels.shape) if labels[place] != void]
    for here in places:
        near = [p for p in places if max(abs(p[0] - here[0]), abs(p[1] - here[1])) <= tolerance_px]
        counts[predicted[here], 0] += any(labels[place] == predicted[here] for place in near)
        counts[predicted[here], 1] += 1
        counts[labels[here], 2] += any(predicted[place] == labels[here] for place in near)
        counts[labels[here], 3] += 1
    return counts


@thorough
@given(labeled_images(), st.integers(0, 9))
def test_counts_are_those_of_a_loop_over_pixels(problem, tolerance_px):
    labels, predicted, num_classes, void = problem
    how = {"num_classes": num_classes, "tolerance_px": tolerance_px, "ignore_class": void}
    pairs = zip(labels, predicted, strict=True)
    expected = [by_looking_around(*pair, num_classes, tolerance_px, void) for pair in pairs]
    counts = tolerant_counts(labels, predicted, **how)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, expected)


@thorough
@given(labeled_images())
def test_without_tolerance_it_is_the_confusion_matrix(problem):
    labels, predicted, num_classes, void = problem
    counts = tolerant_counts(labels, predicted, num_classes=num_classes, tolerance_px=0, ignore_class=void).sum(0)
    matrix = confusion_matrix(labels, predicted, num_classes=num_classes, ignore_class=void)
    np.testing.assert_array_equal(tolerant_precision(counts), precision(matrix))
    np.testing.assert_array_equal(tolerant_recall(counts), recall(matrix))
    np.testing.assert_array_equal(tolerant_iou(counts), iou(matrix))


@thorough
@given(labeled_images(sizes=(60, 70)), st.integers(0, 3))
def test_more_classes_than_bits_of_an_integer(problem, tolerance_px):
    labels, predicted, num_classes, void = problem
    counts = tolerant_counts(labels, predicted, num_classes=num_classes, tolerance_px=tolerance_px, ignore_class=void)
    expected = [
        by_looking_around(*pair, num_classes, tolerance_px, void) for pair in zip(labels, predicted, strict=True)
    ]
    np.testing.assert_array_equal(counts, expected)


def test_by_hand():
    labels = np.array([[[1, 1, 1, 0, 0, 0, 0, 0]]])
    predicted = np.array([[[0, 1, 1, 1, 1, 1, 0, 0]]])
    counts = tolerant_counts(labels, predicted, num_classes=2, tolerance_px=1)
    # Class 1: of the predictions at 1..5 those at 1, 2, 3 are near a label; every label is near a prediction.
    np.testing.assert_array_equal(counts[0, 1], [3, 5, 3, 3])
    # Class 0: no label is near the prediction at 0, both at 6 and 7 are on one; of the labels at 3..7 those at 5..7.
    np.testing.assert_array_equal(counts[0, 0], [2, 3, 3, 5])
    np.testing.assert_allclose(tolerant_precision(counts)[0], [2 / 3, 3 / 5])
    np.testing.assert_allclose(tolerant_recall(counts)[0], [3 / 5, 1])
    np.testing.assert_allclose(tolerant_iou(counts)[0], [1 / (3 / 2 + 5 / 3 - 1), 3 / 5])
    np.testing.assert_allclose(tolerant_mean_iou(counts), (6 / 13 + 3 / 5) / 2)


def test_a_shift_within_the_tolerance_is_no_error():
    labels = np.zeros((1, 12, 12), int)
    labels[:, :, 6:] = 1
    shifted = np.roll(labels, 2, axis=2)
    shifted[:, :, :2] = 0
    read = [
        tolerant_mean_iou(tolerant_counts(labels, shifted, num_classes=2, tolerance_px=px).sum(0)) for px in range(4)
    ]
    assert read[0] < read[1] < read[2] == read[3] == 1


def test_absent_and_never_predicted():
    # Class 2 is absent, class 1 present but never predicted, and far from everything.
    labels, predicted = np.array([[[0, 0, 0, 1]]]), np.array([[[0, 0, 2, 2]]])
    counts = tolerant_counts(labels, predicted, num_classes=3, tolerance_px=0)[0]
    np.testing.assert_array_equal(tolerant_iou(counts), [2 / 3, 0, np.nan])
    np.testing.assert_array_equal(tolerant_recall(counts), [2 / 3, 0, np.nan])
    np.testing.assert_array_equal(tolerant_precision(counts), [1, np.nan, np.nan])
    assert tolerant_mean_iou(counts) == pytest.approx(1 / 3)


def test_void_neither_counts_nor_matches():
    labels = np.array([[[1, 255, 0, 0]]])
    for at_void in (0, 1, -7, 99):
        predicted = np.array([[[0, at_void, 0, 0]]])
        counts = tolerant_counts(labels, predicted, num_classes=2, tolerance_px=1, ignore_class=255)
        # The label 1 is next to a prediction of 1, but that one is at void.
        np.testing.assert_array_equal(counts[0], [[2, 3, 2, 2], [0, 0, 0, 1]])


def test_inputs_are_left_alone():  # P34
    labels, predicted = np.random.default_rng(0).integers(0, 3, (2, 1, 6, 6))
    before = labels.copy(), predicted.copy()
    tolerant_counts(labels, predicted, num_classes=3, tolerance_px=2)
    np.testing.assert_array_equal((labels, predicted), before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tolerance_px": -1}, "at least 0"),
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": 2}, "labels hold 2"),
        ({"y_pred": np.full((1, 2, 2), 3)}, "predictions hold"),
        ({"y_pred": np.full((1, 2, 2), -1)}, "predictions hold"),
        ({"y_pred": np.zeros((1, 2, 3), int)}, "do not go with"),
        ({"y_true": np.zeros((2, 2), int), "y_pred": np.zeros((2, 2), int)}, r"both are \(N, H, W\)"),
    ],
)
def test_wrong_input_is_explained(changes, message):
    given = {"y_true": np.full((1, 2, 2), 2), "y_pred": np.zeros((1, 2, 2), int), "num_classes": 3, "tolerance_px": 1}
    given |= changes
    with pytest.raises(ValueError, match=message):
        tolerant_counts(given.pop("y_true"), given.pop("y_pred"), **given)


@pytest.mark.parametrize("counts", [np.ones((2, 3), int), np.ones((2, 4))])
def test_what_are_no_counts_is_refused(counts):
    with pytest.raises(ValueError, match="never average"):
        tolerant_iou(counts)


def test_it_is_fast():
    labels, predicted = np.random.default_rng(0).integers(0, 12, (2, 4, 360, 480))
    begin_s = time.perf_counter()
    tolerant_counts(labels, predicted, num_classes=12, tolerance_px=5)
    assert time.perf_counter() - begin_s < 2  # 0.04 s on two cores
