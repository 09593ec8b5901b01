import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.metrics import ConfusionMatrix, confusion, confusion_matrix
from fnmask.metrics.readings import per_class
from fnmask.metrics.traced_readings import OVERALL, PER_CLASS

NAMES = ["sky", "Road / Lane", "tree", "car"]
SLUGS = ["sky", "road_lane", "tree", "car"]

MODES = {
    "eager": lambda function: function,
    "graph": tf.function,
    "jit": lambda function: tf.function(function, jit_compile=True),
}


def problem(images=6):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (images, 5, 4)).astype(np.int32)  # class 3 is absent
    labels[rng.random(labels.shape) < 0.2] = 255
    logits = rng.normal(0, 1, (images, 5, 4, 4)).astype(np.float32)
    logits[..., 2] -= 30  # class 2 is never predicted
    return labels, logits


def expected_readings(labels, logits):
    matrix = confusion_matrix(labels, logits.argmax(-1), num_classes=4, ignore_class=255)
    named = {
        f"{key}_{name}": v for key, values in per_class(matrix).items() for name, v in zip(SLUGS, values, strict=True)
    }
    named["miou"] = confusion.mean_iou(matrix)
    named["pixel_accuracy"] = confusion.pixel_accuracy(matrix)
    named["classes_present"] = confusion.classes_present(matrix)
    return named


@pytest.mark.parametrize("mode", MODES)
def test_every_reading_is_that_of_the_numpy_half(mode):  # P42
    labels, logits = problem()
    metric = ConfusionMatrix(4, ignore_class=255, class_names=NAMES, readings=(*PER_CLASS, *OVERALL))
    MODES[mode](metric.update_state)(tf.constant(labels), tf.constant(logits))
    found = {key: float(value) for key, value in MODES[mode](metric.result)().items()}
    expected = expected_readings(labels, logits)
    assert set(found) == set(expected)
    assert np.isnan(expected["iou_car"])
    assert np.isnan(expected["precision_tree"])
    assert expected["recall_tree"] == 0
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-6, err_msg=key)


def test_by_hand():
    metric = ConfusionMatrix(2, readings=("iou", "support", "miou"))
    metric.update_state(np.array([[[0, 0, 0, 1]]]), np.array([[[0, 0, 1, 1]]]))
    values = {key: float(value) for key, value in metric.result().items()}
    assert values == pytest.approx({"iou_0": 2 / 3, "iou_1": 1 / 2, "support_0": 3, "support_1": 1, "miou": 7 / 12})


def test_nothing_seen_is_nan():
    values = ConfusionMatrix(2, readings=("miou", "pixel_accuracy", "recall", "classes_present")).result()
    assert float(values.pop("classes_present")) == 0
    assert all(np.isnan(value) for value in values.values())


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


def compiled_model(metrics, **how):
    model = keras.Sequential([keras.Input((5, 4, 4)), keras.layers.Conv2D(4, 1)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model.compile("sgd", loss, metrics=metrics, **how)
    return model


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}], ids=str)
def test_in_model_fit(how, capsys):
    labels, logits = problem()
    metric = ConfusionMatrix(4, ignore_class=255, class_names=NAMES, readings=("miou", "recall"))
    model, recorder = compiled_model([metric], **how), Recorder()
    data = {"validation_data": (logits, labels), "batch_size": 4, "callbacks": [recorder]}
    history = model.fit(logits, labels, epochs=2, verbose=2, **data).history

    keys = {"loss", "miou", *(f"recall_{name}" for name in SLUGS)}
    assert set(history) == keys | {f"val_{key}" for key in keys}
    assert all(type(value) is float for values in history.values() for value in values)
    assert all(type(value) is float for logs in recorder.logs for value in logs.values())
    assert {frozenset(logs) for logs in recorder.logs} == {frozenset(keys), frozenset(history)}
    assert "val_recall_road_lane: " in capsys.readouterr().out

    expected = expected_readings(labels, model.predict(logits, verbose=0))
    evaluated = model.evaluate(logits, labels, batch_size=1, verbose=0, return_dict=True)
    for key in keys - {"loss"}:
        np.testing.assert_allclose(history[f"val_{key}"][-1], expected[key], rtol=1e-6)
        np.testing.assert_allclose(evaluated[key], expected[key], rtol=1e-6)


def test_the_progress_bar_shows_them(capsys):
    labels, logits = problem()
    model = compiled_model([ConfusionMatrix(4, ignore_class=255, readings=("recall",))])
    model.fit(logits, labels, batch_size=2, verbose=1)
    assert "recall_0: " in capsys.readouterr().out


def test_two_in_one_model_are_told_apart_by_name():
    labels, logits = problem()
    first = ConfusionMatrix(4, ignore_class=255, readings=("miou",))
    second = ConfusionMatrix(4, ignore_class=255, readings=("miou",), name="again")
    found = compiled_model([first, second]).evaluate(logits, labels, verbose=0, return_dict=True)
    assert found["miou"] == found["again_miou"]


def test_in_a_saved_model(tmp_path):  # P32
    labels, logits = problem()
    metric = ConfusionMatrix(4, ignore_class=255, class_names=NAMES, readings=("miou", "f1"))
    model = compiled_model([metric])
    before = model.evaluate(logits, labels, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").evaluate(logits, labels, verbose=0, return_dict=True)
    assert set(again) == {"loss", "miou", *(f"f1_{name}" for name in SLUGS)}
    np.testing.assert_equal(again, before)
