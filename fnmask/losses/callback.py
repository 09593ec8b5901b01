"""The schedule as a Keras callback, for those who train with `model.fit`."""

import logging
from collections.abc import Mapping
from typing import Any

import keras

from fnmask.losses.masked_loss import MaskedLoss
from fnmask.losses.schedule import RampShape, RecallGate, describe_gate, ramp
from fnmask.losses.weighted_sum import WeightedSum

_LOG = logging.getLogger(__name__)


class MaskSchedule(keras.callbacks.Callback):
    """Fades the error matrix of a loss in while `model.fit` runs.

    The step counter is the optimizer's, so a run that goes on from a checkpoint goes on in the schedule too. With
    `steps_per_execution` above 1 the ramp moves once per execution. Needs the TensorFlow or torch backend: a JAX step
    reads the loss's variables only when it is traced.

    Args:
        loss: the loss given to `model.compile`.
        warmup_steps: optimizer steps of plain loss, >= 0.
        ramp_steps: optimizer steps from plain to full, >= 0; 0 switches at once.
        shape: of the ramp, see `fnmask.losses.ramp`.
        gate: takes the mask off while the target is hardly found any more; None: never.
        monitor: the name in Keras' logs of the recall that the gate reads after every epoch.

    Raises:
        ValueError: a negative length, a gate without `monitor`, or the JAX backend.
        KeyError: at the end of an epoch, if the logs do not hold `monitor`.

    Example:
        >>> loss = MaskedCrossentropy(num_classes=5, ignore_false_negatives_of=2)
        >>> schedule = MaskSchedule(loss, warmup_steps=300, ramp_steps=100)  # model.fit(..., callbacks=[schedule])
    """

    def __init__(
        self,
        loss: MaskedLoss | WeightedSum,
        *,
        warmup_steps: int,
        ramp_steps: int,
        shape: RampShape = "linear",
        gate: RecallGate | None = None,
        monitor: str | None = None,
    ) -> None:
        super().__init__()
        if keras.backend.backend() == "jax":
            raise ValueError("MaskSchedule cannot reach a step compiled by JAX; use the TensorFlow or torch backend.")
        if gate is not None and monitor is None:
            raise ValueError("A gate needs monitor, the name of the recall in Keras' logs, such as 'val_recall_road'.")
        # Refuses wrong values before training starts.
        ramp(0, warmup_steps=warmup_steps, ramp_steps=ramp_steps, shape=shape)
        self.loss = loss
        self.warmup_steps = warmup_steps
        self.ramp_steps = ramp_steps
        self.shape = shape
        self.gate = gate
        self.monitor = monitor

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Sets the ramp that the coming batch is trained with."""
        is_open = self.gate is None or self.gate.is_open
        self.loss.assign(ramp=self._scheduled() if is_open else 0.0)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Lets the gate see the recall, and says so when it opens or closes."""
        if self.gate is None or self.monitor is None or self._scheduled() == 0:
            return  # a class that is not learned yet says nothing before the mask acts
        if logs is None or self.monitor not in logs:
            raise KeyError(f"The logs hold {', '.join(logs or ())}, but monitor={self.monitor!r} is none of them.")
        was_open, recall = self.gate.is_open, float(logs[self.monitor])
        if self.gate.update(recall) != was_open:
            _LOG.warning("Epoch %d: %s", epoch + 1, describe_gate(self.gate, recall))

    def _scheduled(self) -> float:
        step = int(self.model.optimizer.iterations)
        return ramp(step, warmup_steps=self.warmup_steps, ramp_steps=self.ramp_steps, shape=self.shape)
