import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.losses import MaskedCrossentropy
from fnmask.metrics import ConfusionMatrix, confusion_matrix, confusion_matrix_per_image, iou

MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


def problem(images=5, num_classes=4, void=255):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, num_classes, (images, 6, 7)).astype(np.int32)
    labels[rng.random(labels.shape) < 0.2] = void
    return labels, rng.normal(0, 1, (images, 6, 7, num_classes)).astype(np.float32)


def expected_matrices(labels, logits, void=255):
    pairs = zip(labels, logits.argmax(-1), strict=True)
    return [confusion_matrix(y, k, num_classes=logits.shape[-1], ignore_class=void) for y, k in pairs]


@pytest.mark.parametrize("mode", MODES)
def test_per_image_counts(mode):  # P42
    labels, logits = problem()
    labels[3] = 255  # nothing but void
    count = MODES[mode](lambda y, z: confusion_matrix_per_image(y, z, 4, 255))
    matrices = count(tf.constant(labels), tf.constant(logits)).numpy()
    assert np.issubdtype(matrices.dtype, np.integer)
    np.testing.assert_array_equal(matrices, expected_matrices(labels, logits))


def test_unknown_sizes():
    labels, logits = problem()
    signature = [tf.TensorSpec([None, None, None], tf.int32), tf.TensorSpec([None, None, None, 4], tf.float32)]
    count = tf.function(lambda y, z: confusion_matrix_per_image(y, z, 4, 255), input_signature=signature)
    np.testing.assert_array_equal(count(labels, logits), expected_matrices(labels, logits))


def test_formats_agree():  # P17
    labels, logits = problem()
    expected = expected_matrices(labels, logits)
    one_hot = (labels[..., None] == np.arange(4)).astype(np.float32)
    for given in (labels.astype(np.uint8), labels.astype(np.float32), labels[..., None], one_hot):
        np.testing.assert_array_equal(confusion_matrix_per_image(given, logits, 4, 255), expected)
    np.testing.assert_array_equal(confusion_matrix_per_image(labels, logits.argmax(-1), 4, 255), expected)


@pytest.mark.parametrize("mode", ["graph", "jit"])
def test_an_undeclared_label_spoils_its_image_and_no_other(mode):
    labels, logits = problem()
    labels[1, 0, 0] = 77
    count = MODES[mode](lambda y, z: confusion_matrix_per_image(y, z, 4, 255))
    matrices = count(tf.constant(labels), tf.constant(logits)).numpy()
    assert (matrices[1] == -1).all()
    assert (np.delete(matrices, 1, axis=0) >= 0).all()
    with pytest.raises(ValueError, match="negative count"):
        iou(matrices.astype(np.int64))
    with pytest.raises(ValueError, match="hold 77,"):
        confusion_matrix_per_image(labels, logits, 4, 255)


def test_a_predicted_id_that_is_no_class_is_reported():
    assert (confusion_matrix_per_image(np.zeros((1, 1, 2)), np.array([[[0, 9]]]), 4).numpy() == -1).all()


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_metric_does_not_depend_on_the_batches(batch_size):  # P42
    labels, logits = problem()
    metric = ConfusionMatrix(4, ignore_class=255)
    for start in range(0, 5, batch_size):
        metric.update_state(labels[start : start + batch_size], logits[start : start + batch_size])
    expected = np.sum(expected_matrices(labels, logits), axis=0)
    np.testing.assert_array_equal(metric.matrix(), expected)
    assert metric.matrix().dtype == np.int64
    assert float(metric.result()) == pytest.approx(float(np.mean(iou(expected))))
    metric.reset_state()
    assert metric.matrix().sum() == 0


def test_agrees_with_keras_where_both_are_defined():  # P42
    labels, logits = problem(void=4)
    metric, reference = ConfusionMatrix(4, ignore_class=255), keras.metrics.OneHotMeanIoU(4)
    labels[labels == 4] = 0
    metric.update_state(labels, logits)
    reference.update_state(np.eye(4)[labels], logits)
    assert float(metric.result()) == pytest.approx(float(reference.result()), rel=1e-6)


