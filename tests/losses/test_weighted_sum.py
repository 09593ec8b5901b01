"""The weighted sum of losses."""

import numpy as np
import pytest
from cases import cases, examples
from family import evaluate, variants
from hypothesis import given
from hypothesis import strategies as st

from fnmask.losses import MaskedCrossentropy, MaskedDice, MaskedFocalTversky, MaskedLovaszSoftmax, WeightedSum

LABELS = np.random.default_rng(1).choice([0, 1, 2, 9], (2, 3, 5)).astype(np.int32)
LOGITS = np.random.default_rng(3).normal(0, 2, (2, 3, 5, 3)).astype(np.float32)


def both(**changes):
    arguments = {"ignore_false_negatives_of": 1, "alpha": 0.25, "ignore_class": 9}
    losses = [MaskedCrossentropy(3, **arguments), MaskedDice(3, **arguments)]
    return WeightedSum(losses, **({"weights": [2.0, 0.5]} | changes))


@examples(30)
@given(case=cases(), first=variants(), second=variants(), weight=st.sampled_from([0.0, 0.3, 2.0]))
def test_value_and_gradient_are_those_of_the_terms(case, first, second, weight):  # P1
    weights = [weight, 1.5]
    terms = [variant.build(variant.fitted(case)) for variant in (first, second)]
    answers = [evaluate(term, case) for term in terms]
    value, gradient = evaluate(WeightedSum(terms, weights=weights), case)
    np.testing.assert_allclose(value, sum(w * a[0] for w, a in zip(weights, answers, strict=True)), rtol=1e-6)
    expected = sum(w * a[1] for w, a in zip(weights, answers, strict=True))
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)


def test_without_weights_it_is_the_sum():
    assert both(weights=None)(LABELS, LOGITS) == both(weights=[1.0, 1.0])(LABELS, LOGITS)


def test_numbers_reach_every_loss_that_has_them():  # P43
    total = both()
    assert set(total.numbers) == {"error_weights", "class_weights", "ramp", "smoothing", "weight_0", "weight_1"}
    total.assign(ramp=0.5, weight_1=3.0, smoothing=1.0)
    assert [float(loss.numbers["ramp"]) for loss in total.losses] == [0.5, 0.5]
    assert "smoothing" not in total.losses[0].numbers
    assert total.numbers["smoothing"] == 1.0
    assert total.get_config()["weights"] == [2.0, 3.0]
    total.losses[1].assign(ramp=1.0)
    assert [float(loss.numbers["ramp"]) for loss in total.losses] == [0.5, 1.0]
    assert total.numbers["ramp"] == 0.5  # that of the first


def test_assigning_is_building_afresh():  # P43
    fresh = both(weights=[0.1, 0.2])
    fresh.losses[1].assign(ramp=0.3, smoothing=2.0)
    reused = both()
    reused.assign_from(fresh)
    assert reused(LABELS, LOGITS) == fresh(LABELS, LOGITS) != both()(LABELS, LOGITS)
    assert reused.get_config() == fresh.get_config()
    with pytest.raises(ValueError, match="differ in structure"):
        reused.assign_from(WeightedSum([MaskedCrossentropy(3)]))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"gamma": 2.0}, "No loss of this sum has gamma; there are .*smoothing, weight_0, weight_1"),
        ({"weight_2": 1.0}, "No loss of this sum has weight_2"),
        ({"weight_0": -1.0}, r"weight_0=-1.0, but it is one number >= 0"),
        ({"weight_0": 9.0, "ramp": 2.0}, r"ramp=2.0, but it is one number in \[0, 1\]"),
        ({"ramp": 0.5, "smoothing": -1.0}, r"smoothing=-1.0, but it is one number >= 0"),
    ],
)
def test_a_refused_assignment_changes_nothing(numbers, message):  # P43
    total = both()
    before = total.get_config()
    with pytest.raises(ValueError, match=message):
        total.assign(**numbers)
    assert total.get_config() == before


@pytest.mark.parametrize(
    ("losses", "arguments", "message"),
    [
        ([], {}, "There are 0 losses and 0 weights"),
        ([MaskedDice(3)], {"weights": [1.0, 2.0]}, "There are 1 losses and 2 weights; give one weight to each"),
        ([MaskedDice(3)], {"weights": [-1.0]}, r"weight_0=-1.0, but it is one number >= 0"),
        ([MaskedDice(3)], {"weights": [np.inf]}, "weight_0=inf"),
        ([MaskedDice(3), MaskedDice(4)], {}, r"The losses have \[3, 4\] classes"),
        ([MaskedCrossentropy(3, reduction="none")], {}, "gives a map, which cannot be added"),
        ([MaskedCrossentropy(3, normalizer="none")], {}, "gives a map, which cannot be added"),
    ],
)
def test_what_cannot_be_added_is_explained(losses, arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightedSum(losses, **arguments)


def test_pixel_weights_are_those_of_the_first():
    np.testing.assert_array_equal(both().pixel_weights(LABELS, LOGITS), both().losses[0].pixel_weights(LABELS, LOGITS))
    assert both().num_classes == 3
    assert both().ignore_class == 9


def test_sample_weights_reach_every_term():  # P33
    weights = np.array([2.0, 0.0], np.float32)
    total = both(weights=[1.0, 1.0])
    expected = sum(float(loss(LABELS, LOGITS, weights)) for loss in total.losses)
    assert float(total(LABELS, LOGITS, weights)) == pytest.approx(expected, rel=1e-6)


def test_three_terms_and_call():
    terms = [MaskedCrossentropy(3, ignore_class=9), MaskedFocalTversky(3, ignore_class=9)]
    terms += [MaskedLovaszSoftmax(3, ignore_class=9)]
    total = WeightedSum(terms, weights=[1.0, 0.5, 0.25])
    expected = sum(w * float(loss(LABELS, LOGITS)) for w, loss in zip([1.0, 0.5, 0.25], terms, strict=True))
    assert float(total.call(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-6)
