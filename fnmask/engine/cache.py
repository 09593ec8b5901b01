"""The networks of a process, kept warm from trial to trial."""

import functools
import gc
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from fnmask.engine.network import Network
from fnmask.engine.state import Arrays, read
from fnmask.models.frozen import Cut

Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]

# Seeds whose initial weights are kept for each network.
_MOST_SEEDS = 4


class TooFewDevicesError(ValueError):
    """A network is to be trained on more devices than there are."""


@dataclass(frozen=True)
class Structure:
    """What a network is built from: all that changes a trace, but for the loss.

    Attributes:
        key: tells the structure from others.
        build_model: builds the model; called once for each seed, since initial weights come from nowhere else.
        build_optimizer: called once.
        num_classes: C.
        ignore_class: the label that marks void pixels, or None.
        precision: Keras' dtype policy of the model.
        n_devices: GPUs (without any, virtual CPU devices) that share every batch.
        cut: parts the model, so that its head can be trained on the features of its frozen encoder; or says None.
    """

    key: object
    build_model: Callable[[], keras.Model]
    build_optimizer: Callable[[], keras.optimizers.Optimizer]
    num_classes: int
    ignore_class: int | None
    precision: Precision = "float32"
    n_devices: int = 1
    cut: Callable[[keras.Model], Cut | None] | None = None


class Engine:
    """A bounded cache of networks, the least recently used out first.

    Args:
        capacity: networks that are kept.
    """

    def __init__(self, capacity: int = 3) -> None:
        self._warm: OrderedDict[object, _Warm] = OrderedDict()
        self._capacity = capacity

    def prepare(self, structure: Structure, *, seed: int) -> Network:
        """A network in the state that a fresh process with this seed has.

        Raises:
            TooFewDevicesError: there are not so many devices.
        """
        key = (structure.key, structure.num_classes, structure.ignore_class, structure.precision, structure.n_devices)
        if key not in self._warm:
            while len(self._warm) >= self._capacity:
                self._warm.popitem(last=False)
                # Models are full of cycles: without this the old one would lie beside the new one for long.
                gc.collect()
            self._warm[key] = _Warm(structure, seed)
        self._warm.move_to_end(key)
        return self._warm[key].begin(seed)

    def discard(self) -> None:
        """Forget every network: after a failure nothing half-done is reused."""
        self._warm.clear()
        gc.collect()


class _Warm:
    """A network with the initial weights of the newest seeds."""

    def __init__(self, structure: Structure, seed: int) -> None:
        self._structure = structure
        strategy = _strategy(structure.n_devices)
        with strategy.scope():
            model = self._build(seed)
            optimizer = structure.build_optimizer()
            if structure.precision == "mixed_float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(model.trainable_variables)
        # Its own variables are not the strategy's: they are assigned once for all devices.
        self._network = Network(
            model,
            optimizer,
            num_classes=structure.num_classes,
            ignore_class=structure.ignore_class,
            strategy=strategy,
            cut=structure.cut(model) if structure.cut else None,
        )
        self._initial: OrderedDict[int, Arrays] = OrderedDict({seed: read(model.variables)})

    def begin(self, seed: int) -> Network:
        """The network at the begin of a training."""
        if seed not in self._initial:
            while len(self._initial) >= _MOST_SEEDS:
                self._initial.popitem(last=False)
            self._initial[seed] = read(self._build(seed).variables)
        self._initial.move_to_end(seed)
        self._network.begin(self._initial[seed])
        return self._network

    def _build(self, seed: int) -> keras.Model:
        _seed_generators(seed)
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self._structure.precision)
        try:
            return self._structure.build_model()
        finally:
            keras.config.set_dtype_policy(before)


def _seed_generators(seed: int) -> None:
    """Keras draws the seeds of initializers and dropouts from Python's generator; they alone make a model.

    TensorFlow's own seed is set once: that makes it set up every compiled function anew, which takes memory for good.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    _seed_tensorflow()


@functools.cache
def _seed_tensorflow() -> None:
    tf.random.set_seed(0)


def _strategy(n_devices: int) -> tf.distribute.Strategy:
    """The devices that share a batch.

    Raises:
        TooFewDevicesError: there are fewer.
    """
    if n_devices == 1:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < n_devices:
        raise TooFewDevicesError(f"there are {len(devices)} devices ({devices[0].device_type}), not {n_devices}.")
    return tf.distribute.MirroredStrategy([device.name for device in devices[:n_devices]])
