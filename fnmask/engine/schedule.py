"""What changes from step to step of a training: the learning rate, and the strength of the mask."""

import math
from dataclasses import dataclass

from fnmask.losses.build import AnyLoss
from fnmask.losses.schedule import RampShape, ramp


@dataclass(frozen=True)
class Schedule:
    """What changes from step to step; durations in optimizer steps."""

    steps: int
    learning_rate: float
    cosine: bool
    warmup_steps: int
    ramp_steps: int
    ramp_shape: RampShape = "linear"

    def learning_rate_at(self, step: int) -> float:
        """Constant, or half a cosine from the full rate at step 0 to 0 after the last step."""
        if not self.cosine:
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def ramp_at(self, step: int) -> float:
        """Strength of the mask in [0, 1]."""
        return ramp(step, warmup_steps=self.warmup_steps, ramp_steps=self.ramp_steps, shape=self.ramp_shape)


@dataclass(frozen=True)
class Course:
    """The losses of a training, and when each counts.

    Attributes:
        schedule: learning rate and strength of the mask at every step.
        loss: of the trial.
        unmasked: what it is while the mask has no strength; the same object if it has no mask. A loss of its own, so
            that all trials that agree on it take the very same steps, whatever their masks.
    """

    schedule: Schedule
    loss: AnyLoss
    unmasked: AnyLoss

    def at(self, step: int, *, masked: bool) -> tuple[AnyLoss, float]:
        """The loss of a step, and the share of its matrix that counts; `masked` is false while a gate is closed."""
        share = self.schedule.ramp_at(step) if masked and self.loss is not self.unmasked else 0.0
        return (self.loss, share) if share else (self.unmasked, 0.0)

    @property
    def unmasked_steps(self) -> int:
        """Steps before the mask counts for the first time; all of them if there is none."""
        steps = range(self.schedule.steps)
        return next((step for step in steps if self.at(step, masked=True)[1]), self.schedule.steps)
