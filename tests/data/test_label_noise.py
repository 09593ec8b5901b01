import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.data.label_noise import widen_class


def widen_by_distance(labels: np.ndarray, class_index: int, radius: int, void: int | None) -> np.ndarray:
    """Ask every pixel for its nearest pixel of the class: slow, and independent of shifts."""
    result = labels.copy()
    points = np.argwhere(labels == class_index)
    for row, column in np.ndindex(labels.shape):
        if labels[row, column] != void and len(points):
            distance = np.hypot(*(points - (row, column)).T)
            if distance.min() <= radius + 1e-9:
                result[row, column] = class_index
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(0, 6), st.sampled_from([None, 255]))
def test_equals_the_distance_definition(seed: int, height: int, width: int, radius: int, void: int | None) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (height, width), p=[0.6, 0.25, 0.08, 0.07])
    expected = widen_by_distance(labels, 2, radius, void)
    np.testing.assert_array_equal(widen_class(labels, 2, radius, void), expected)


def test_disc_of_radius_two_by_hand() -> None:
    labels = np.zeros((7, 7), np.uint8)
    labels[3, 3] = 1
    # Offsets with dx^2 + dy^2 <= 4: 13 pixels, a diamond with its diagonal neighbors.
    expected = [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    np.testing.assert_array_equal(widen_class(labels, 1, 2, None), expected)


def test_images_of_a_batch_do_not_touch_and_input_is_kept() -> None:
    labels = np.zeros((2, 4, 4), np.uint8)
    labels[0, 0, 0] = 1
    before = labels.copy()
    widened = widen_class(labels, 1, 1, 255)
    assert widened.sum() == 3  # itself, right, below; no wrap to the other edges or image
    assert widened.dtype == np.uint8
    np.testing.assert_array_equal(labels, before)


def test_void_stays_and_does_not_stop_the_growth() -> None:
    labels = np.array([[1, 255, 0, 0]], np.uint8)
    np.testing.assert_array_equal(widen_class(labels, 1, 2, 255), [[1, 255, 1, 0]])


def test_zero_changes_nothing_and_bad_arguments_raise() -> None:
    labels = np.array([[0, 1]], np.uint8)
    np.testing.assert_array_equal(widen_class(labels, 1, 0, 255), labels)
    with pytest.raises(ValueError, match="widen_px is -1"):
        widen_class(labels, 1, -1, 255)
    with pytest.raises(ValueError, match="void cannot be widened"):
        widen_class(labels, 255, 1, 255)
