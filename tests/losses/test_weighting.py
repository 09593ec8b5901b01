import os
import warnings
from dataclasses import dataclass
from functools import partial
from math import exp, log, sqrt
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.binding import ConfigError, bind
from fnmask.data.arrays import count_classes, load_split
from fnmask.data.named.camvid import CamVid
from fnmask.losses import weighting

SEGNET = [0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614]

exactly = partial(np.testing.assert_allclose, rtol=1e-9, atol=0)


@dataclass
class Counts:
    pixels: np.ndarray
    pixels_in_images_with: np.ndarray
    images: np.ndarray


def counts(pixels, images, image_px=100):
    """Counts that cannot be written to: no weighting has business with that."""
    arrays = np.array(pixels), np.array(images) * image_px, np.array(images)
    for array in arrays:
        array.setflags(write=False)
    return Counts(*arrays)


# Three images of 100 pixels, of which 20 are void: a in all of them, b in two, c in one.
TOY = counts([180, 80, 20], [3, 2, 1])
NAMES = ("a", "b", "c")

# The weightings that are made of counts. A beta of 0.5 is for toys.
COUNTED = {
    "inverse": weighting.inverse,
    "sqrt_inverse": weighting.sqrt_inverse,
    "median_frequency": weighting.median_frequency,
    "effective_number": partial(weighting.effective_number, beta=0.5),
    "enet": partial(weighting.enet, offset=1.02),
}
each_counted = pytest.mark.parametrize("scheme", COUNTED)


def test_inverse_by_hand():  # P38
    # 1/f is proportional to (4, 9, 36), which sums to 49; rescaled to sum 3.
    exactly(weighting.inverse(TOY, NAMES, absent="error"), [12 / 49, 27 / 49, 108 / 49])


def test_sqrt_inverse_by_hand():  # P38
    # The roots of (4, 9, 36) are 2, 3 and 6, which sum to 11; rescaled to sum 3.
    exactly(weighting.sqrt_inverse(TOY, NAMES, absent="error"), [6 / 11, 9 / 11, 18 / 11])


def test_median_frequency_by_hand():  # P38
    # u = (.6, .4, .2), void pixels in the divisor; the median is .4. Not rescaled: the sum is 3.67.
    exactly(weighting.median_frequency(TOY, NAMES, absent="error"), [2 / 3, 1, 2])


def test_effective_number_by_hand():  # P38
    # At beta 1/2: .5 / (1 - 1/8) = 4/7, .5 / (1 - 1/4) = 2/3, .5 / .5 = 1, that is (12, 14, 21) / 21 of sum 47.
    result = weighting.effective_number(TOY, NAMES, beta=0.5, absent="error")
    exactly(result, [36 / 47, 42 / 47, 63 / 47])


def test_enet_by_hand():  # P38
    # Shares of the 280 labeled pixels. An offset of e - 9/14 gives class a 1 / ln(e) = 1.
    result = weighting.enet(TOY, NAMES, offset=exp(1) - 9 / 14, absent="error")
    exactly(result, [1, 1 / log(exp(1) - 5 / 14), 1 / log(exp(1) - 8 / 14)])


@each_counted
def test_an_absent_class_is_an_error_that_names_it(scheme):  # P38
    with pytest.raises(ValueError, match=r"No pixel of b, d in the training set.*absent=zero"):
        COUNTED[scheme](counts([120, 0, 40, 0], [3, 0, 2, 0]), "abcd", absent="error")


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("inverse", [0.5, 0, 1.5]),  # (1, 3) to sum 2
        ("sqrt_inverse", [2 / (1 + sqrt(3)), 0, 2 * sqrt(3) / (1 + sqrt(3))]),
        ("median_frequency", [0.75, 0, 1.5]),  # u = (.4, .2), median .3
        ("effective_number", [12 / 13, 0, 14 / 13]),  # (4/7, 2/3) = (12, 14) / 21, to sum 2
        ("enet", [1 / log(1.77), 0, 1 / log(1.27)]),  # f = (3/4, 1/4)
    ],
)
def test_an_absent_class_may_weigh_0_and_leaves_the_others(scheme, expected):  # P38
    with pytest.warns(UserWarning, match="No pixel of b in the training set: the weight is 0") as caught:
        weights = COUNTED[scheme](counts([120, 0, 40], [3, 0, 2]), NAMES, absent="zero")
    exactly(weights, expected)
    assert caught[0].filename == __file__, "the warning points at the caller"


@each_counted
def test_no_pixel_at_all_is_an_error_either_way(scheme):
    for absent in ("error", "zero"):
        with pytest.raises(ValueError, match=r"No class has a labeled pixel.*ignore_class"):
            COUNTED[scheme](counts([0, 0], [0, 0]), "ab", absent=absent)


