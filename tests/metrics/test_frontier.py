import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.metrics import (
    Frontier,
    confusion,
    confusion_matrix,
    frontier_counts,
    frontier_curve,
    frontier_matrices,
    frontier_thresholds,
)
from fnmask.metrics.frontier import frontier_log_odds

thorough = settings(max_examples=40, deadline=None, derandomize=True, database=None)

MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


def problem(seed=3, images=4, num_classes=4, void=255):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, (images, 5, 7)).astype(np.int32)
    if void is not None:
        labels[rng.random(labels.shape) < 0.2] = void
    logits = rng.normal(0, 4, (images, 5, 7, num_classes)).astype(np.float32)
    logits[rng.random(labels.shape) < 0.3] *= 20  # beyond both ends of the cells
    return labels, logits


def by_thresholding(labels, logits, target, threshold, score, void):
    """One confusion matrix, from probabilities in float64."""
    z = logits.astype(np.float64)
    p = np.exp(z - z.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    others = z.copy()
    others[..., target] = -np.inf
    rival = others.argmax(-1)
    p_rival = np.take_along_axis(p, rival[..., None], -1)[..., 0]
    value = p[..., target] / (p[..., target] + p_rival) if score == "contest" else p[..., target]
    predicted = np.where(value > threshold, target, rival)
    return confusion_matrix(labels, predicted, num_classes=z.shape[-1], ignore_class=void)


@thorough
@given(st.data())
def test_every_matrix_is_that_of_its_threshold(data):
    num_classes = data.draw(st.integers(2, 5))
    target = data.draw(st.integers(0, num_classes - 1))
    score = data.draw(st.sampled_from(["contest", "probability"]))
    void = data.draw(st.sampled_from([None, -1, 255]))
    labels, logits = problem(data.draw(st.integers(0, 2**32 - 1)), 2, num_classes, void)
    counts = np.asarray(frontier_counts(labels, logits, target=target, bins=32, score=score, ignore_class=void))
    matrices, thresholds = frontier_matrices(counts, target=target), frontier_thresholds(32)
    assert matrices.shape == (35, num_classes, num_classes)
    assert len(thresholds) == 35
    # Both ends by what they say: 1 - 1e-20 is 1 in float64, so "score > 0" and "score > 1" are not asked of it.
    nowhere = [by_thresholding(labels, logits, target, 2, score, void)]
    everywhere = [by_thresholding(labels, logits, target, -1, score, void)]
    inner = [by_thresholding(labels, logits, target, t, score, void) for t in thresholds[1:-1]]
    np.testing.assert_array_equal(matrices, everywhere + inner + nowhere)


def ties(num_classes):
    """Whole-number logits, equal in one pixel of three or so; zeros of both signs among them."""
    rng = np.random.default_rng(num_classes)
    labels = rng.integers(0, num_classes, (2, 30, 30)).astype(np.int32)
    logits = rng.integers(-1, 2, (2, 30, 30, num_classes)).astype(np.float32)
    logits[logits == 0] *= rng.choice([-1.0, 1.0], (logits == 0).sum())
    return labels, logits


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_a_contest_at_one_half_is_argmax_ties_included(mode, num_classes):
    labels, logits = ties(num_classes)
    predicted = np.asarray(MODES[mode](lambda z: keras.ops.argmax(z, axis=-1))(tf.constant(logits)))
    expected = confusion_matrix(labels, predicted, num_classes=num_classes)
    for target in range(num_classes):
        count = MODES[mode](lambda y, z, c=target: frontier_counts(y, z, target=c, bins=8))
        matrices = frontier_matrices(np.asarray(count(tf.constant(labels), tf.constant(logits))), target=target)
        assert frontier_thresholds(8)[5] == 0.5
        np.testing.assert_array_equal(matrices[5], expected)


def test_scores_on_a_threshold_are_not_above_it():
    # Log-odds -16, 0, 16 of class 1, each on an inner threshold; 0 is a tie, which argmax gives to class 0.
    logits = np.array([[[[16.0, 0], [0, 0], [0, 16]]]])
    matrices = frontier_matrices(np.asarray(frontier_counts(np.ones((1, 1, 3)), logits, target=1, bins=2)), target=1)
    np.testing.assert_array_equal(frontier_log_odds(2), [-np.inf, -16, 0, 16, np.inf])
    np.testing.assert_array_equal(matrices[:, 1, 1], [3, 2, 1, 0, 0])


def test_tiny_differences_are_seen():
    logits = np.array([[[[1.0, 1.0 + 1e-6], [1e-30, 2e-30], [1.0 + 1e-6, 1.0]]]])
    matrices = frontier_matrices(np.asarray(frontier_counts(np.ones((1, 1, 3)), logits, target=1)), target=1)
    assert matrices[1024 // 2 + 1, 1, 1] == 2


def test_the_curve():
    labels, logits = problem()
    metric = Frontier(4, 2, bins=64, ignore_class=255)
    metric.update_state(labels, logits)
    curve, matrices = metric.curve(), metric.matrices()
    np.testing.assert_array_equal(curve.thresholds, metric.thresholds)
    assert (np.diff(curve.thresholds) > 0).all()
    assert (np.diff(curve.recall) <= 0).all()
    assert (curve.recall[0], curve.recall[-1]) == (1, 0)
    np.testing.assert_array_equal(curve.iou, confusion.iou(matrices)[:, 2])
    np.testing.assert_array_equal(curve.precision, confusion.precision(matrices)[:, 2])
    np.testing.assert_array_equal(curve.miou, confusion.mean_iou(matrices))
    np.testing.assert_array_equal(curve.miou_without_target, confusion.mean_iou_without(matrices, [2]))
    assert np.isnan(curve.precision[-1])
    assert float(metric.result()) == pytest.approx(curve.iou.max(), rel=1e-6)
    again = frontier_curve(np.asarray(frontier_counts(labels, logits, target=2, bins=64, ignore_class=255)), target=2)
    np.testing.assert_array_equal(again.iou, curve.iou)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_the_metric_does_not_depend_on_the_batches(batch_size, mode):
    labels, logits = problem()
    metric = Frontier(4, 1, bins=16, score="probability", ignore_class=255)
    update = MODES[mode](metric.update_state)
    for start in range(0, 4, batch_size):
        update(tf.constant(labels[start : start + batch_size]), tf.constant(logits[start : start + batch_size]))
    whole = frontier_counts(labels, logits, target=1, bins=16, score="probability", ignore_class=255)
    np.testing.assert_array_equal(metric.matrices(), frontier_matrices(np.asarray(whole), target=1))


def test_in_model_evaluate():
    labels, logits = problem()
    model = keras.Sequential([keras.Input((5, 7, 4)), keras.layers.Activation("linear")])
    metric = Frontier(4, 0, ignore_class=255)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model.compile(loss=loss, metrics=[metric])
    found = model.evaluate(logits, labels, batch_size=3, verbose=0, return_dict=True)["best_target_iou"]
    assert found == pytest.approx(metric.curve().iou.max(), rel=1e-6)
    expected = confusion_matrix(labels, logits.argmax(-1), num_classes=4, ignore_class=255)
    np.testing.assert_array_equal(metric.matrices()[513], expected)


def test_infinite_logits():
    # A class that is ruled out everywhere, and a pixel where only the target is left.
    logits = np.full((1, 1, 2, 3), -np.inf, np.float32)
    logits[0, 0, :, 1] = 0
    logits[0, 0, 0, 0] = 5
    for score in ("contest", "probability"):
        counts = np.asarray(frontier_counts(np.ones((1, 1, 2)), logits, target=1, bins=2, score=score))
        np.testing.assert_array_equal(frontier_matrices(counts, target=1)[:, 1, 1], [2, 2, 1, 1, 0])


def test_void_is_left_out():
    labels, logits = problem()
    expected = frontier_counts(labels, logits, target=1, ignore_class=255)
    logits[labels == 255] = np.nan
    np.testing.assert_array_equal(frontier_counts(labels, logits, target=1, ignore_class=255), expected)
    assert np.asarray(expected).sum() == (labels != 255).sum()


def test_an_absent_target_is_nan():
    labels, logits = problem(void=None)
    metric = Frontier(4, 1, bins=8)
    metric.update_state(np.where(labels == 1, 0, labels), logits)
    assert np.isnan(float(metric.result()))
    assert np.isnan(metric.curve().recall).all()


@pytest.mark.parametrize("fault", ["label", "logit"])
@pytest.mark.parametrize("score", ["contest", "probability"])
def test_what_cannot_be_read_is_not_hidden(fault, score):
    labels, logits = problem(void=None)
    if fault == "label":
        labels[0, 0, 0] = 77
    else:
        logits[0, 0, 0, 1] = np.nan
    metric = Frontier(4, 1, bins=8, score=score)
    tf.function(metric.update_state)(tf.constant(labels), tf.constant(logits))
    assert np.isnan(float(metric.result()))
    with pytest.raises(ValueError, match="1 images hold"):
        metric.matrices()
    count = tf.function(lambda y, z: frontier_counts(y, z, target=1, bins=8, score=score))
    with pytest.raises(ValueError, match="negative number"):
        frontier_matrices(np.asarray(count(tf.constant(labels), tf.constant(logits))), target=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 3}, "target"),
        ({"num_classes": 1, "target": 0}, "at least 2"),
        ({"bins": 1000}, "power of two"),
        ({"bins": 1}, "power of two"),
        ({"score": "margin"}, "use one of contest, probability"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        Frontier(**({"num_classes": 3, "target": 1} | arguments))
    if "num_classes" not in arguments:
        with pytest.raises(ValueError, match=message):
            frontier_counts(np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 3)), **({"target": 1} | arguments))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((10, 3, 3), int), r"\(bins \+ 2, C, C - 1\)"),
        (np.ones((11, 3, 2), int), "power of two"),
        (np.ones((10, 3, 2)), "never average"),
        (-np.ones((10, 3, 2), int), "negative number"),
    ],
)
def test_what_are_no_counts_is_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        frontier_matrices(counts, target=1)


def test_other_logits_than_announced_are_refused():
    with pytest.raises(ValueError, match="5 channels, but num_classes=4"):
        Frontier(4, 1).update_state(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 5)))


def test_config_round_trip():  # P32
    config = {"num_classes": 3, "ignore_class": 9, "name": "f", "target": 2, "bins": 8, "score": "probability"}
    metric = Frontier(**config)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == config == json.loads(json.dumps(config))
