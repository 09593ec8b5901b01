"""How the error matrix fades in over a training run."""


def ramp(step: int, *, warmup_steps: int, ramp_steps: int) -> float:
    """The share r of the error matrix that counts at an optimizer step: A_r = (1 - r) * 1 + r * A.

        r = 0                               step < warmup_steps
        r = (step - warmup_steps) / ramp_steps   then, linear
        r = 1                               step >= warmup_steps + ramp_steps

    Both ends are exact, so before the warm-up ends the loss is the plain one bit for bit.

    Args:
        step: optimizer steps done so far, >= 0; 0 for the first batch.
        warmup_steps: steps of plain loss, >= 0.
        ramp_steps: steps from plain to full, >= 0; 0 switches at once.

    Returns:
        r in [0, 1].

    Raises:
        ValueError: a negative length.

    Example:
        >>> [ramp(step, warmup_steps=2, ramp_steps=4) for step in (0, 2, 3, 6, 9)]
        [0.0, 0.0, 0.25, 1.0, 1.0]
    """
    if warmup_steps < 0 or ramp_steps < 0:
        raise ValueError(f"warmup_steps={warmup_steps} and ramp_steps={ramp_steps}, but lengths are not negative.")
    done = step - warmup_steps
    if done < 0:
        return 0.0
    if done >= ramp_steps:
        return 1.0
    return done / ramp_steps
