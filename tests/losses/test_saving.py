"""Every class with every argument away from its default, through its config, through Keras and through a file."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask import losses

LABELS = np.random.default_rng(1).choice([0, 1, 2, 9], (4, 3, 5)).astype(np.int32)
LOGITS = np.random.default_rng(3).normal(0, 2, (4, 3, 5, 3)).astype(np.float32)

MATRIX = [[1.0, 0.1, 0.7], [0.0, 1.0, 0.2], [0.9, 0.3, 1.0]]
ROWS = [[1.0, 0.1, 0.1], [0.2, 1.0, 0.2], [2.0, 2.0, 1.0]]
SHARED = {"error_weights": MATRIX, "class_weights": [0.5, 2.0, 0.1], "ramp": 0.3, "ignore_class": 9, "name": "odd"}
OVER_PIXELS = SHARED | {"normalizer": "class_weight", "reduction": "sum", "hardest_fraction": 0.6}
SCORE = {"false_positive_weight": [0.1, 0.2, 0.3], "false_negative_weight": [0.9, 0.8, 0.7], "smoothing": 0.5}

ODD = {
    "MaskedCrossentropy": OVER_PIXELS | {"mask": "margin", "temperature": 0.7, "label_smoothing": 0.1},
    "MaskedFocalCrossentropy": OVER_PIXELS | {"mask": "threshold", "threshold": 0.4, "gamma": 1.3},
    "MaskedGeneralizedCrossentropy": OVER_PIXELS | {"mask": "disagreement", "threshold": 0.8, "q": 0.3},
    "ExpectedCost": OVER_PIXELS | {"cost_weight": 0.6, "crossentropy_weight": 0.2},
    "LabelSetCrossentropy": OVER_PIXELS,
    "RelabelCrossentropy": OVER_PIXELS,
    "MaskedDice": SHARED | {"mask": "expectation", "smoothing": 2.0},
    "MaskedJaccard": SHARED | {"error_weights": ROWS, "by_class": True, "smoothing": 0.1},
    "MaskedTversky": SHARED | SCORE | {"error_weights": ROWS, "mask": "confidence", "power": 0.5},
    "MaskedFocalTversky": SHARED | SCORE | {"error_weights": ROWS, "by_class": True, "gamma": 2.5},
    "MaskedLovaszSoftmax": SHARED | {"mask": "disagreement", "threshold": 0.3},
}


def odd(name):
    return getattr(losses, name)(3, **ODD[name])


def odd_sum():
    terms = [odd("MaskedFocalCrossentropy"), odd("MaskedTversky")]
    return losses.WeightedSum(terms, weights=[0.25, 3.0], name="odd_sum")


EVERY = pytest.mark.parametrize("make", [*(lambda name=name: odd(name) for name in ODD), odd_sum], ids=[*ODD, "sum"])


def test_no_class_is_missing():
    written = {name for name in losses.__all__ if isinstance(getattr(losses, name), type)}
    written = {name for name in written if issubclass(getattr(losses, name), keras.losses.Loss)}
    assert written == {*ODD, "WeightedSum"}


@EVERY
def test_a_config_builds_the_same_loss(make):  # P32
    loss = make()
    config = json.loads(json.dumps(loss.get_config()))
    again = type(loss).from_config(config)
    assert again.get_config() == config
    assert again.structure == loss.structure
    assert again(LABELS, LOGITS) == loss(LABELS, LOGITS)
    assert config["name"] == loss.name != type(loss).from_config({**config, "name": "other"}).name


@pytest.mark.parametrize("name", ODD)
def test_a_config_holds_every_argument(name):  # P32
    config = odd(name).get_config()
    for key, value in ODD[name].items():
        if isinstance(value, float | list):
            np.testing.assert_allclose(config[key], value, rtol=1e-7, err_msg=key)
        else:
            assert config[key] == value, key
    assert config["num_classes"] == 3


@EVERY
def test_keras_saves_and_loads_a_loss(make):  # P32
    loss = make()
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    assert written["registered_name"] == f"fnmask>{type(loss).__name__}"
    again = keras.saving.deserialize_keras_object(written)
    assert again.get_config() == loss.get_config()
    assert again(LABELS, LOGITS) == loss(LABELS, LOGITS)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`:UserWarning")
@EVERY
def test_a_model_file_keeps_its_loss(make, tmp_path):  # P32
    model = keras.Sequential([keras.Input((3, 5, 3)), keras.layers.Dense(3, name="scores")])
    model.compile("sgd", loss=make())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == make().get_config()
    before, after = (one.evaluate(LOGITS, LABELS, verbose=0) for one in (model, loaded))
    assert before == after
    assert np.isfinite(before)


@pytest.mark.parametrize("name", ODD)
def test_a_config_reads_the_numbers_of_now(name):  # P32: no checkpoint holds them
    loss, rng = odd(name), np.random.default_rng(5)
    shapes = {key: value.shape for key, value in loss.numbers.items() if key != "error_weights"}
    drawn = {key: rng.uniform(0.1, 0.9, shape).astype(np.float32) for key, shape in shapes.items()}
    loss.assign(error_weights=np.ones((3, 3)), **drawn)
    config = loss.get_config()
    assert config["error_weights"] == np.ones((3, 3)).tolist()
    for key, value in drawn.items():
        assert config[key] == value.tolist()
    assert type(loss).from_config(config)(LABELS, LOGITS) == loss(LABELS, LOGITS)


def test_structure_is_everything_but_the_numbers():
    loss = losses.MaskedCrossentropy(3, ignore_class=9)
    same = losses.MaskedCrossentropy(3, ignore_class=9, error_weights=MATRIX, class_weights=[1, 2, 3], ramp=0.1)
    assert hash(same.structure) == hash(loss.structure)
    assert same.structure == loss.structure
    others = [
        losses.MaskedCrossentropy(4, ignore_class=9),
        losses.MaskedCrossentropy(3),
        losses.MaskedCrossentropy(3, ignore_class=9, mask="margin"),
        losses.MaskedCrossentropy(3, ignore_class=9, normalizer="all"),
        losses.MaskedCrossentropy(3, ignore_class=9, reduction="none"),
        losses.MaskedCrossentropy(3, ignore_class=9, label_smoothing=0.0),
        losses.MaskedCrossentropy(3, ignore_class=9, hardest_fraction=1.0),
        losses.RelabelCrossentropy(3, ignore_class=9),
        losses.MaskedDice(3, ignore_class=9),
        losses.MaskedDice(3, ignore_class=9, by_class=True),
        losses.WeightedSum([loss]),
        losses.WeightedSum([loss, loss]),
    ]
    assert len({loss.structure, *(other.structure for other in others)}) == 1 + len(others)


def test_variables_are_not_trained():
    loss = odd("MaskedTversky")
    assert all(not variable.trainable for variable in loss._numbers.variables.values())
    assert {str(tf.as_dtype(variable.dtype).name) for variable in loss._numbers.variables.values()} == {"float32"}