def test_an_absent_class_leaves_the_mean():
    metric = ConfusionMatrix(3)
    assert np.isnan(metric.result())
    metric.update_state(np.array([[[0, 0, 1, 1]]]), np.array([[[0, 2, 1, 1]]]))  # IoU 1/2 and 1, class 2 is absent
    assert float(metric.result()) == 0.75


def test_in_model_evaluate():
    labels, logits = problem()
    model = keras.Sequential([keras.Input((6, 7, 4)), keras.layers.Activation("linear")])
    metric = ConfusionMatrix(4, ignore_class=255)
    model.compile(loss=MaskedCrossentropy(4, ignore_class=255), metrics=[metric])
    reading = model.evaluate(logits, labels, batch_size=2, verbose=0, return_dict=True)["miou"]
    expected = np.sum(expected_matrices(labels, logits), axis=0)
    np.testing.assert_array_equal(metric.matrix(), expected)
    assert reading == pytest.approx(float(np.mean(iou(expected))))


def test_a_traced_metric_reports_undeclared_labels():
    labels, logits = problem()
    metric = ConfusionMatrix(4)  # 255 is not declared
    tf.function(metric.update_state)(tf.constant(labels), tf.constant(logits))
    assert np.isnan(metric.result())
    with pytest.raises(ValueError, match=r"5 images hold labels outside 0\.\.3"):
        metric.matrix()


def test_sample_weight_is_refused():
    labels, logits = problem()
    with pytest.raises(ValueError, match="as void"):
        ConfusionMatrix(4, ignore_class=255).update_state(labels, logits, sample_weight=np.ones(5))


CONFIG = {
    "num_classes": 4,
    "ignore_class": 255,
    "class_names": ["sky", "Road", "tree", "car"],
    "readings": ["miou", "f1"],
    "name": "street",
}


def test_config_round_trip():  # P32
    metric = ConfusionMatrix(**CONFIG)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == CONFIG
    assert json.loads(json.dumps(again.get_config())) == CONFIG
    assert ConfusionMatrix(4).get_config() == dict.fromkeys(CONFIG) | {"num_classes": 4}


def test_totals_are_exact_beyond_32_bits():
    metric = ConfusionMatrix(2)
    # As if 2^40 pixels of class 0 had been seen, and 2^16 - 1 that are called 1.
    metric.counts.assign(np.array([[[2**24, 0], [0, 0]], [[0, 2**16 - 1], [0, 0]]]))
    metric.update_state(np.zeros((1, 1, 3)), np.array([[[0, 0, 1]]]))
    np.testing.assert_array_equal(metric.matrix(), [[2**40 + 2, 2**16], [0, 0]])
    assert np.asarray(metric.counts)[1].max() < 2**16  # carried
    assert float(metric.result()) == pytest.approx(1 - 2**-24, abs=1e-7)


def test_a_cell_beyond_the_integers_of_float32():
    labels = np.zeros((1, 4097, 4096), np.uint8)  # 2^24 + 4096 pixels of one class in one image
    assert int(confusion_matrix_per_image(labels, labels, 2)[0, 0, 0]) == 2**24 + 4096


def test_undeclared_labels_spoil_every_reading():
    metric = ConfusionMatrix(4, readings=("support", "pixel_accuracy"))
    labels, logits = problem()
    tf.function(metric.update_state)(tf.constant(labels), tf.constant(logits))
    assert all(np.isnan(value) for value in metric.result().values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2"),
        ({"num_classes": 3, "class_names": ["a", "b"]}, "name every class"),
        ({"num_classes": 2, "class_names": ["a b", "A-B"]}, "rename one"),
        ({"num_classes": 2, "readings": ("miou", "dice")}, "'dice' is not known; use one of iou, "),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConfusionMatrix(**arguments)


def test_logits_of_other_classes_are_refused():
    with pytest.raises(ValueError, match="5 channels, but num_classes=4"):
        ConfusionMatrix(4).update_state(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 5)))
