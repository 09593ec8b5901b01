"""How the error matrix fades in over a training run, and when it is eased again."""

import math
from typing import Literal, get_args

from fnmask.shapes import check_option

RampShape = Literal["linear", "cosine", "step"]


def ramp(step: int, *, warmup_steps: int, ramp_steps: int, shape: RampShape = "linear") -> float:
    """The share r of the error matrix that counts at an optimizer step: A_r = (1 - r) * 1 + r * A.

        r = 0              step < warmup_steps
        r = f(t)           then, with t = (step - warmup_steps) / ramp_steps
        r = 1              step >= warmup_steps + ramp_steps

    f(t) is t (`linear`), (1 - cos(pi t)) / 2 (`cosine`), or 0 up to the end (`step`). Both ends are exact, so before
    the warm-up ends the loss is the plain one bit for bit.

    Args:
        step: optimizer steps done so far, >= 0; 0 for the first batch.
        warmup_steps: steps of plain loss, >= 0.
        ramp_steps: steps from plain to full, >= 0; 0 switches at once.
        shape: `linear`, `cosine` or `step`.

    Returns:
        r in [0, 1].

    Raises:
        ValueError: a negative length or an unknown shape.

    Example:
        >>> [ramp(step, warmup_steps=2, ramp_steps=4) for step in (0, 2, 3, 6, 9)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    if warmup_steps < 0 or ramp_steps < 0:
        raise ValueError(f"warmup_steps={warmup_steps} and ramp_steps={ramp_steps}, but lengths are not negative.")
    check_option(shape, allowed=get_args(RampShape), name="shape")
    done = step - warmup_steps
    if done < 0:
        return 0.0
    if done >= ramp_steps:
        return 1.0
    share = done / ramp_steps
    return {"linear": share, "cosine": 0.5 * (1 - math.cos(math.pi * share)), "step": 0.0}[shape]


class RecallGate:
    """The collapse guard: takes the mask off while a target is hardly found any more.

    Closed (mask off, r = 0) once the measured recall falls below `recall_off`; open again at `recall_on` or above.

    Args:
        recall_off: recall on validation below which the mask is taken off, in [0, 1].
        recall_on: recall at which it comes back, in [recall_off, 1].

    Raises:
        ValueError: values out of range, or `recall_on` below `recall_off`.

    Example:
        >>> gate = RecallGate(recall_off=0.2, recall_on=0.4)
        >>> [gate.update(recall) for recall in (0.9, 0.1, 0.3, 0.5)]
        [True, False, False, True]
    """

    def __init__(self, *, recall_off: float, recall_on: float) -> None:
        if not 0 <= recall_off <= recall_on <= 1:
            raise ValueError(
                f"recall_off={recall_off} and recall_on={recall_on}, but 0 <= recall_off <= recall_on <= 1."
            )
        self.recall_off = recall_off
        self.recall_on = recall_on
        self.is_open = True

    def update(self, recall: float) -> bool:
        """Whether the mask is on after this measurement; NaN (the target is absent) changes nothing."""
        if recall < self.recall_off:
            self.is_open = False
        elif recall >= self.recall_on:
            self.is_open = True
        return self.is_open


def describe_gate(gate: RecallGate, recall: float) -> str:
    """What a gate that has just moved does, in words."""
    if gate.is_open:
        return f"the mask is back on, since recall {recall:.3f} reached {gate.recall_on:g}."
    return f"the mask is off, since recall {recall:.3f} is below {gate.recall_off:g}; back on at {gate.recall_on:g}."
