"""Operation by operation, eager, in a traced step, in one of unknown sizes, compiled as a whole: one loss."""

from collections import Counter
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import Case
from family import BASES, MASK_NUMBERS, Variant

COMPILED = True
CLASSES, VOID, TARGET = 4, 255, 2

# Every base, mask and normalizer at least once.
VARIANTS = [
    Variant("crossentropy", "argmax", "valid"),
    Variant("crossentropy", "argmax", "none"),
    Variant("crossentropy", "confidence", "all"),
    Variant("crossentropy", "expectation", "kept"),
    Variant("crossentropy", "margin", "weight"),
    Variant("crossentropy", "threshold", "class_weight"),
    Variant("crossentropy", "disagreement", "per_class"),
    Variant("crossentropy", "argmax", "kept", hardest_fraction=0.5),
    Variant("smoothed", "argmax", numbers={"label_smoothing": 0.1}),
    Variant("focal", "confidence", numbers={"gamma": 0.5}),
    Variant("generalized", "argmax", "per_class", {"q": 0.7}),
    Variant("expected_cost", None, numbers={"crossentropy_weight": 0.4}),
    Variant("label_set", None),
    Variant("relabel", None),
    Variant("dice"),
    Variant("jaccard", None),
    Variant("tversky", "margin", numbers={"false_negative_weight": 0.7}),
    Variant("focal_tversky", "expectation"),
    Variant("lovasz"),
]
FEW = [one for one in VARIANTS if one.hardest_fraction or one.base in ("tversky", "lovasz")]


def name(one):
    mining = "-mining" if one.hardest_fraction else ""
    return f"{one.base}-{one.mask}-{one.normalizer}{mining}"


EACH = pytest.mark.parametrize("variant", VARIANTS, ids=name)
MODES = ("by operation", "eager", "graph", "jit")


