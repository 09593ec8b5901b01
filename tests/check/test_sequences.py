import numpy as np
import pytest
from checking import Arrays, labels_of, photo

from fnmask.check.gathering import gather
from fnmask.check.sequences import Origin, find_shared_groups, find_shared_names, origin_of_name


@pytest.mark.parametrize(
    ("name", "group", "number"),
    [
        ("0016E5_07959", "0016E5", 7959),
        ("Seq05VD_f02250", "Seq05VD_f", 2250),
        ("aachen/aachen_000000_000019_leftImg8bit", "aachen/aachen_000000_leftImg8bit", 19),
        ("tile3_part9", "tile3_part", 9),
        ("0042", "", 42),
    ],
)
def test_group_and_number_of_a_name(name, group, number):
    origin = origin_of_name(name)
    assert origin is not None
    assert origin.number == number
    assert origin.group.replace("__", "_") == group


def test_a_name_without_a_number_tells_nothing():
    assert origin_of_name("church") is None


def facts(splits, *, groups=None):
    images = {split: [(name, image, labels_of(34)) for name, image in own] for split, own in splits.items()}
    return gather(Arrays(images, groups=groups), n_workers=1)


def drive(name, numbers, start, step=1):
    """Frames that change slowly: a window that moves over a wide picture."""
    wide = photo(hash(name) % 1000, height=32, width=340)
    return [
        (f"{name}_{number:04d}", np.ascontiguousarray(wide[:, start + step * i :][:, :34]))
        for i, number in enumerate(numbers)
    ]


def test_groups_of_the_source_in_two_splits():
    told = facts({"train": [("a_1", photo(0)), ("b_3", photo(1))], "val": [("c_1", photo(2))],
                  "test": [("a_2", photo(3)), ("a_9", photo(4)), ("d_1", photo(5))]})  # fmt: skip
    groups = {(one.split, one.id): one.id.partition("_")[0] for one in told}
    (found,) = find_shared_groups(told, groups)
    assert (found.severity, found.kind, found.count) == ("warning", "leakage", 2)
    assert found.message.startswith(
        "Images of test that were taken together with images of train, by the groups that the data set names: 2 of 3, "
        "of a. Scores on them are optimistic"
    )
    assert [str(place) for place in found.where] == [
        "a: 1 images in train, 2 in test; closest by number: train/a_1 and test/a_2"
    ]


def test_images_without_a_group_are_not_of_one_group():
    told = facts({"train": [("x", photo(0))], "val": [("y", photo(1))]})
    assert find_shared_groups(told, {("train", "x"): "", ("val", "y"): ""}) == []


def test_names_of_a_drive_whose_frames_look_alike_are_a_warning():
    splits = {
        "train": [*drive("north", range(12), 0), *drive("south", range(12), 0)],
        "val": drive("north", range(12, 16), 12),
    }
    (found,) = find_shared_names(facts(splits))
    assert (found.severity, found.count) == ("warning", 4)
    assert "by their names; neighbors by number look alike" in found.message
    assert "closest by number: train/north_0011 and val/north_0012" in found.where[0].detail


def test_names_of_images_that_do_not_look_alike_are_a_hint():
    breeds = [
        (f"{breed}_{number}", photo(1000 + 50 * place + number))
        for place, breed in enumerate(("pug", "boxer"))
        for number in range(12)
    ]
    (found,) = find_shared_names(facts({"train": breeds[:8] + breeds[12:20], "test": breeds[8:12] + breeds[20:]}))
    assert (found.severity, found.kind, found.count) == ("hint", "leakage", 8)
    assert "it may be a numbering alone" in found.message


def test_a_set_that_is_numbered_through_tells_no_sequence():
    assert find_shared_names(facts({"train": drive("img", range(20), 0), "val": drive("img", range(20, 25), 20)})) == []


def test_drives_that_keep_to_their_split_are_fine():
    assert find_shared_names(facts({"train": drive("north", range(9), 0), "val": drive("south", range(9), 0)})) == []


def test_an_origin_without_a_number_is_shared_without_a_closest_pair():
    told = facts({"train": [("x", photo(0))], "val": [("y", photo(1))]})
    (found,) = find_shared_groups(told, {("train", "x"): "g", ("val", "y"): "g"})
    assert found.where[0].detail == "1 images in train, 1 in val"
    assert Origin("g").number is None
