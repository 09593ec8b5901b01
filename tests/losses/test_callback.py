"""The schedule and the gate in a real `model.fit`, whose step is traced and compiled once."""

import logging

import keras
import numpy as np
import pytest

from fnmask.losses import MaskedCrossentropy, MaskedDice, MaskSchedule, RecallGate, WeightedSum
from fnmask.metrics import ConfusionMatrix

COMPILED = True
PIXELS = (1, 4)


def fit(loss, schedule, *, labels, epochs=1, metrics=(), learning_rate=1.0, jit_compile="auto"):
    """A model whose logits are two biases, the same at every pixel: class 0 leads by 1 at first.

    Returns:
        The model, its history, and for every step the ramp and by how much the biases moved.
    """
    model = keras.Sequential([keras.Input((*PIXELS, 1)), keras.layers.Dense(2)])
    model.layers[0].bias.assign([1.0, 0.0])
    model.compile(keras.optimizers.SGD(learning_rate), loss=loss, metrics=list(metrics), jit_compile=jit_compile)
    history, *seen = go_on(model, loss, schedule, labels=labels, epochs=epochs, validate=bool(metrics))
    return model, history, *seen


def go_on(model, loss, schedule, *, labels, epochs=1, validate=False):
    """More steps of a model of `fit`."""
    ramps, biases = [], [model.layers[0].bias.numpy()]

    def note(batch, logs):
        ramps.append(float(loss.numbers["ramp"]))
        biases.append(model.layers[0].bias.numpy())

    watch = keras.callbacks.LambdaCallback(on_train_batch_end=note)
    data = np.zeros((*labels.shape, 1), np.float32), labels
    how = {"batch_size": 1, "epochs": epochs, "shuffle": False, "verbose": 0}
    history = model.fit(*data, callbacks=[schedule, watch], validation_data=data if validate else None, **how)
    return history.history, ramps, np.diff(biases, axis=0)


def labels_of(*classes):
    """One image per class, all its pixels of that class."""
    return np.stack([np.full(PIXELS, index, np.int32) for index in classes])


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", ["single", "sum"])
def test_the_ramp_reaches_a_compiled_step(kind, jit_compile):  # P35
    # Every pixel is a miss of class 1. At ramp 0 it is learned in full, at .5 half as fast, at 1 not at all.
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1)
    if kind == "sum":
        loss = WeightedSum([loss, MaskedDice(2, ignore_false_negatives_of=1)], weights=[1.0, 0.0])
    schedule = MaskSchedule(loss, warmup_steps=1, ramp_steps=2)
    _, _, ramps, moved = fit(loss, schedule, labels=labels_of(1, 1, 1, 1), learning_rate=1e-3, jit_compile=jit_compile)
    assert ramps == [0, 0, 0.5, 1]
    p = 1 / (1 + np.exp(1))
    np.testing.assert_allclose(moved[:3, 1], [1e-3 * (1 - p), 1e-3 * (1 - p), 0.5e-3 * (1 - p)], rtol=2e-3)
    assert (moved[3] == 0).all()


def test_a_run_that_goes_on_goes_on_in_the_schedule():  # P35
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1)
    times = {"warmup_steps": 2, "ramp_steps": 4, "shape": "cosine"}
    model, _, ramps, _ = fit(loss, MaskSchedule(loss, **times), labels=labels_of(0, 0, 0))
    assert ramps == [0, 0, 0]
    _, ramps, _ = go_on(model, loss, MaskSchedule(loss, **times), labels=labels_of(0, 0, 0, 0))
    np.testing.assert_allclose(ramps, [(1 - np.sqrt(0.5)) / 2, 0.5, (1 + np.sqrt(0.5)) / 2, 1], rtol=1e-6)


def test_the_gate_closes_when_the_target_is_lost_and_says_so(caplog):
    # The whole target is missed, so the mask leaves nothing to learn: without the gate recall stays 0 for ever.
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1)
    gate = RecallGate(recall_off=0.2, recall_on=0.5)
    schedule = MaskSchedule(loss, warmup_steps=0, ramp_steps=0, gate=gate, monitor="val_recall_road")
    recall = ConfusionMatrix(2, class_names=["other", "road"], readings=("recall",))
    with caplog.at_level(logging.WARNING, logger="fnmask.losses.callback"):
        _, history, ramps, moved = fit(loss, schedule, labels=labels_of(1, 1), epochs=4, metrics=[recall])
    # Epoch 1 under the mask moves nothing; epoch 2 learns without it; from epoch 3 on it is back.
    assert history["val_recall_road"] == [0, 1, 1, 1]
    assert ramps == [1, 1, 0, 0, 1, 1, 1, 1]
    assert (moved[:2] == 0).all()
    assert (moved[2:4, 1] > 0).all()
    assert [record.getMessage() for record in caplog.records] == [
        "Epoch 1: the mask is off, since recall 0.000 is below 0.2; back on at 0.5.",
        "Epoch 2: the mask is back on, since recall 1.000 reached 0.5.",
    ]


def test_without_a_gate_nothing_is_said(caplog):
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1)
    schedule = MaskSchedule(loss, warmup_steps=0, ramp_steps=0)
    _, _, _, moved = fit(loss, schedule, labels=labels_of(1, 1), epochs=2)
    assert (moved == 0).all()
    assert not [record for record in caplog.records if record.name.startswith("fnmask")]


def test_a_monitor_that_is_not_there_is_named():
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1)
    gate = RecallGate(recall_off=0.2, recall_on=0.5)
    schedule = MaskSchedule(loss, warmup_steps=0, ramp_steps=0, gate=gate, monitor="val_recall")
    with pytest.raises(KeyError, match=r"The logs hold loss, but monitor='val_recall' is none of them"):
        fit(loss, schedule, labels=labels_of(1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup_steps": -1}, "warmup_steps=-1 .* not negative"),
        ({"ramp_steps": -1}, "ramp_steps=-1, but lengths are not negative"),
        ({"shape": "sine"}, "shape='sine' is not known; use one of linear, cosine, step"),
        ({"gate": RecallGate(recall_off=0.1, recall_on=0.2)}, "A gate needs monitor, .* such as 'val_recall_road'"),
    ],
)
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskSchedule(MaskedCrossentropy(2), **({"warmup_steps": 0, "ramp_steps": 0} | arguments))
