import math

import numpy as np
import pytest

from fnmask.metrics.readings import slug, summarize, tradeoff

PLAIN = np.array([[6, 2, 0], [1, 9, 0], [0, 4, 6]])
VARIANT = np.array([[8, 0, 0], [4, 6, 0], [0, 1, 9]])  # class 1 is missed more, the others are hit more


@pytest.mark.parametrize(
    ("name", "short"), [("road", "road"), ("Car / Truck", "car_truck"), (" Sign-Symbol2 ", "sign_symbol2")]
)
def test_slug(name, short):
    assert slug(name) == short


def test_a_name_without_letters_is_refused():
    with pytest.raises(ValueError, match="no letter"):
        slug("---")


def test_summary():
    readings = summarize(PLAIN, ["Road", "land", "Tree"], [1])
    assert readings["iou/road"] == pytest.approx(6 / 9)
    assert readings["precision/land"] == pytest.approx(9 / 15)
    assert readings["recall/tree"] == pytest.approx(6 / 10)
    assert readings["f1/tree"] == pytest.approx(12 / 16)
    assert readings["support/land"] == 10
    assert readings["miou"] == pytest.approx((6 / 9 + 9 / 16 + 6 / 10) / 3)
    assert readings["miou_without_target"] == pytest.approx((6 / 9 + 6 / 10) / 2)
    assert readings["pixel_accuracy"] == pytest.approx(21 / 28)
    assert readings["classes_present"] == 3
    assert len(readings) == 5 * 3 + 4
    assert {type(value) for value in readings.values()} == {float}


def test_summary_without_a_target_has_no_reading_for_it():
    assert "miou_without_target" not in summarize(PLAIN, ["a", "b", "c"], [])


def test_wrong_names_are_explained():
    with pytest.raises(ValueError, match="give the slugs"):
        summarize(PLAIN, ["a b", "a-b", "c"], [])
    with pytest.raises(ValueError, match="2 class names"):
        summarize(PLAIN, ["a", "b"], [])


def test_tradeoff_by_hand():
    readings = tradeoff(VARIANT, PLAIN, [1])
    # class 1: IoU 9/16 -> 6/11, precision 9/15 -> 6/7, recall 9/10 -> 6/10
    assert readings["tradeoff/target_cost"] == pytest.approx(100 * (9 / 16 - 6 / 11))
    assert readings["tradeoff/target_precision_gain"] == pytest.approx(100 * (6 / 7 - 9 / 15))
    assert readings["tradeoff/target_recall_cost"] == pytest.approx(30)
    # the others: (6/9 + 6/10) / 2 -> (8/12 + 9/10) / 2
    assert readings["tradeoff/others_gain"] == pytest.approx(15)


def test_tradeoff_of_several_targets_is_their_mean():
    cost = tradeoff(VARIANT, PLAIN, [1, 2])["tradeoff/target_cost"]
    assert cost == pytest.approx(100 * ((9 / 16 - 6 / 11) + (6 / 10 - 9 / 10)) / 2)


def test_a_target_that_is_absent_is_left_out_of_the_mean():
    plain, variant = PLAIN.copy(), VARIANT.copy()
    plain[2] = variant[2] = 0
    # The others are class 0 alone, with and without class 2 among the targets.
    assert tradeoff(variant, plain, [1, 2]) == tradeoff(variant, plain, [1])
    assert math.isnan(tradeoff(variant, plain, [2])["tradeoff/target_cost"])


def test_a_run_against_itself_neither_costs_nor_gains():
    readings = tradeoff(PLAIN, PLAIN, [0])
    assert set(readings.values()) == {0.0}
    assert {math.copysign(1, value) for value in readings.values()} == {1.0}, "-0.0 would be shown with its sign"


def test_wrong_comparisons_are_explained():
    with pytest.raises(ValueError, match="different pixels"):
        tradeoff(VARIANT + 1, PLAIN, [1])
    with pytest.raises(ValueError, match="at least one target"):
        tradeoff(VARIANT, PLAIN, [])
    with pytest.raises(ValueError, match="0 to 2"):
        tradeoff(VARIANT, PLAIN, [3])
