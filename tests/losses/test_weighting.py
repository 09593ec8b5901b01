from dataclasses import dataclass

import numpy as np
import pytest

from fnmask.losses import weighting


@dataclass
class Counts:
    pixels: np.ndarray
    pixels_in_images_with: np.ndarray


# Three images of 100 pixels: a in all of them, b in two, c in one.
TOY = Counts(np.array([120, 40, 20]), np.array([300, 200, 100]))
NAMES = ("a", "b", "c")


def test_none_is_ones():
    np.testing.assert_array_equal(weighting.none(TOY, NAMES), [1, 1, 1])


def test_inverse_by_hand():  # P38
    # 1/f is proportional to (1, 3, 6), which sums to 10; rescaled to sum 3.
    np.testing.assert_allclose(weighting.inverse(TOY, NAMES), [0.3, 0.9, 1.8], rtol=1e-9)


def test_median_frequency_by_hand():  # P38
    # u = (.4, .2, .2), the median is .2
    np.testing.assert_allclose(weighting.median_frequency(TOY, NAMES), [0.5, 1, 1], rtol=1e-9)


@pytest.mark.parametrize(
    ("scheme", "expected"), [(weighting.inverse, [0.5, 1.5, 0]), (weighting.median_frequency, [0.75, 1.5, 0])]
)
def test_an_absent_class_weighs_0_and_leaves_the_others(scheme, expected):  # P38
    # inverse: (1, 3) to sum 2. median: u = (.4, .2), median .3.
    counts = Counts(np.array([120, 40, 0]), np.array([300, 200, 0]))
    with pytest.warns(UserWarning, match="No pixel of c in the training set"):
        weights = scheme(counts, NAMES)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


def test_camvid():
    # Shares of the labeled pixels (%) and images with the class, as published with the training split: 367 images of
    # 172800 pixels of which 3.95 % are void. The weights were computed elsewhere from the full masks.
    shares = [17.54, 24.21, 1.02, 32.96, 4.67, 10.12, 1.22, 1.17, 6.11, 0.67, 0.30]
    images = [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
    median = [0.279, 0.202, 4.787, 0.149, 1.0, 0.422, 3.847, 1.974, 0.789, 6.375, 8.859]
    inverse = [0.078, 0.056, 1.335, 0.041, 0.293, 0.135, 1.119, 1.165, 0.224, 2.053, 4.500]
    pixels = np.array(shares) / 100 * 367 * 172800 * (1 - 0.0395)
    counts = Counts(pixels.astype(np.int64), np.array(images) * 172800)
    names = [str(number) for number in range(11)]
    np.testing.assert_allclose(weighting.median_frequency(counts, names), median, rtol=0.02)
    np.testing.assert_allclose(weighting.inverse(counts, names), inverse, rtol=0.02)


def test_manual_by_order_and_by_name():
    np.testing.assert_array_equal(weighting.manual(TOY, NAMES, weights=[1.0, 0.0, 2.5]), [1, 0, 2.5])
    np.testing.assert_array_equal(weighting.manual(TOY, NAMES, weights={"c": 2.0}), [1, 1, 2])
    np.testing.assert_array_equal(weighting.manual(TOY, NAMES, weights={}), [1, 1, 1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], "2 numbers, but there are 3 classes"),
        ({"d": 1.0}, r"names \['d'\], but the classes are \['a', 'b', 'c'\]"),
        ([1.0, -1.0, 1.0], "not negative"),
        ({"a": float("nan")}, "finite"),
    ],
)
def test_wrong_weights_are_explained(weights, message):
    with pytest.raises(ValueError, match=message):
        weighting.manual(TOY, NAMES, weights=weights)


def test_counts_must_fit_the_names():
    with pytest.raises(ValueError, match="counts of 3 classes, but 2 class names"):
        weighting.none(TOY, ["a", "b"])
    with pytest.raises(ValueError, match="No class has a labeled pixel"):
        weighting.inverse(Counts(np.zeros(2, int), np.zeros(2, int)), ["a", "b"])