def test_effective_number_between_ones_and_inverse():  # P38
    with pytest.warns(UserWarning, match="alike"):
        exactly(weighting.effective_number(TOY, NAMES, beta=0.0, absent="error"), [1, 1, 1])
    with pytest.warns(UserWarning, match="alike"):
        exactly(weighting.effective_number(TOY, NAMES, beta=1e-12, absent="error"), [1, 1, 1])
    # Of images: 1/3, 1/2 and 1 are (2, 3, 6) / 6, which sum to 11.
    exactly(weighting.effective_number(TOY, NAMES, beta=1 - 1e-12, absent="error"), [6 / 11, 9 / 11, 18 / 11])


def test_effective_number_is_of_images_since_of_pixels_it_is_nothing():
    images, pixels = [366, 349, 201], [10682767, 2845085, 184967]
    weights = weighting.effective_number(counts(pixels, images), NAMES, beta=0.999, absent="error")
    assert weights[2] / weights[0] > 1.5
    other = weighting.effective_number(counts([7, 7, 7], images), NAMES, beta=0.999, absent="error")
    np.testing.assert_array_equal(other, weights)
    told = r"effective_number weighs all classes alike.*in 184967 to 10682767 images\. Raise beta=0\.9999 towards 1"
    with pytest.warns(UserWarning, match=told):
        trap = weighting.effective_number(counts(pixels, pixels), NAMES, beta=0.9999, absent="error")
    np.testing.assert_allclose(trap, 1, atol=5e-4)


@each_counted
def test_weights_that_are_all_alike_warn(scheme):
    told = rf"^{scheme} weighs all classes alike \(largest / smallest = 1\.00"
    with pytest.warns(UserWarning, match=told) as caught:
        COUNTED[scheme](counts([1000, 1001], [10, 10]), "ab", absent="error")
    assert caught[0].filename == __file__, "the warning points at the caller"


def test_alike_is_below_one_percent():
    with pytest.warns(UserWarning, match=r"alike \(largest / smallest = 1\.0099\).*choose none"):
        weighting.inverse(counts([10099, 10000], [1, 1]), "ab", absent="error")
    weighting.inverse(counts([10101, 10000], [1, 1]), "ab", absent="error")  # warnings are errors in these tests


histograms = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 500)), min_size=1, max_size=8).filter(
    lambda classes: any(pixels for pixels, _ in classes)
)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(histograms, st.floats(0, 0.9999), st.floats(1.001, 3))
def test_any_histogram_as_a_loop_over_the_formulas(classes, beta, offset):  # P38
    image_px = 10**9
    given_counts = counts([n for n, _ in classes], [m if n else 0 for n, m in classes], image_px)
    present = [index for index, (n, _) in enumerate(classes) if n]
    f = {c: classes[c][0] / sum(n for n, _ in classes) for c in present}
    u = {c: classes[c][0] / (classes[c][1] * image_px) for c in present}
    effective = {c: sum(beta**k for k in range(classes[c][1])) for c in present}
    expected = {
        "inverse": {c: 1 / f[c] for c in present},
        "sqrt_inverse": {c: 1 / sqrt(f[c]) for c in present},
        "effective_number": {c: 1 / effective[c] for c in present},
    }
    expected = {
        scheme: {c: weight * len(present) / sum(raw.values()) for c, weight in raw.items()}
        for scheme, raw in expected.items()
    }
    expected["median_frequency"] = {c: median(u.values()) / u[c] for c in present}
    expected["enet"] = {c: 1 / log(offset + f[c]) for c in present}
    numbers = {"effective_number": {"beta": beta}, "enet": {"offset": offset}}
    for scheme, weights in expected.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            function = getattr(weighting, scheme)
            result = function(given_counts, "abcdefgh"[: len(classes)], absent="zero", **numbers.get(scheme, {}))
        exactly(result, [weights.get(c, 0) for c in range(len(classes))], err_msg=scheme)


def test_none_manual_and_segnet_ask_for_no_counts():
    np.testing.assert_array_equal(weighting.none(None, NAMES), [1, 1, 1])
    np.testing.assert_array_equal(weighting.manual(None, NAMES, weights=[1.0, 0.0, 2.5]), [1, 0, 2.5])
    np.testing.assert_array_equal(weighting.manual(None, NAMES, weights={"c": 2.0}), [1, 1, 2])
    np.testing.assert_array_equal(weighting.manual(None, NAMES, weights={}), [1, 1, 1])
    np.testing.assert_array_equal(weighting.segnet(None, CamVid.class_names), SEGNET)


