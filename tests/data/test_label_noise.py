import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fnmask.data.label_noise import (
    Classes,
    Dropped,
    Flipped,
    NoNoise,
    OverWide,
    Shifted,
    Spurious,
    UnderWide,
)

CLASSES = Classes(("land", "house", "road"), 255)
ROAD = 2
EVERY = (
    *(OverWide(target="road", px=2, rate=0.5), UnderWide(target="road", px=1, rate=0.5)),
    *(Shifted(target="road", px=3, rate=0.5), Dropped(target="road", rate=0.5), Spurious(target="road", rate=0.5)),
    Flipped(target="road", to={"house": 0.3, "land": 0.2}),
)


def spoil(noise, *images, ids=None, classes=CLASSES):
    labels = np.stack([np.array(image, np.uint8) for image in images])
    return noise.spoil(labels, ids or [f"image{number}" for number in range(len(labels))], classes)


def scene(seed=0, count=6, size=40):
    """Small squares of road, some houses and void."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, size, size), np.uint8)
    for image in labels:
        for label, number in ((1, 3), (ROAD, 8), (255, 2)):
            for row, column in rng.integers(0, size - 3, (number, 2)):
                image[row : row + 3, column : column + 3] = label
    return labels


def names(labels):
    return [f"image{number}" for number in range(len(labels))]


def widen_by_distance(labels, radius):
    """Ask every pixel for its nearest pixel of the road: slow, and independent of distance transforms."""
    result = labels.copy()
    points = np.argwhere(labels == ROAD)
    for row, column in np.ndindex(labels.shape):
        if labels[row, column] != 255 and len(points) and np.hypot(*(points - (row, column)).T).min() <= radius + 1e-9:
            result[row, column] = ROAD
    return result


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(1, 6))
def test_over_wide_equals_the_distance_definition(seed, height, width, radius):
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 1, ROAD, 255], np.uint8), (height, width), p=[0.6, 0.25, 0.08, 0.07])
    (found,) = spoil(OverWide(target="road", px=radius), labels)
    np.testing.assert_array_equal(found, widen_by_distance(labels, radius))


def test_over_wide_by_hand():
    labels = np.zeros((7, 7))
    labels[3, 3] = ROAD
    # Offsets with dx^2 + dy^2 <= 4: 13 pixels, a diamond with its diagonal neighbors.
    expected = 2 * np.array([[abs(r - 3) ** 2 + abs(c - 3) ** 2 <= 4 for c in range(7)] for r in range(7)])
    assert expected.sum() == 26
    np.testing.assert_array_equal(spoil(OverWide(target="road", px=2), labels)[0], expected)


def test_under_wide_takes_the_rim_and_fills_it_from_the_other_side():
    line = [[0, 0, 2, 2, 2, 2, 2, 1, 1]]
    assert spoil(UnderWide(target="road", px=1), line)[0].tolist() == [[0, 0, 0, 2, 2, 2, 1, 1, 1]]
    (gone,) = spoil(UnderWide(target="road", px=3), line)[0].tolist()
    assert (gone[:4], gone[5:]) == ([0] * 4, [1] * 4)
    assert gone[4] in (0, 1)  # as far from either side
    # A road that runs out of the picture keeps its end, and one that fills it keeps all.
    assert spoil(UnderWide(target="road", px=1), [[2, 2, 2, 0]])[0].tolist() == [[2, 2, 0, 0]]
    assert spoil(UnderWide(target="road", px=1), [[2, 2, 2, 2]])[0].tolist() == [[2, 2, 2, 2]]


def test_void_stays_is_not_made_and_does_not_fill():
    assert spoil(OverWide(target="road", px=2), [[2, 255, 0, 0]])[0].tolist() == [[2, 255, 2, 0]]
    assert spoil(Dropped(target="road", rate=1), [[0, 255, 2, 2, 255, 255, 1]])[0].tolist() == [
        [0, 255, 0, 0, 255, 255, 1]
    ]
    labels = scene()
    for noise in EVERY:
        np.testing.assert_array_equal(noise.spoil(labels, names(labels), CLASSES) == 255, labels == 255)


def test_dropped_forgets_whole_objects_of_its_rate():
    labels = scene(count=200)
    found = Dropped(target="road", rate=0.3).spoil(labels, names(labels), CLASSES)
    kept = []
    for before, after in zip(labels, found, strict=True):
        objects, count = ndimage.label(before == ROAD, np.ones((3, 3)))
        for number in range(1, count + 1):
            left = (after[objects == number] == ROAD).mean()
            assert left in (0, 1)
            kept.append(left)
    assert len(kept) > 1000
    assert np.mean(kept) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / len(kept)))
    assert not (found[labels != ROAD] == ROAD).any()


def test_shifted_moves_every_object_by_its_distance_and_keeps_its_size():
    labels = np.zeros((50, 41, 41))
    labels[:, 19:22, 19:22] = ROAD
    found = spoil(Shifted(target="road", px=10), *labels)
    centers = np.array([np.argwhere(image == ROAD).mean(axis=0) for image in found])
    assert {int((image == ROAD).sum()) for image in found} == {9}
    np.testing.assert_allclose(np.hypot(*(centers - 20).T), 10, atol=0.75)
    # In directions of their own.
    assert np.abs(np.mean(centers - 20, axis=0)).max() < 4
    assert len({tuple(center) for center in centers}) > 20


def test_spurious_invents_copies_at_its_rate():
    labels = np.zeros((400, 30, 30), np.uint8)
    labels[:200, 5:7, 5:7] = ROAD
    found = Spurious(target="road", rate=2.0).spoil(labels, names(labels), CLASSES)
    # 200 objects, 2 for each, over 400 images: one in the mean.
    counts = [ndimage.label(image == ROAD)[1] for image in found[200:]]
    assert np.mean(counts) == pytest.approx(1, abs=0.3)
    assert (found[labels == ROAD] == ROAD).all()
    assert not Spurious(target="road", rate=2.0).spoil(labels[200:], names(labels)[200:], CLASSES).any()


def test_flipped_follows_its_row_of_the_confusion_matrix():
    labels = np.zeros((2000, 5, 5), np.uint8)
    labels[:, 1:4, 1:4] = ROAD
    found = Flipped(target="road", to={"house": 0.3, "land": 0.1}).spoil(labels, names(labels), CLASSES)
    called = found[:, 2, 2]
    assert (found[:, 1:4, 1:4] == called[:, None, None]).all()
    shares = np.bincount(called, minlength=3) / len(called)
    np.testing.assert_allclose(shares, [0.1, 0.3, 0.6], atol=0.045)


@pytest.mark.parametrize("noise", EVERY, ids=lambda noise: type(noise).__name__)
def test_is_drawn_from_seed_and_name_and_leaves_its_input_alone(noise):
    labels = scene()
    before, ids = labels.copy(), names(labels)
    found = noise.spoil(labels, ids, CLASSES)
    np.testing.assert_array_equal(labels, before)
    assert found.dtype == np.uint8
    assert (found != labels).any()
    np.testing.assert_array_equal(noise.spoil(labels, ids, CLASSES), found)
    other = type(noise)(**{**vars(noise), "seed": 1})
    assert (other.spoil(labels, ids, CLASSES) != found).any()
    if not isinstance(noise, Spurious):  # whose shapes come from the whole set
        np.testing.assert_array_equal(noise.spoil(labels[3:], ids[3:], CLASSES), found[3:])


def test_a_set_without_void_or_without_the_class():
    labels = np.zeros((2, 4, 4), np.uint8)
    labels[0, 1, 1] = ROAD
    classes = Classes(("land", "house", "road"))
    for noise in EVERY:
        noise.spoil(labels, names(labels), classes)
        np.testing.assert_array_equal(noise.spoil(labels[1:], ["b"], classes), labels[1:])
    assert NoNoise().spoil(labels, names(labels), classes) is labels


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (OverWide(target="raod", px=1), "'raod' is no class of this data set: land, house, road"),
        (Flipped(target="road", to={"sea": 0.1}), "'sea' is no class"),
        (Flipped(target="road", to={"road": 0.1}), "names other classes than 'road'"),
        (Flipped(target="road", to={"house": 0.8, "land": 0.3}), "at most 1 in all"),
    ],
)
def test_what_goes_wrong_is_said_before_there_is_an_image(noise, message):
    with pytest.raises(ValueError, match=message):
        noise.spoil(np.zeros((0, 1, 1), np.uint8), (), CLASSES)
