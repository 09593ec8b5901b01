import numpy as np
import pytest
from checking import Arrays, kinds, labels_of, photo

from fnmask.check.gathering import gather
from fnmask.check.shares import compare_shares, find_absent_classes, find_unlike_splits, find_void, split_shares

NAMES = ("land", "road", "water")


def facts(**splits):
    images = {
        split: [(f"{split}{i}", photo(i), labels) for i, labels in enumerate(own)] for split, own in splits.items()
    }
    return gather(Arrays(images), n_workers=1)


def test_the_distance_is_half_the_sum_of_the_differences():
    # Shares 1/2, 1/4, 1/4 and 1/4, 3/4, 0: (1/4 + 1/2 + 1/4) / 2 = 1/2.
    distance, usual, p = compare_shares(np.array([[2, 1, 1]]), np.array([[1, 3, 0]]), draws=50)
    assert distance == pytest.approx(0.5)
    # Of two images there is one division: it always gives the same distance.
    assert usual == pytest.approx(0.5)
    assert p == 1


def test_chance_is_what_random_divisions_give():
    ours, theirs = np.array([[1, 0]] * 3), np.array([[0, 1]] * 3)
    distance, _, p = compare_shares(ours, theirs, draws=4000)
    assert distance == 1
    # Of the 20 divisions of six images into three and three, two are as extreme.
    assert p == pytest.approx(2 / 20, abs=0.02)


def test_val_unlike_test_is_a_warning_and_names_the_classes():
    found = find_unlike_splits(
        facts(train=[labels_of(17, 17)] * 9, val=[labels_of(30, 4)] * 9, test=[labels_of(10, 24)] * 9), NAMES
    )
    assert kinds(found) == [("warning", "unlike"), ("hint", "unlike"), ("hint", "unlike")]
    # 30/34 against 10/34.
    assert "val is unlike test: 58.8 % of the labeled pixels would have to change class" in found[0].message
    assert "land 88.2 against 29.4 %, road 11.8 against 70.6 %" in found[0].message


def test_without_a_test_split_val_is_compared_with_train():
    found = find_unlike_splits(facts(train=[labels_of(17, 17)] * 9, val=[labels_of(30, 4)] * 9), NAMES)
    assert kinds(found) == [("warning", "unlike")]
    assert "train is unlike val" in found[0].message


def test_what_chance_explains_or_is_too_small_to_matter_is_not_told():
    mixed = [labels_of(4 + 2 * (i % 13), 30 - 2 * (i % 13)) for i in range(26)]
    assert find_unlike_splits(facts(val=mixed[:13], test=mixed[13:]), NAMES) == []
    few = find_unlike_splits(facts(val=[labels_of(30, 4)], test=[labels_of(10, 24)]), NAMES)
    assert few == [], "two images may be divided in one way only"
    # 0.7 of 34 columns: certain, and 2 % of the pixels.
    slightly = [labels_of(20, 14), labels_of(21, 13), labels_of(21, 13)]
    assert find_unlike_splits(facts(val=[slightly[0]] * 60, test=slightly[1:] * 30), NAMES) == []


def test_a_small_class_whose_share_differs_most_is_named_too():
    names = ("a", "b", "c", "d", "e")
    ours, theirs = labels_of(12, 6, 10, 5, 1), labels_of(6, 12, 5, 7, 4)
    images = {
        "val": [(f"v{i}", photo(i), ours) for i in range(9)],
        "test": [(f"t{i}", photo(i), theirs) for i in range(9)],
    }
    found = find_unlike_splits(gather(Arrays(images, class_names=names), n_workers=1), names)
    assert "e 2.9 against 11.8 %" in found[0].message


def test_absent_classes_say_what_follows():
    told = facts(train=[labels_of(20, 14)], val=[labels_of(20, 4, 10)])
    found = find_absent_classes(split_shares(told, 3), NAMES)
    assert kinds(found) == [("warning", "absent")]
    assert found[0].message == "train has no pixel of water. It cannot be learned."


def test_shares_leave_void_out_and_void_is_of_all():
    labels = labels_of(10, 10, 14)
    labels[:, :17] = 255
    own = split_shares(facts(train=[labels]), 3)["train"]
    np.testing.assert_allclose(own.shares, [0, 3 / 17, 14 / 17])
    assert own.void_share == pytest.approx(1 / 2)
    np.testing.assert_array_equal(own.images_with, [0, 1, 1])


def test_void():
    blank, half = np.full((32, 34), 255, np.uint8), labels_of(34)
    told = facts(train=[half, half, half], val=[blank, blank, half])
    found = find_void(told, split_shares(told, 3))
    assert kinds(found) == [("warning", "all_void"), ("warning", "void")]
    assert [str(place) for place in found[0].where] == ["val/val0", "val/val1"]
    assert found[1].message.startswith("67 % of the pixels of val are void.")
