import numpy as np
import pytest

from fnmask.losses.error_matrix import check_class_weights, check_error_weights, error_weights


def test_nothing_let_off_is_all_ones():
    np.testing.assert_array_equal(error_weights(3), np.ones((3, 3)))


def test_rows_columns_and_single_confusions():
    matrix = error_weights(3, false_negatives={0: 0.5}, false_positives={2: 0.25}, confusions={(1, 0): 3.0})
    # row 0 weighs .5, column 2 weighs .25, where both meet the product .125; [1, 0] is set by itself
    np.testing.assert_array_equal(matrix, [[1, 0.5, 0.125], [3, 1, 0.25], [1, 1, 1]])
    assert matrix.dtype == np.float32


def test_two_rows():
    matrix = error_weights(3, false_negatives={0: 0.0, 2: 0.5})
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [1, 1, 1], [0.5, 0.5, 1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"false_negatives": {3: 0.0}}, r"false_negatives=\[3\]"),
        ({"false_positives": {-1: 0.0}}, r"false_positives=\[-1\]"),
        ({"confusions": {(0, 5): 0.0}}, r"holds \[5\]"),
        ({"confusions": {(1, 1): 0.5}}, "class 1 called 1, but that is no error"),
        ({"false_negatives": {1: -0.1}}, "not negative"),
        ({"false_negatives": {1: float("inf")}}, "finite"),
        ({"false_negatives": 1}, "false_negatives=1, but it maps a class to a weight"),
        ({"false_negatives": {"road": 0.0}}, r"false_negatives=\['road'\], but a class is named by its id"),
        ({"false_positives": {1: "0"}}, r"false_positives\[1\]='0', but a weight is a finite number"),
        ({"confusions": [(0, 1)]}, r"maps a \(true class, predicted class\) to a weight"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        error_weights(3, **arguments)


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(ValueError, match="background"):
        error_weights(1)


def test_checks_of_given_arrays():
    with pytest.raises(ValueError, match=r"diagonal \[1.0, 0.5\]"):
        check_error_weights([[1, 0], [0, 0.5]], num_classes=2)
    with pytest.raises(ValueError, match="one row per true class"):
        check_error_weights(np.ones((2, 3)), num_classes=2)
    with pytest.raises(ValueError, match=r"-1"):
        check_class_weights([1, -1], num_classes=2)
