"""Other people's code, where both are defined."""

import keras
import numpy as np
import pytest

from fnmask.metrics import ConfusionMatrix, confusion, confusion_matrix


def problem(num_classes=5):
    rng = np.random.default_rng(8)
    labels, predicted = rng.integers(0, num_classes, (2, 3, 9, 7))
    return labels, predicted, confusion_matrix(labels, predicted, num_classes=num_classes)


def test_keras():  # P42
    labels, predicted, matrix = problem()
    one_hot, logits = np.eye(5)[labels], 3.0 * np.eye(5)[predicted]
    metric, reference = ConfusionMatrix(5, readings=("miou", "iou")), keras.metrics.OneHotMeanIoU(5)
    metric.update_state(labels, logits)
    reference.update_state(one_hot, logits)
    found = metric.result()
    assert float(found["miou"]) == pytest.approx(float(reference.result()), rel=1e-6)
    for k in range(5):
        single = keras.metrics.OneHotIoU(5, [k])
        single.update_state(one_hot, logits)
        sparse = keras.metrics.IoU(5, [k], sparse_y_pred=False)
        sparse.update_state(labels, logits)
        assert float(found[f"iou_{k}"]) == pytest.approx(float(single.result()), rel=1e-6)
        assert float(found[f"iou_{k}"]) == pytest.approx(float(sparse.result()), rel=1e-6)
    np.testing.assert_array_equal(metric.matrix(), matrix)


def test_keras_with_void():
    labels, predicted, _ = problem()
    labels[0] = 4
    reference = keras.metrics.MeanIoU(5, ignore_class=4)
    reference.update_state(labels, predicted)
    metric = ConfusionMatrix(5, ignore_class=4)
    metric.update_state(labels, predicted)
    matrix = confusion_matrix(labels, predicted, num_classes=5, ignore_class=4)
    assert matrix[:, 4].sum() > 0
    assert float(metric.result()) == pytest.approx(float(confusion.mean_iou(matrix)), rel=1e-6)
    # Keras counts an absent class that is predicted, as IoU 0; we leave it out.
    assert float(reference.result()) == pytest.approx(float(confusion.iou(matrix)[:4].sum() / 5), rel=1e-6)


def test_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, predicted, matrix = problem()
    truth, called = labels.ravel(), predicted.ravel()
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(truth, called, labels=range(5)))
    np.testing.assert_allclose(confusion.iou(matrix), metrics.jaccard_score(truth, called, average=None))
    np.testing.assert_allclose(confusion.precision(matrix), metrics.precision_score(truth, called, average=None))
    np.testing.assert_allclose(confusion.recall(matrix), metrics.recall_score(truth, called, average=None))
    np.testing.assert_allclose(confusion.f1(matrix), metrics.f1_score(truth, called, average=None))
    assert confusion.pixel_accuracy(matrix) == pytest.approx(metrics.accuracy_score(truth, called))


def test_torchmetrics():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
    labels, predicted, _ = problem()
    labels[:, 0] = 255
    matrix = confusion_matrix(labels, predicted, num_classes=5, ignore_class=255)
    pair, how = (torch.tensor(predicted), torch.tensor(labels)), {"num_classes": 5, "ignore_index": 255}
    np.testing.assert_array_equal(functional.multiclass_confusion_matrix(*pair, **how).numpy(), matrix)
    ious = functional.multiclass_jaccard_index(*pair, **how, average="none").numpy()
    np.testing.assert_allclose(confusion.iou(matrix), ious, rtol=1e-6)


def test_torchmetrics_calibration_error():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    functional = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
    from fnmask.metrics import expected_calibration_error

    labels = problem()[0]
    logits = np.random.default_rng(1).normal(0, 2, (*labels.shape, 5))
    probabilities = torch.softmax(torch.tensor(logits.reshape(-1, 5)), -1)
    theirs = functional.multiclass_calibration_error(
        probabilities, torch.tensor(labels.ravel()), 5, n_bins=15, norm="l1"
    )
    assert expected_calibration_error(labels, logits) == pytest.approx(float(theirs), rel=1e-5)
