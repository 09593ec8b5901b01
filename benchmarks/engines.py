"""One training step of each framework: forward, backward with respect to the logits, and wait until it is done."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from benchmarks.batch import Batch
from benchmarks.contestants import Contestant

Mode = Literal["plain", "whole"]
"""A step as the framework runs it by default, or compiled as a whole."""

Step = Callable[[], float]
"""Runs once, and returns the value of the loss."""


def threads() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


class Engine(ABC):
    """A framework with a batch on its device.

    Attributes:
        batch: what the contestants are timed on.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._logits = self._tensor(self._order(batch.logits))
        self._labels: dict[str, Any] = {}

    def step(self, contestant: Contestant, mode: Mode) -> Step:
        """The step of a contestant."""
        labels = self._labels.get(contestant.labels)
        if labels is None:
            labels = self._labels[contestant.labels] = self._tensor(self.batch.labels_as(contestant.labels))
        return self._step(contestant.build(self.batch.num_classes), labels, mode)

    @property
    @abstractmethod
    def device(self) -> str:
        """What it runs on."""

    def device_memory(self) -> tuple[int, int] | None:
        """Bytes of the device in use now, and at most since the last call; None: the device is the CPU."""
        return None

    def _order(self, logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return logits

    @abstractmethod
    def _tensor(self, values: np.ndarray[Any, Any]) -> Any: ...

    @abstractmethod
    def _step(self, loss: Callable[[Any, Any], Any], labels: Any, mode: Mode) -> Step: ...


class TensorFlowEngine(Engine):
    """`tf.function`, with `jit_compile=True` for the whole step."""

    @property
    def device(self) -> str:
        """The name of the first GPU, or CPU."""
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        return str(tf.config.experimental.get_device_details(gpus[0])["device_name"]) if gpus else "CPU"

    def device_memory(self) -> tuple[int, int] | None:
        """Of TensorFlow's allocator."""
        import tensorflow as tf

        if self.device == "CPU":
            return None
        used = tf.config.experimental.get_memory_info("GPU:0")
        tf.config.experimental.reset_memory_stats("GPU:0")
        return used["current"], used["peak"]

    def _tensor(self, values: np.ndarray[Any, Any]) -> Any:
        import tensorflow as tf

        return tf.constant(values)

    def _step(self, loss: Callable[[Any, Any], Any], labels: Any, mode: Mode) -> Step:
        import tensorflow as tf

        def differentiate(y_true: Any, y_pred: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(y_pred)
                value = loss(y_true, y_pred)
            return value, tape.gradient(value, y_pred)

        step = tf.function(differentiate, jit_compile=mode == "whole" or None, autograph=False)

        def run() -> float:
            value, gradient = step(labels, self._logits)
            gradient[0, 0, 0, 0].numpy()
            return float(value)

        return run


class JaxEngine(Engine):
    """`jax.jit` of the value and the gradient."""

    @property
    def device(self) -> str:
        """The name of the first GPU, or CPU."""
        import jax

        first = jax.devices()[0]
        return "CPU" if first.platform == "cpu" else str(first.device_kind)

    def device_memory(self) -> tuple[int, int] | None:
        """Of XLA's allocator; the peak is that of the whole process, since it cannot be reset."""
        import jax

        used = jax.devices()[0].memory_stats()
        return None if used is None else (used["bytes_in_use"], used["peak_bytes_in_use"])

    def _tensor(self, values: np.ndarray[Any, Any]) -> Any:
        import jax

        return jax.device_put(values)

    def _step(self, loss: Callable[[Any, Any], Any], labels: Any, mode: Mode) -> Step:
        import jax

        step = jax.jit(jax.value_and_grad(loss, argnums=1))

        def run() -> float:
            value, gradient = step(labels, self._logits)
            gradient.block_until_ready()
            return float(value)

        return run


class TorchEngine(Engine):
    """torch as it runs by default, without `torch.compile`."""

    classes_last = False

    def __init__(self, batch: Batch) -> None:
        import torch

        torch.set_num_threads(threads())
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        super().__init__(batch)
        self._logits.requires_grad_()

    @property
    def device(self) -> str:
        """The name of the GPU, or CPU."""
        import torch

        return torch.cuda.get_device_name() if self._device == "cuda" else "CPU"

    def device_memory(self) -> tuple[int, int] | None:
        """Of torch's allocator."""
        import torch

        if self._device == "cpu":
            return None
        used = torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return used

    def _order(self, logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return logits if self.classes_last else np.ascontiguousarray(np.moveaxis(logits, -1, 1))

    def _tensor(self, values: np.ndarray[Any, Any]) -> Any:
        import torch

        wide = values.astype(np.int64) if values.dtype == np.int32 else values
        return torch.from_numpy(wide).to(self._device)

    def _step(self, loss: Callable[[Any, Any], Any], labels: Any, mode: Mode) -> Step:
        import torch

        def run() -> float:
            self._logits.grad = None
            value = loss(labels, self._logits)
            value.backward()
            if self._device == "cuda":
                torch.cuda.synchronize()
            return float(value.detach())

        return run


class KerasOnTorchEngine(TorchEngine):
    """The same with Keras' order of axes."""

    classes_last = True


ENGINES: dict[str, Callable[[Batch], Engine]] = {
    "tensorflow": TensorFlowEngine,
    "jax": JaxEngine,
    "keras on torch": KerasOnTorchEngine,
    "torch": TorchEngine,
}
