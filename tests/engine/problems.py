"""A network that is one convolution, batches of noise, and trainings of a few steps."""

import itertools

import keras
import numpy as np

from fnmask.engine.cache import Engine, Structure
from fnmask.engine.schedule import Course, Schedule
from fnmask.losses import MaskedCrossentropy

C = 3


def batch(number=0):
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (2, 8, 8, 3), np.uint8), rng.integers(0, C, (2, 8, 8)).astype(np.uint8)


def batches(first=0):
    return (batch(number) for number in itertools.count(first))


def build_model():
    scale = keras.layers.Rescaling(1 / 255)
    layers = [keras.layers.Conv2D(C, 3, padding="same"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.3)]
    return keras.Sequential([keras.Input((None, None, 3)), scale, *layers])


def build_bare():
    """No batch norm and no dropout: what a batch gives is the mean of what its parts give."""
    scale = keras.layers.Rescaling(1 / 255)
    return keras.Sequential([keras.Input((None, None, 3)), scale, keras.layers.Conv2D(C, 3, padding="same")])


def masked(alpha=0.0, target=1, **arguments):
    return MaskedCrossentropy(C, ignore_false_negatives_of=target, alpha=alpha, ignore_class=255, **arguments)


def plain():
    return MaskedCrossentropy(C, ignore_class=255)


def schedule(steps=10, *, learning_rate=0.01, cosine=False, warmup_steps=0, ramp_steps=0):
    return Schedule(steps, learning_rate, cosine, warmup_steps, ramp_steps)


def course(loss=None, **arguments):
    unmasked = plain()
    return Course(schedule(**arguments), unmasked if loss is None else loss, unmasked)


def prepare(engine=None, *, seed=0, key="small", weight_decay=0.0, build_optimizer=None, **structured):
    def adam():
        return keras.optimizers.Adam(0.1, weight_decay=weight_decay or None)

    structure = Structure(
        key=(key, weight_decay > 0),
        build_optimizer=build_optimizer or adam,
        **{"build_model": build_model, "num_classes": C, "ignore_class": 255, **structured},
    )
    network = (engine or Engine()).prepare(structure, seed=seed)
    network.weight_decay.assign(weight_decay)
    return network


def assert_same_state(mine, theirs):
    for part in ("model", "optimizer", "sums"):
        for one, other in zip(getattr(mine, part), getattr(theirs, part), strict=True):
            np.testing.assert_array_equal(one, other)
