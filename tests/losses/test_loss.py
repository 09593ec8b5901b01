"""The Keras shell: arguments, label formats, sample weights, saving, the schedule in model.fit."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import MASKS

from fnmask.losses import MaskedCrossentropy, MaskSchedule

LABELS = np.array([[[0, 1], [2, 9]], [[2, 2], [1, 0]]])
LOGITS = np.random.default_rng(3).normal(0, 2, (2, 2, 2, 3)).astype(np.float32)


def odd_loss(**changes):
    """A loss with every argument away from its default."""
    matrix = [[1.0, 0.1, 0.7], [0.0, 1.0, 0.0], [2.0, 0.3, 1.0]]
    arguments = {
        "error_weights": matrix,
        "class_weights": [0.5, 2.0, 0.1],
        "ramp": 0.3,
        "mask": "confidence",
        "ignore_class": 9,
        "normalizer": "class_weight",
        "reduction": "sum",
        "name": "odd",
    }
    return MaskedCrossentropy(3, **(arguments | changes))


def test_the_shortcut_writes_the_rows_of_the_matrix():
    loss = MaskedCrossentropy(3, ignore_false_negatives_of=[1], alpha=0.25)
    np.testing.assert_array_equal(loss.numbers["error_weights"], [[1, 1, 1], [0.25, 1, 0.25], [1, 1, 1]])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_label_formats_agree(dtype):  # P17
    loss = odd_loss()
    expected = float(loss(LABELS, LOGITS))
    assert float(loss(LABELS.astype(dtype), LOGITS)) == expected
    assert float(loss(LABELS[..., None].astype(dtype), LOGITS)) == expected
    one_hot = (LABELS[..., None] == np.arange(3)).astype(dtype)  # void: all zeros
    assert float(loss(one_hot, LOGITS)) == expected


@pytest.mark.parametrize("void", [-1, 3, 255])
def test_any_integer_can_mark_void(void):
    labels = np.where(LABELS == 9, void, LABELS)
    assert float(odd_loss(ignore_class=void)(labels, LOGITS)) == float(odd_loss()(LABELS, LOGITS))


def test_sample_weight_multiplies_the_map():  # P33
    loss = odd_loss(reduction="sum_over_batch_size", normalizer="valid")
    pixels = odd_loss(reduction="none", normalizer="valid")(LABELS, LOGITS).numpy()
    per_image, per_pixel = np.array([2.0, 0.5]), np.arange(8.0).reshape(2, 2, 2)
    by_image = float((pixels * per_image[:, None, None]).mean())
    assert float(loss(LABELS, LOGITS, per_image)) == pytest.approx(by_image, rel=1e-6)
    assert float(loss(LABELS, LOGITS, per_image[:, None])) == pytest.approx(by_image, rel=1e-6)
    assert float(loss(LABELS, LOGITS, per_pixel)) == pytest.approx(float((pixels * per_pixel).mean()), rel=1e-6)
    product = per_pixel * per_image[:, None, None]
    assert float(loss(LABELS, LOGITS, product)) == pytest.approx(float((pixels * product).mean()), rel=1e-6)


def test_config_round_trip_keeps_every_argument():  # P32
    loss = odd_loss()
    config = json.loads(json.dumps(loss.get_config()))
    again = MaskedCrossentropy.from_config(config)
    assert again.get_config() == config
    assert config["name"] == "odd"
    assert again.structure == loss.structure
    assert float(again(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))
    other = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert other.get_config() == config


def test_config_reads_the_numbers_of_now():  # P32
    loss = odd_loss()
    loss.assign(ramp=1.0, class_weights=[1.0, 1.0, 3.0])
    config = loss.get_config()
    assert config["ramp"] == 1.0
    assert config["class_weights"] == [1.0, 1.0, 3.0]


def test_a_saved_model_keeps_its_loss(tmp_path):  # P32
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", loss=odd_loss())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == odd_loss().get_config()
    assert loaded.evaluate(LOGITS, LABELS, verbose=0) == pytest.approx(model.evaluate(LOGITS, LABELS, verbose=0))


def test_structure_tells_apart_what_needs_a_new_trace():
    loss = odd_loss()
    assert hash(loss.structure) == hash(odd_loss(ramp=1.0, class_weights=None, error_weights=np.ones((3, 3))).structure)
    for change in ({"mask": "argmax"}, {"normalizer": "all"}, {"ignore_class": None}, {"reduction": "none"}):
        assert odd_loss(**change).structure != loss.structure


@pytest.mark.parametrize("mask", MASKS)
def test_pixel_weights_have_no_gradient_and_no_class_weights(mask):
    loss, logits = odd_loss(mask=mask, ramp=1.0), tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        weights = loss.pixel_weights(LABELS, logits)
    assert tape.gradient(weights, logits) is None
    assert weights.dtype == tf.float32
    assert weights[0, 1, 1] == 0
    if mask == "argmax":
        matrix, predicted = loss.numbers["error_weights"], LOGITS.argmax(-1)
        valid = LABELS != 9
        np.testing.assert_array_equal(weights.numpy()[valid], matrix[LABELS[valid], predicted[valid]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes=1, but at least 2"),
        ({"ignore_false_negatives_of": 3}, r"holds \[3\], but class ids run from 0 to 2"),
        ({"ignore_false_negatives_of": 1, "alpha": -0.5}, r"-0\.5.*not negative"),
        ({"alpha": 0.5}, "no effect without ignore_false_negatives_of"),
        ({"ignore_false_negatives_of": 1, "error_weights": np.ones((3, 3))}, "not both"),
        ({"error_weights": np.zeros((3, 3))}, "a correct pixel always weighs 1"),
        ({"error_weights": np.ones((2, 2))}, r"3 classes need \(3, 3\)"),
        ({"class_weights": [1.0, 2.0]}, r"3 classes need \(3,\)"),
        ({"class_weights": [1.0, 2.0, np.nan]}, "finite"),
        ({"ramp": 1.5}, "share between 0 and 1"),
        ({"mask": "soft"}, "use one of argmax, confidence"),
        ({"normalizer": "mean"}, "use one of valid, all, kept"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskedCrossentropy(**({"num_classes": 3} | arguments))


def test_a_refused_assignment_changes_nothing():
    loss = odd_loss()
    before = loss.get_config()
    with pytest.raises(ValueError, match="share between"):
        loss.assign(class_weights=[1.0, 1.0, 1.0], ramp=2.0)
    assert loss.get_config() == before


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        (LABELS, LOGITS[..., :2], "2 channels, but num_classes=3"),
        (LABELS[:, :1], LOGITS, "do not go with predictions"),
        (np.zeros((2, 2, 2, 4)), LOGITS, "4 channels, but there are 3 classes"),
        (LABELS, LOGITS[0], r"\(B, H, W, C\)"),
    ],
)
def test_wrong_shapes_are_explained(labels, logits, message):
    with pytest.raises(ValueError, match=message):
        odd_loss()(labels, logits)


def test_the_schedule_moves_the_ramp_of_model_fit():  # P35
    loss, seen = MaskedCrossentropy(3, ignore_false_negatives_of=1, ignore_class=9), []
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", loss=loss)
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(float(loss.ramp)))
    schedule = MaskSchedule(loss, warmup_steps=2, ramp_steps=2)
    model.fit(LOGITS, LABELS, batch_size=1, epochs=3, verbose=0, callbacks=[schedule, watch])
    assert seen == [0, 0, 0, 0.5, 1, 1]
    with pytest.raises(ValueError, match="not negative"):
        MaskSchedule(loss, warmup_steps=-1, ramp_steps=0)