def test_none_and_manual_say_nothing_of_absent_classes():
    absent = counts([10, 0, 0], [1, 0, 0])  # warnings are errors in these tests
    np.testing.assert_array_equal(weighting.none(absent, NAMES), [1, 1, 1])
    np.testing.assert_array_equal(weighting.manual(absent, NAMES, weights=[1.0, 1.0, 1.0]), [1, 1, 1])


def test_segnet_goes_by_name():
    names = [name.title() for name in reversed(CamVid.class_names)]
    np.testing.assert_array_equal(weighting.segnet(None, names), SEGNET[::-1])


@pytest.mark.parametrize(
    "names",
    [
        ("land", "road"),
        CamVid.class_names[:-1],
        (*CamVid.class_names, "void"),
        (*CamVid.class_names[:-1], "sky"),
    ],
)
def test_segnet_refuses_other_classes(names):
    with pytest.raises(ValueError, match=r"classes sky, building, .* but the classes are .* Choose median_frequency"):
        weighting.segnet(None, names)


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
        weighting.manual(None, NAMES, weights=weights)


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match="counts of 3 classes, but 2 class names"):
        weighting.inverse(TOY, ["a", "b"], absent="error")
    with pytest.raises(ValueError, match="absent='ignore' is not known; use one of error, zero"):
        weighting.inverse(TOY, NAMES, absent="ignore")
    for beta in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=rf"beta={beta}, but it is in \[0, 1\)"):
            weighting.effective_number(TOY, NAMES, beta=beta, absent="error")
    for offset in (1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=rf"offset={offset}, but it is a number above 1"):
            weighting.enet(TOY, NAMES, offset=offset, absent="error")


def test_a_config_is_checked_against_the_same_ranges():
    told = {
        "enet": {"offset": 1.0, "absent": "ignore"},
        "effective_number": {"beta": 1.0, "absent": "ignore"},
    }
    for scheme, wrong in told.items():
        node = {"_target_": f"fnmask.losses.weighting.{scheme}", **wrong}
        with pytest.raises(ConfigError) as caught:
            bind(node, prefix="weighting", known=("counts", "class_names"))
        assert {fault.partition(":")[0] for fault in caught.value.faults} == {f"weighting.{key}" for key in wrong}


# The training split at 360x480, as it was counted and weighed elsewhere from the same files.
CAMVID = {
    "median_frequency": ".279 .202 4.787 .149 1.0 .422 3.847 1.974 .789 6.375 8.859",
    "inverse": ".078 .056 1.335 .041 .293 .135 1.119 1.165 .224 2.053 4.500",
    "enet": "5.60 4.30 33.6 3.34 15.5 8.74 31.5 32.0 12.8 38.0 43.9",
}
CAMVID_IMAGES = [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
CAMVID_SHARES = [17.54, 24.21, 1.02, 32.96, 4.67, 10.12, 1.22, 1.17, 6.11, 0.67, 0.30]  # % of the labeled pixels


@pytest.mark.parametrize("scheme", CAMVID)
def test_camvid_from_its_rounded_shares(scheme):
    pixels = np.array(CAMVID_SHARES) / 100 * 367 * 172800 * (1 - 0.0395)  # 3.95 % are void
    camvid = counts(pixels.astype(np.int64), CAMVID_IMAGES, image_px=172800)
    weights = COUNTED[scheme](camvid, CamVid.class_names, absent="error")
    np.testing.assert_allclose(weights, [float(weight) for weight in CAMVID[scheme].split()], rtol=0.02)


@pytest.mark.skipif("FNMASK_DATA" not in os.environ, reason="FNMASK_DATA does not name the folder of camvid/")
def test_camvid_to_the_digits_of_the_table():
    source = CamVid(root=str(Path(os.environ["FNMASK_DATA"]) / "camvid"))
    labels = load_split(source, "train", image_size=(360, 480)).labels
    camvid = count_classes(labels, len(source.class_names), source.ignore_class)
    np.testing.assert_array_equal(camvid.images, CAMVID_IMAGES)
    for scheme, row in CAMVID.items():
        weights = COUNTED[scheme](camvid, source.class_names, absent="error")
        for weight, printed in zip(weights, row.split(), strict=True):
            decimals = len(printed.partition(".")[2])
            assert round(float(weight), decimals) == float(printed), scheme
    # Every class is in 173 images or more, and 0.9 ** 173 is 1e-8.
    with pytest.warns(UserWarning, match=r"173 to 367 images\. Raise beta=0\.9 "):
        weighting.effective_number(camvid, source.class_names, beta=0.9, absent="error")
    weights = weighting.effective_number(camvid, source.class_names, beta=0.999, absent="error")
    assert weights.max() / weights.min() > 1.9
