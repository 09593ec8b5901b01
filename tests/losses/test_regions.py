"""Region losses by hand: which weight sits on which error, the mean over classes, the limits of Lovasz."""

import numpy as np
import pytest
from cases import cases, examples
from family import TVERSKY_NUMBERS, Variant, assert_same, evaluate
from hypothesis import given
from hypothesis import strategies as st
from oracle import softmax
from region_oracle import total_loss

from fnmask.losses import MaskedDice, MaskedFocalTversky, MaskedJaccard, MaskedLovaszSoftmax, MaskedTversky


def certain(labels, predicted, num_classes=2):
    """Labels, and logits whose softmax is 0 or 1."""
    return np.array([[labels]]), 200 * np.eye(num_classes, dtype=np.float32)[[[predicted]]]


def only(index, num_classes=2):
    """Class weights that leave the score of one class."""
    return np.eye(num_classes)[index]


# Class 1: 3 hits, 2 false alarms, 1 miss.
THREE_TWO_ONE = certain([1, 1, 1, 0, 0, 1, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0])


def test_false_alarms_and_misses_have_their_own_weights():  # P24
    score = MaskedTversky(2, false_positive_weight=0.25, false_negative_weight=0.5, class_weights=only(1))
    assert float(score(*THREE_TWO_ONE)) == 1 - 3 / (3 + 0.25 * 2 + 0.5 * 1)
    swapped = MaskedTversky(2, false_positive_weight=0.5, false_negative_weight=2.0, class_weights=only(1))
    assert float(swapped(*THREE_TWO_ONE)) == np.float32(1) - np.float32(3 / (3 + 0.5 * 2 + 2.0 * 1))
    # Of class 0, with 2 hits, 1 false alarm and 2 misses.
    other = MaskedTversky(2, false_positive_weight=1.0, false_negative_weight=0.5, class_weights=only(0))
    assert float(other(*THREE_TWO_ONE)) == 1 - 2 / (2 + 1 + 0.5 * 2)
    smooth = MaskedTversky(2, false_positive_weight=1, false_negative_weight=1, smoothing=2, class_weights=only(1))
    assert float(smooth(*THREE_TWO_ONE)) == 1 - (3 + 2) / (3 + 2 + 1 + 2)


def test_a_weight_of_0_forgives_its_error():  # P24
    misses, alarms = certain([1, 1], [1, 0]), certain([1, 0], [1, 1])
    forgiving = MaskedTversky(2, false_positive_weight=1.0, false_negative_weight=0.0, class_weights=only(1))
    assert float(forgiving(*misses)) == 0
    assert float(forgiving(*certain([1, 1], [0, 0]))) == 0
    assert float(forgiving(*alarms)) == 0.5
    strict = MaskedTversky(2, false_positive_weight=0.0, false_negative_weight=1.0, class_weights=only(1))
    assert float(strict(*misses)) == 0.5
    assert float(strict(*alarms)) == 0


def test_weights_per_class():  # P24
    loss = MaskedTversky(2, false_positive_weight=[1.0, 0.5], false_negative_weight=[0.5, 1.0])
    # Class 0: 2 / (2 + 1 + 1), class 1: 3 / (3 + 1 + 1).
    assert float(loss(*THREE_TWO_ONE)) == pytest.approx((0.5 + 0.4) / 2, rel=1e-6)


def test_dice_jaccard_and_focal_by_hand():  # P24, P26
    assert float(MaskedDice(2, class_weights=only(1))(*THREE_TWO_ONE)) == pytest.approx(1 - 6 / 9, rel=1e-6)
    assert float(MaskedJaccard(2, class_weights=only(1))(*THREE_TWO_ONE)) == 0.5
    focal = MaskedFocalTversky(
        2, gamma=2.0, false_positive_weight=1.0, false_negative_weight=1.0, class_weights=only(1)
    )
    assert float(focal(*THREE_TWO_ONE)) == pytest.approx(np.sqrt(0.5), rel=1e-6)
    both = MaskedFocalTversky(2, gamma=0.5, false_positive_weight=1.0, false_negative_weight=1.0)
    assert float(both(*THREE_TWO_ONE)) == pytest.approx((0.5**2 + 0.6**2) / 2, rel=1e-6)  # class 0: 1 - 2 / 5


def test_a_mean_over_classes_tells_a_from_b():  # P25
    def macro(a, b):
        return float(MaskedTversky(2, false_positive_weight=a, false_negative_weight=b)(*THREE_TWO_ONE))

    # Class 0: 2 hits, 1 false alarm, 2 misses; class 1: 3, 2, 1.
    assert macro(0.1, 0.9) == pytest.approx(1 - (2 / 3.9 + 3 / 4.1) / 2, rel=1e-6)
    assert macro(0.9, 0.1) == pytest.approx(1 - (2 / 3.1 + 3 / 4.9) / 2, rel=1e-6)
    # In one fraction for all classes a false alarm of one is a miss of the other: 5 hits, 3 of each error.
    labels, predicted = THREE_TWO_ONE[0].ravel(), THREE_TWO_ONE[1].argmax(-1).ravel()
    alarms = sum(((predicted == k) & (labels != k)).sum() for k in (0, 1))
    misses = sum(((predicted != k) & (labels == k)).sum() for k in (0, 1))
    assert alarms == misses == 3


