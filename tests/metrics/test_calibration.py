import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.metrics import ExpectedCalibrationError, Reliability, expected_calibration_error, reliability

thorough = settings(max_examples=40, deadline=None, derandomize=True, database=None)

MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


def problem(seed=3, images=6, num_classes=4, void=255):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, (images, 5, 7)).astype(np.int32)
    if void is not None:
        labels[rng.random(labels.shape) < 0.2] = void
    return labels, rng.normal(0, 2, (images, 5, 7, num_classes)).astype(np.float32)


def by_loop(labels, logits, bins, void):
    """Equation 3 of Guo et al., bin by bin over a list of pixels."""
    found = []
    for place in np.ndindex(labels.shape):
        if labels[place] == void:
            continue
        powers = [math.exp(float(z)) for z in logits[place]]
        found.append((max(powers) / sum(powers), powers.index(max(powers)) == labels[place]))
    error = 0.0
    for m in range(1, bins + 1):
        inside = [pixel for pixel in found if (m - 1) / bins < pixel[0] <= m / bins]
        if inside:
            confidence, accuracy = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            error += len(inside) / len(found) * abs(accuracy - confidence)
    return error if found else math.nan


@thorough
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 20), st.sampled_from([None, -1, 255]))
def test_the_error_is_that_of_a_loop(seed, num_classes, bins, void):
    labels, logits = problem(seed, 2, num_classes, void)
    expected = by_loop(labels, logits, bins, void)
    assert expected_calibration_error(labels, logits, bins=bins, ignore_class=void) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_metric_agrees(mode, bins):
    labels, logits = problem()
    metric = ExpectedCalibrationError(4, bins=bins, ignore_class=255)
    MODES[mode](metric.update_state)(tf.constant(labels), tf.constant(logits))
    expected = reliability(labels, logits, bins=bins, ignore_class=255)
    assert float(MODES[mode](metric.result)()) == pytest.approx(expected.expected_error, abs=1e-5)
    found = metric.reliability()
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.hits, expected.hits)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_the_metric_does_not_depend_on_the_batches(batch_size):
    labels, logits = problem()
    whole, parts = (ExpectedCalibrationError(4, ignore_class=255) for _ in range(2))
    whole.update_state(labels, logits)
    for start in reversed(range(0, 6, batch_size)):
        parts.update_state(labels[start : start + batch_size], logits[start : start + batch_size])
    assert float(whole.result()) == float(parts.result())
    np.testing.assert_array_equal(whole.counts, parts.counts)


def test_by_hand():
    # Confidences 1/2 (a tie: class 0), 3/4 right, 3/4 wrong, 9/10 right; two bins (0, 1/2] and (1/2, 1].
    logits = np.log([[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [0.1, 0.9]])
    found = reliability(np.array([1, 0, 0, 1]), logits, bins=2)
    np.testing.assert_array_equal(found.pixels, [1, 3])
    np.testing.assert_array_equal(found.hits, [0, 2])
    np.testing.assert_allclose(found.accuracy, [0, 2 / 3])
    np.testing.assert_allclose(found.confidence, [0.5, 0.8])
    assert found.expected_error == pytest.approx((0.5 + 3 * (0.8 - 2 / 3)) / 4)


def test_certain_and_right_is_calibrated():
    labels = np.array([[[0, 1], [1, 1]]])
    logits = 200.0 * np.eye(2)[labels]
    assert expected_calibration_error(labels, logits) == 0
    metric = ExpectedCalibrationError(2)
    metric.update_state(labels, logits)
    assert float(metric.result()) == 0
    assert expected_calibration_error(1 - labels, logits) == 1


def test_batches_add_up():
    labels, logits = problem()
    halves = [reliability(labels[part], logits[part], ignore_class=255) for part in (slice(0, 2), slice(2, 6))]
    whole, added = reliability(labels, logits, ignore_class=255), halves[0] + halves[1]
    assert isinstance(added, Reliability)
    assert added.expected_error == pytest.approx(whole.expected_error, rel=1e-12)
    with pytest.raises(ValueError, match="one number of bins"):
        whole + reliability(labels, logits, bins=3, ignore_class=255)


def test_void_is_left_out():
    labels, logits = problem()
    expected = expected_calibration_error(labels[labels != 255], logits[labels != 255])
    logits[labels == 255] = np.nan
    assert expected_calibration_error(labels, logits, ignore_class=255) == pytest.approx(expected, rel=1e-12)
    metric = ExpectedCalibrationError(4, ignore_class=255)
    metric.update_state(labels, logits)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-5)


def test_formats_agree():  # P17
    labels, logits = problem()
    one_hot = (labels[..., None] == np.arange(4)).astype(np.float32)
    read = []
    for given_labels in (labels, labels.astype(np.float32), labels[..., None], one_hot):
        metric = ExpectedCalibrationError(4, ignore_class=255)
        metric.update_state(given_labels, logits)
        read.append(float(metric.result()))
    assert len(set(read)) == 1


def test_nothing_seen_is_nan():
    assert np.isnan(float(ExpectedCalibrationError(2).result()))
    assert np.isnan(expected_calibration_error(np.full(3, 9), np.zeros((3, 2)), ignore_class=9))


@pytest.mark.parametrize("fault", ["label", "logit"])
def test_what_cannot_be_read_is_not_hidden(fault):
    labels, logits = problem(void=None)
    if fault == "label":
        labels[0, 0, 0] = 77
    else:
        logits[0, 0, 0, 1] = np.nan
    metric = ExpectedCalibrationError(4)
    tf.function(metric.update_state)(tf.constant(labels), tf.constant(logits))
    assert np.isnan(float(metric.result()))
    with pytest.raises(ValueError, match="1 images hold"):
        metric.reliability()
    with pytest.raises(ValueError, match=r"hold (77|NaN)"):
        reliability(labels, logits)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 3)), "3 channels, but num_classes=2"),
        (np.zeros((1, 2, 3)), np.zeros((1, 2, 2, 2)), "do not go with"),
        (np.zeros((1, 2048, 4096), np.uint8), np.zeros((1, 2048, 4096, 2), np.float16), "cut it in tiles"),
    ],
)
def test_wrong_input_is_explained(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        ExpectedCalibrationError(2).update_state(labels, logits)


def test_wrong_arguments_are_explained():
    with pytest.raises(ValueError, match="bins=0"):
        ExpectedCalibrationError(2, bins=0)
    with pytest.raises(ValueError, match="bins=0"):
        expected_calibration_error(np.zeros(1, int), np.zeros((1, 2)), bins=0)
    with pytest.raises(ValueError, match="add classes last"):
        expected_calibration_error(np.zeros((2, 2), int), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="as void"):
        ExpectedCalibrationError(2).update_state(np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 2)), np.ones(1))


def test_config_round_trip():  # P32
    config = {"num_classes": 3, "ignore_class": 9, "name": "ece", "bins": 7}
    metric = ExpectedCalibrationError(**config)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == config == json.loads(json.dumps(config))