def problem(*, spread=3.0, alpha=0.2, ramp=1.0, weights=(1.0, 0.5, 2.0, 1.5)):
    """Void in the first row, and the missed pixels of the target let off."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, spread, (2, 5, 4, CLASSES)).astype(np.float32)
    labels = rng.integers(0, CLASSES, (2, 5, 4)).astype(np.int32)
    labels[0, 0] = VOID
    case = Case(labels, logits, np.ones((CLASSES, CLASSES)), np.ones(CLASSES), TARGET, ignore_class=VOID)
    return case.with_target_row(alpha).but(ramp=ramp, class_weights=np.array(weights, np.float32))


class Steps:
    """A loss in one step per mode, which counts how often Python runs through it."""

    def __init__(self, loss):
        self.loss, self.traces = loss, Counter()
        sizes = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None, CLASSES], tf.float32)]
        self.of_mode = {
            "eager": self.gradient_step("eager"),
            "graph": tf.function(self.gradient_step("graph")),
            "any size": tf.function(self.gradient_step("any size"), input_signature=sizes),
            "jit": tf.function(self.gradient_step("jit"), jit_compile=True),
        }

    def gradient_step(self, mode):
        def step(labels, logits):
            self.traces[mode] += 1
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = self.loss(labels, logits)
            return value, tape.gradient(value, logits)

        return step

    def __call__(self, mode, case):
        labels, logits = tf.constant(case.labels), tf.constant(case.logits)
        if mode == "by operation":
            tf.config.run_functions_eagerly(True)
        try:
            value, gradient = self.of_mode["eager" if mode == "by operation" else mode](labels, logits)
        finally:
            tf.config.run_functions_eagerly(False)
        return value.numpy(), gradient.numpy()


@cache
def steps_of(index):
    return Steps(VARIANTS[index].build(problem()))


def steps_with(variant, case):
    """The steps of a variant, traced once in this module, with the numbers of a case."""
    steps = steps_of(VARIANTS.index(variant))
    steps.loss.assign_from(variant.build(case))
    return steps


@EACH
@pytest.mark.parametrize("spread", [3.0, pytest.param(1e4, marks=pytest.mark.slow)])
def test_modes_agree(variant, spread):  # P30
    case = problem(spread=spread)
    case.logits[case.void] = np.nan
    steps = steps_with(variant, case)
    value, gradient = steps("by operation", case)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    for mode in MODES[1:]:
        other, other_gradient = steps(mode, case)
        np.testing.assert_allclose(other, value, rtol=1e-6, atol=1e-6, err_msg=mode)
        np.testing.assert_allclose(other_gradient, gradient, rtol=1e-6, atol=1e-6, err_msg=mode)
    assert steps.traces["graph"] == steps.traces["jit"] == 1


@EACH
@pytest.mark.parametrize("mode", MODES)
def test_ignored_misses_and_void_have_exactly_no_gradient(variant, mode):  # P4, P13
    case = problem(alpha=0.0)
    case.logits[case.void] = np.inf
    _, gradient = steps_with(variant, case)(mode, case)
    assert (gradient[case.void] == 0).all()
    assert (gradient != 0).any()
    if variant.mask == "argmax":
        assert case.false_negatives.any()
        assert (gradient[case.false_negatives] == 0).all()


@EACH
def test_new_numbers_reach_a_step_without_a_new_trace(variant):  # P35, P43
    case = problem()
    steps = steps_with(variant, case)
    choices = BASES[variant.base][2] | MASK_NUMBERS.get(variant.mask, {})
    numbers = {key: choices[key][-1] for key in variant.numbers}
    settings = [{"ramp": 0.0}, {"ramp": 0.5}, {"ramp": 1.0, "class_weights": [1.0, 0.1, 3.0, 1.0]} | numbers]
    # XLA compiles every new loss for a second or more, so only some are built afresh as a whole.
    for mode in ("graph", "jit") if variant in FEW[1:] else ("graph",):
        seen = []
        for setting in settings:
            steps.loss.assign(**setting)
            seen.append(steps(mode, case))
        assert steps.traces[mode] == 1
        fresh = Steps(type(steps.loss).from_config(steps.loss.get_config()))
        for one, other in zip(seen[-1], fresh(mode, case), strict=True):
            np.testing.assert_array_equal(one, other)
        assert len({value.tobytes() for value, _ in seen}) == len(settings)


@EACH
def test_an_undeclared_label_is_never_taken_for_a_class(variant):
    case = problem()
    stray = case.but(labels=np.where(case.labels == 1, 17, case.labels).astype(np.int32))
    steps = steps_with(variant, case)
    for mode in ("graph", "jit"):
        assert np.isnan(steps(mode, stray)[0]).any(), mode
        assert np.isfinite(steps(mode, case)[0]).all(), mode
    with pytest.raises(ValueError, match=r"hold 17, .*Set ignore_class"):
        steps("eager", stray)


@pytest.mark.parametrize(
    ("dtype", "stray"), [("float32", 1.5), ("float32", np.nan), ("float64", 1e10), ("int64", 2**32)]
)
def test_no_cast_makes_a_class_of_a_label(dtype, stray):  # 1.5 would become 1, and 2 ** 32 would become 0
    case = problem()
    loss = Variant("crossentropy", normalizer="none").build(case)
    labels = case.labels.astype(dtype)
    labels[1, 2, 3] = stray
    pixels = tf.function(loss)(tf.constant(labels), tf.constant(case.logits)).numpy()
    np.testing.assert_array_equal(np.argwhere(np.isnan(pixels)), [[1, 2, 3]])


@pytest.mark.parametrize("stray", [[np.nan] * 3, [0, -3, 0], [7, 0, 3], [0, 0, 255]])
def test_no_argmax_makes_a_class_of_what_is_no_distribution(stray):
    case = problem()
    loss = Variant("crossentropy", normalizer="none").build(case)
    labels = np.eye(case.num_classes, dtype=np.float32)[np.where(case.void, 0, case.labels)]
    labels[1, 2, 3] = (stray + [0.0] * case.num_classes)[: case.num_classes]
    pixels = tf.function(loss)(tf.constant(labels), tf.constant(case.logits)).numpy()
    np.testing.assert_array_equal(np.argwhere(np.isnan(pixels)), [[1, 2, 3]])


@pytest.mark.parametrize("variant", FEW, ids=name)
def test_one_trace_serves_all_sizes(variant):  # P30
    case = problem()
    steps = steps_with(variant, case)
    for part in (np.s_[:], np.s_[:1, :3]):
        small = case.but(labels=case.labels[part], logits=case.logits[part])
        expected, expected_gradient = steps("by operation", small)
        value, gradient = steps("any size", small)
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6, atol=1e-6)
    assert steps.traces["any size"] == 1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_keras_train_step_leaves_an_ignored_miss_alone(jit_compile):  # P4, in model.fit
    # The weights of this model are its logits, one per pixel and class: SGD moves exactly those with a gradient.
    case = problem(alpha=0.0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(40 * 4, use_bias=False)])
    model.add(keras.layers.Reshape((10, 4, 4)))
    model.layers[0].kernel.assign(case.logits.reshape(1, -1))
    model.compile(keras.optimizers.SGD(1.0), loss=Variant("crossentropy").build(case), jit_compile=jit_compile)
    model.fit(np.ones((1, 1), np.float32), case.labels.reshape(1, 10, 4), verbose=0)
    moved = np.any(model.layers[0].kernel.numpy().reshape(case.logits.shape) != case.logits, axis=-1)
    np.testing.assert_array_equal(moved, ~(case.false_negatives | case.void))


@pytest.mark.parametrize("last", ["activation", "layer"])
def test_a_softmax_is_seen_in_a_traced_step(last):  # P18
    model = keras.Sequential([keras.Input((5, 4, CLASSES))])
    model.add(keras.layers.Dense(CLASSES, activation="softmax" if last == "activation" else None))
    if last == "layer":
        model.add(keras.layers.Softmax())
    case = problem()
    model.compile("sgd", loss=Variant("crossentropy").build(case))
    with pytest.raises(ValueError, match="Remove the softmax of the last layer"):
        model.fit(case.logits, case.labels, verbose=0)