def test_an_absent_class_is_not_in_the_mean():
    labels, logits = certain([0, 0, 1, 1], [0, 2, 1, 1], num_classes=3)
    # Class 0: IoU 1/2, class 1: 1; class 2 is predicted but in no label.
    assert float(MaskedJaccard(3)(labels, logits)) == 0.25
    assert float(MaskedLovaszSoftmax(3)(labels, logits)) == 0.25
    weighted = MaskedJaccard(3, class_weights=[3.0, 1.0, 100.0])
    assert float(weighted(labels, logits)) == 3 * 0.5 / 4


@pytest.mark.parametrize("base", ["dice", "jaccard", "tversky", "focal_tversky", "lovasz"])
@examples(10)
@given(case=cases(), data=st.data())
def test_a_let_off_pixel_is_as_if_it_were_void(base, case, data):  # P24, V11
    case = case.with_void(255)
    own = {name: data.draw(st.sampled_from(TVERSKY_NUMBERS[name])) for name in TVERSKY_NUMBERS}
    variant = Variant(base, numbers=own if base in ("tversky", "focal_tversky") else {})
    row, plain = case.with_target_row(0.0), case.plain()
    void = plain.but(labels=np.where(case.false_negatives, 255, case.labels))
    assert_same(evaluate(variant.build(row), row), evaluate(variant.build(void), void))


def test_by_class_a_miss_still_counts_against_the_class_it_is_taken_for():
    labels, logits = certain([1, 1, 0], [1, 0, 0])
    by_class = MaskedJaccard(2, ignore_false_negatives_of=1, by_class=True)
    # Class 1: 1 / 1, its miss costs nothing; class 0: 1 / (1 + 1), the miss is its false alarm.
    assert float(by_class(labels, logits)) == 0.25
    assert float(MaskedJaccard(2, ignore_false_negatives_of=1)(labels, logits)) == 0


@examples(20)
@given(case=cases())
def test_lovasz_of_certain_predictions_is_the_jaccard_loss(case):
    case = case.plain()
    certainly = case.but(logits=200 * np.eye(case.num_classes, dtype=np.float32)[case.logits.argmax(-1)])
    lovasz, _ = evaluate(Variant("lovasz").build(certainly), certainly)
    jaccard, _ = evaluate(Variant("jaccard").build(certainly), certainly)
    np.testing.assert_allclose(lovasz, jaccard, rtol=1e-6, atol=1e-6)


def test_lovasz_by_hand():
    # Errors of class 1: .6 (missed), .2 (found), .1 (background). In this order the Jaccard loss goes 1/2, 1, 1.
    p = np.array([0.4, 0.8, 0.1])
    logits = np.log(np.stack([1 - p, p], -1))[None, None].astype(np.float32)
    loss = MaskedLovaszSoftmax(2, class_weights=only(1))
    assert float(loss(np.array([[[1, 1, 0]]]), logits)) == pytest.approx(0.6 * 0.5 + 0.2 * 0.5, rel=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 8.0, 16.0])
def test_lovasz_of_many_pixels(confidence):  # P1, where pixels share the bins that stand for their order
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, (1, 96, 96))
    logits = (rng.normal(0, 2, (1, 96, 96, 3)) + confidence * np.eye(3)[labels]).astype(np.float32)
    weights = rng.choice([0.0, 0.5, 1.0, 3.0], labels.shape).astype(np.float32)
    p = [softmax(row) for row in logits.reshape(-1, 3).astype(float).tolist()]
    expected = total_loss(p, labels.ravel().tolist(), weights.ravel().tolist(), [1, 1, 1], base="lovasz", numbers={})
    loss = MaskedLovaszSoftmax(3)
    assert float(loss(labels, logits, weights)) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_lovasz_of_a_million_alike_pixels():
    # Weight m = .7, p = (.6, .4), a share of .3 labeled 1. Class 1: its own pixels, of error .6, make the Jaccard loss
    # 1. Class 0: those of class 1, of error .6, make it .3, and its own, of error .4, then 1.
    size = (1, 1024, 1024)
    labels = (np.arange(2**20).reshape(size) % 10 < 3).astype(int)
    logits = np.broadcast_to(np.log(np.float32([0.6, 0.4])), (*size, 2)).copy()
    expected = 0.7 * (0.6 + (0.6 * 0.3 + 0.4 * 0.7)) / 2
    assert float(MaskedLovaszSoftmax(2)(labels, logits, np.full(size, 0.7))) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_lovasz_is_proportional_to_the_sample_weights(scale):
    rng = np.random.default_rng(5)
    labels, logits = rng.integers(0, 3, (1, 8, 8)), rng.normal(0, 2, (1, 8, 8, 3)).astype(np.float32)
    one, scaled = (float(MaskedLovaszSoftmax(3)(labels, logits, np.full((1,), s))) for s in (1.0, scale))
    assert scaled == pytest.approx(scale * one, rel=1e-4)
