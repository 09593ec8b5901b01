"""Sums over classes and over images: in parts as for CPUs, or all together as elsewhere, they are the same."""

import numpy as np
import pytest
import tensorflow as tf
from cases import Case, cases, examples
from family import BASES, MASK_NUMBERS, Variant, assert_same, evaluate, variants
from hypothesis import given

from fnmask.losses import sums


def test_the_axes_are_taken_in_parts_on_a_cpu():
    assert sums.class_parts(3) == [0, 1, 2]
    assert sums.class_parts(65) == [slice(0, 65)]
    assert sums.image_parts(None) == [[slice(0, None)]]
    for height, counts in ((1, [1]), (7, [1]), (8, [8]), (97, [8, 1]), (360, [8])):
        parts = sums.image_parts(height)
        assert [len(equal) for equal in parts] == counts
        rows = [np.stack([np.arange(height)[part] for part in equal]) for equal in parts]  # equally high, or it raises
        np.testing.assert_array_equal(np.sort(np.concatenate([each.ravel() for each in rows])), np.arange(height))


@examples(60)
@given(case=cases(sizes=(2, 10, 3)), variant=variants())
def test_a_variant_is_the_same_in_parts_and_together(case, variant):
    case = variant.fitted(case)
    in_parts = evaluate(variant.build(case), case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_fuses_sums", lambda: False)
        assert len(sums.class_parts(case.num_classes)) == len(sums.image_parts(8)) == 1
        assert_same(in_parts, evaluate(variant.build(case), case), atol=2e-6)


@pytest.mark.parametrize("classes", [20, 70])
@pytest.mark.parametrize("base", BASES)
def test_many_classes(base, classes):
    """More than are reduced at once, and more than are taken one by one."""
    rng = np.random.default_rng(0)
    size = (1, 9, 3)
    mask = None if base in ("expected_cost", "label_set", "relabel") else "margin" if classes == 20 else "expectation"
    numbers = {key: values[-1] for key, values in (BASES[base][2] | MASK_NUMBERS.get(mask, {})).items()}
    error_weights = rng.choice([0.0, 0.5, 1.0], (classes, classes)).astype(np.float32)
    np.fill_diagonal(error_weights, 1)

    case = Case(
        labels=rng.integers(0, classes, size).astype(np.int32),
        logits=rng.normal(0, 2, (*size, classes)).astype(np.float32),
        error_weights=error_weights,
        class_weights=np.ones(classes, np.float32),
        target=3,
        ignore_class=5,
    )
    variant = Variant(base, mask, numbers=numbers)
    case = variant.fitted(case)
    expected = variant.solve(case)
    value, gradient = evaluate(variant.build(case), case)
    np.testing.assert_allclose(value, expected.loss, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-4, atol=2e-6)


def test_sums_of_many_equal_numbers_keep_their_digits():
    tenths = tf.fill((2, 1000, 1000), 0.1)
    assert float(sums.pixel_sum(tenths)) == pytest.approx(2e5, rel=1e-5)
    assert int(sums.pixel_count(tenths > 0)) == 2_000_000
