"""Pixels without a label, batches of nothing else, and classes that are not there."""

from itertools import product

import numpy as np
import pytest
from cases import Case, cases, examples
from family import (
    BASES,
    MASKS,
    NORMALIZERS,
    PIXEL_BASES,
    REGION_BASES,
    Variant,
    assert_identical,
    evaluate,
    variants,
)
from hypothesis import given
from hypothesis import strategies as st

JUNK = (0.0, 1e30, -1e30, np.nan, np.inf, -np.inf)


def readings(base):
    """A base under every mask, and under every normalizer if it has one."""
    masks = {"label_set": [None], "relabel": [None], "expected_cost": [None], "lovasz": MASKS}
    masks = masks.get(base, [*MASKS, None] if base in REGION_BASES else MASKS)
    numbers = {"q": 0.7} if base == "generalized" else {}
    found = [Variant(base, mask, numbers=numbers) for mask in masks]
    return found if base in REGION_BASES else found + [found[0].but(normalizer=one) for one in NORMALIZERS]


@examples(50)
@given(case=cases(), variant=variants())
def test_more_void_changes_nothing(case, variant):  # P11
    case = variant.fitted(case.with_void(255))
    padding = ((0, 0), (0, 2), (0, 0))
    logits = np.pad(case.logits, (*padding, (0, 0)))
    logits[:, -2:, :, 0], logits[:, -2:, :, 1] = 1e4, -1e4
    padded = case.but(labels=np.pad(case.labels, padding, constant_values=255), logits=logits)
    if case.sample_weight is not None and case.sample_weight.ndim == 3:
        padded = padded.but(sample_weight=np.pad(case.sample_weight, padding, constant_values=3.0))
    share = case.labels.size / padded.labels.size if variant.normalizer == "all" else 1
    value, gradient = evaluate(variant.build(case), case)
    padded_value, padded_gradient = evaluate(variant.build(padded), padded)
    np.testing.assert_allclose(padded_value, share * value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(padded_gradient[:, :-2], share * gradient, rtol=1e-6, atol=1e-6)
    assert (padded_gradient[:, -2:] == 0).all()


@examples(80)
@given(case=cases(), variant=variants(normalizers=NORMALIZERS), junk=st.sampled_from(JUNK))
def test_void_logits_reach_neither_loss_nor_gradient(case, variant, junk):  # P12, P13
    case = variant.fitted(case)
    spoiled = case.but(logits=np.where(case.void[..., None], np.float32(junk), case.logits))
    loss = variant.build(case)
    value, gradient = evaluate(loss, case)
    assert_identical(evaluate(loss, spoiled), (value, gradient))
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    assert (gradient[case.void] == 0).all()
    weights = loss.pixel_weights(case.labels, spoiled.logits).numpy()
    assert (weights[case.void] == 0).all()


@examples(30)
@given(case=cases(), variant=variants(PIXEL_BASES, normalizers=NORMALIZERS), place=st.integers(0))
def test_one_junk_logit_is_enough(case, variant, place):  # P13: one channel, the others as they were
    case = variant.fitted(case)
    logits = case.logits.copy()
    logits[case.void, place % case.num_classes] = np.nan
    loss = variant.build(case)
    assert_identical(evaluate(loss, case, logits=logits), evaluate(loss, case))


@pytest.mark.parametrize("base", BASES)
def test_nan_at_a_labeled_pixel_is_not_hidden(base):  # P13
    case = small(labels=[[[0, 1, 9]]])
    case.logits[0, 0, 0] = np.nan
    for variant in readings(base):
        assert np.isnan(evaluate(variant.build(case), case)[0]).any(), variant
    if base in PIXEL_BASES:
        mining = Variant(base, hardest_fraction=0.5)
        assert np.isnan(evaluate(mining.build(case), case)[0]), mining


def small(labels, *, row=1.0):
    """Two or three classes, logits that call everything 0, a row of class 1."""
    labels = np.array(labels, np.int32)
    matrix = np.array([[1, 1], [row, 1]], np.float32)
    logits = np.broadcast_to(np.array([1.0, -1.0], np.float32), (*labels.shape, 2)).copy()
    return Case(labels, logits, matrix, np.ones(2, np.float32), target=1, ignore_class=9)


@pytest.mark.parametrize("base", BASES)
def test_nothing_but_void(base):  # P27
    for shape in ((1, 1, 1), (2, 1, 3)):
        case = small(labels=np.full(shape, 9))
        for variant in readings(base):
            value, gradient = evaluate(variant.build(case), case)
            assert (value == 0).all(), variant
            assert (gradient == 0).all(), variant


@pytest.mark.parametrize("base", [*PIXEL_BASES, *REGION_BASES])
def test_nothing_but_ignored_misses(base):  # P27: Z is 0 under kept, weight and per_class, no class is present
    for labels in ([[[1]]], [[[1, 9], [1, 1]]]):
        case = small(labels=labels, row=0.0)
        for variant in readings(base):
            if variant.mask == "argmax":
                value, gradient = evaluate(variant.build(case), case)
                assert (value == 0).all(), variant
                assert (gradient == 0).all(), variant


@pytest.mark.parametrize("base", BASES)
@examples(6)
@given(case=cases(), data=st.data())
def test_an_absent_target_leaves_the_plain_loss(base, case, data):  # P27
    variant = data.draw(variants([base], normalizers=NORMALIZERS))
    if base == "expected_cost":
        variant = variant.but(numbers={"cost_weight": 1.0, "crossentropy_weight": 1.0})
    other = (case.target + 1) % case.num_classes
    case = case.but(labels=np.where(case.labels == case.target, other, case.labels))
    row, plain = (case.with_target_row(alpha).but(sample_weight=case.sample_weight) for alpha in (0.25, 1.0))
    value, gradient = evaluate(variant.build(row), row)
    assert_identical((value, gradient), evaluate(variant.build(plain), plain))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("base", BASES)
def test_no_weight_at_all(base):  # P27: class weights or sample weights of 0 everywhere
    case = small(labels=[[[0, 1, 9]]])
    for changes in ({"class_weights": np.zeros(2, np.float32)}, {"sample_weight": np.zeros(1, np.float32)}):
        none = case.but(**changes)
        for variant in readings(base):
            value, gradient = evaluate(variant.build(none), none)
            assert (value == 0).all(), (variant, changes)
            assert (gradient == 0).all(), (variant, changes)


@pytest.mark.parametrize("base", BASES)
def test_a_let_off_pixel_costs_nothing_however_wrong_it_is(base):
    # The second pixel is a miss of class 1 that weighs 0, and to which the network gives the probability 0.
    let_off = small(labels=[[[0, 1]]], row=0.0)
    let_off.logits[0, 0, 1] = [1.0, -np.inf]
    weightless = let_off.but(error_weights=np.array([[1, 1], [1, 1]]), sample_weight=np.float32([[[1, 0]]]))
    for case, variant in product((let_off, weightless), readings(base)):
        value, gradient = evaluate(variant.build(case), case)
        assert np.isfinite(value).all(), variant
        assert np.isfinite(gradient).all(), variant
