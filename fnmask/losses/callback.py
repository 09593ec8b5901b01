"""The schedule as a Keras callback, for those who train with `model.fit`."""

from typing import Any

import keras

from fnmask.losses.loss import MaskedCrossentropy
from fnmask.losses.schedule import ramp


class MaskSchedule(keras.callbacks.Callback):
    """Fades the error matrix of a loss in while `model.fit` runs.

    The step counter is the optimizer's, so a run that goes on from a checkpoint goes on in the schedule too. With
    `steps_per_execution` above 1 the ramp moves once per execution. Needs the TensorFlow or torch backend: a JAX step
    reads the loss's variables only when it is traced.

    Args:
        loss: the loss given to `model.compile`.
        warmup_steps: optimizer steps of plain loss, >= 0.
        ramp_steps: optimizer steps from plain to full, >= 0; 0 switches at once.

    Raises:
        ValueError: a negative length, or the JAX backend.

    Example:
        >>> loss = MaskedCrossentropy(num_classes=5, ignore_false_negatives_of=2)
        >>> schedule = MaskSchedule(loss, warmup_steps=300, ramp_steps=100)  # model.fit(..., callbacks=[schedule])
    """

    def __init__(self, loss: MaskedCrossentropy, *, warmup_steps: int, ramp_steps: int) -> None:
        super().__init__()
        if keras.backend.backend() == "jax":
            raise ValueError("MaskSchedule cannot reach a step compiled by JAX; use the TensorFlow or torch backend.")
        ramp(0, warmup_steps=warmup_steps, ramp_steps=ramp_steps)  # refuses negative lengths before training starts
        self.loss = loss
        self.warmup_steps = warmup_steps
        self.ramp_steps = ramp_steps

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the ramp that the coming batch is trained with."""
        step = int(self.model.optimizer.iterations)
        self.loss.assign(ramp=ramp(step, warmup_steps=self.warmup_steps, ramp_steps=self.ramp_steps))
