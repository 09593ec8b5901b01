"""Numbers are values: to assign them is to build the loss afresh."""

import numpy as np
import pytest
from cases import cases, examples
from family import BASES, MASK_NUMBERS, Variant, assert_identical, evaluate, variants
from hypothesis import given

from fnmask.losses import MaskedCrossentropy, MaskedTversky, WeightedSum


def other_numbers(variant: Variant):
    """The same structure with the last of the values that each number takes."""
    choices = BASES[variant.base][2] | MASK_NUMBERS.get(variant.mask, {})
    return variant.but(numbers={key: choices[key][-1] for key in variant.numbers})


@examples(50)
@given(case=cases(), variant=variants())
def test_assigning_is_building_afresh(case, variant):  # P43
    fresh, case = variant.build(variant.fitted(case)), variant.fitted(case)
    ones = case.plain(sample_weight=case.sample_weight).but(ramp=0.5)
    reused = other_numbers(variant).build(ones)
    assert reused.structure == fresh.structure
    evaluate(reused, case)
    reused.assign_from(fresh)
    assert_identical(evaluate(reused, case), evaluate(fresh, case))
    again = other_numbers(variant).build(ones)
    again.assign(**fresh.numbers)
    assert_identical(evaluate(again, case), evaluate(fresh, case))
    assert again.get_config() == fresh.get_config()


def test_numbers_are_read_as_they_are_now():
    loss = MaskedCrossentropy(3, ignore_false_negatives_of=[1], alpha=0.25)
    np.testing.assert_array_equal(loss.numbers["error_weights"], [[1, 1, 1], [0.25, 1, 0.25], [1, 1, 1]])
    same = MaskedCrossentropy(3, ignore_false_negatives_of=np.int64(1), alpha=0.25)
    np.testing.assert_array_equal(same.numbers["error_weights"], loss.numbers["error_weights"])
    assert set(loss.numbers) == {"error_weights", "class_weights", "ramp"}
    loss.assign(ramp=0.5)
    assert loss.numbers["ramp"] == 0.5
    loss.numbers["ramp"][...] = 0.75  # a copy
    assert loss.numbers["ramp"] == 0.5
    assert {value.dtype for value in loss.numbers.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"ramp": 2.0}, r"ramp=2.0, but it is one number in \[0, 1\]"),
        ({"gamma": 2.0}, "built without gamma; it has error_weights, class_weights, ramp, false_positive_weight"),
        ({"smoothing": 1.0, "false_negative_weight": 0.0}, "a perfect score"),
        ({"false_negative_weight": [0.5, -0.5, 0.5]}, r"false_negative_weight=\[0.5, -0.5, 0.5\]"),
        ({"error_weights": np.ones((2, 2))}, r"3 classes need \(3, 3\)"),
    ],
)
def test_a_refused_assignment_changes_nothing(numbers, message):  # P43
    loss = MaskedTversky(3, smoothing=0.5)
    before = loss.get_config()
    with pytest.raises(ValueError, match=message):
        loss.assign(**{"class_weights": [1.0, 2.0, 3.0], **numbers})
    assert loss.get_config() == before


def test_numbers_that_go_together_only_after_both_have_changed():
    loss = MaskedTversky(3, smoothing=0.5)
    loss.assign(smoothing=0.0, false_negative_weight=0.0)
    with pytest.raises(ValueError, match="a perfect score"):
        loss.assign(smoothing=0.5)
    loss.assign(smoothing=0.5, false_negative_weight=0.1)


def test_a_loss_of_another_structure_is_refused():
    with pytest.raises(ValueError, match=r"differ in structure: .*'argmax'.* and .*'margin'"):
        MaskedCrossentropy(3).assign_from(MaskedCrossentropy(3, mask="margin"))
    with pytest.raises(ValueError, match="differ in structure"):
        MaskedTversky(3).assign_from(WeightedSum([MaskedTversky(3)]))
