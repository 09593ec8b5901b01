"""The numbers of a loss: named, checked, and held in variables that a compiled step reads anew each time."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from fnmask.losses.error_matrix import FloatArray, check_class_weights, check_error_weights

Check = Callable[[Any], FloatArray]
"""Turns what was given into float32, or raises ValueError."""


def check_same_structure(mine: tuple[object, ...], theirs: tuple[object, ...]) -> None:
    """Raises ValueError unless two losses differ in numbers only."""
    if mine != theirs:
        raise ValueError(f"The losses differ in structure: {mine} and {theirs}; only numbers can be assigned.")


class Numbers:
    """Variables by name. What is not here is not part of the compiled step.

    Args:
        checks: name -> check of what may be assigned.
        values: name -> first value, one for each check.
        check_together: raises ValueError if numbers that are each in range do not go together.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        values: Mapping[str, Any],
        check_together: Callable[[Mapping[str, FloatArray]], None],
    ) -> None:
        self._checks, self._check_together = checks, check_together
        checked = {name: check(values[name]) for name, check in checks.items()}
        check_together(checked)
        self.variables = {
            name: keras.Variable(ops.convert_to_tensor(value), trainable=False, dtype="float32", name=name)
            for name, value in checked.items()
        }

    def assign(self, values: Mapping[str, Any]) -> None:
        """Sets the numbers that are given, all or (on ValueError) none."""
        for name, value in self.checked(values).items():
            self.variables[name].assign(value)

    def checked(self, values: Mapping[str, Any]) -> dict[str, FloatArray]:
        """The numbers that are given, as float32; raises ValueError if they cannot be assigned."""
        unknown = sorted(set(values) - set(self._checks))
        if unknown:
            if {"alpha", "ignore_false_negatives_of"} & set(unknown):
                raise ValueError(
                    f"{', '.join(unknown)} is no number of its own, but part of error_weights; assign "
                    "error_weights=fnmask.losses.error_weights(num_classes, false_negatives={class: alpha})."
                )
            raise ValueError(
                f"This loss was built without {', '.join(unknown)}; it has {', '.join(self._checks)}. "
                "Build it with a value, so that the number becomes part of the compiled step."
            )
        checked = {name: self._checks[name](value) for name, value in values.items()}
        if set(checked) != {"ramp"}:  # the ramp moves at every step, and goes with everything
            self._check_together(self.read() | checked)
        return checked

    def read(self) -> dict[str, FloatArray]:
        """The numbers as they are now, float32."""
        return {name: ops.convert_to_numpy(variable.value) for name, variable in self.variables.items()}

    def tensors(self) -> dict[str, Any]:
        """The numbers as tensors for one step."""
        return {name: variable + 0.0 for name, variable in self.variables.items()}


def scalar(name: str, *, low: float, high: float = np.inf, open_low: bool = False) -> Check:
    """A check of one number in `[low, high]`, or `(low, high]`; infinity is not in it."""

    def check(value: ArrayLike) -> FloatArray:
        given = _numbers(name, value)
        # What float32 cannot tell from the open end counts as that end.
        above = given > low + np.finfo(np.float32).tiny if open_low else given >= low
        in_range = above & (given <= high) & np.isfinite(given)
        if given.shape != () or not in_range:
            raise ValueError(f"{name}={_shown(value)}, but it is one number {_interval(low, high, open_low)}.")
        return given

    return check


def per_class(name: str, *, num_classes: int) -> Check:
    """A check of one number >= 0 for all classes, or one for each: float32 `(C,)`."""

    def check(value: ArrayLike) -> FloatArray:
        given = _numbers(name, value)
        if given.shape not in ((), (num_classes,)) or not (np.isfinite(given) & (given >= 0)).all():
            raise ValueError(
                f"{name}={_shown(value)}, but it is one finite number >= 0, or one for each of {num_classes} classes."
            )
        return np.broadcast_to(given, (num_classes,)).astype(np.float32)

    return check


def matrix_checks(num_classes: int) -> dict[str, Check]:
    """The checks of the numbers that every masked loss has."""
    return {
        "error_weights": lambda value: check_error_weights(value, num_classes=num_classes),
        "class_weights": lambda value: check_class_weights(value, num_classes=num_classes),
        "ramp": scalar("ramp", low=0, high=1),
    }


def _numbers(name: str, value: ArrayLike) -> FloatArray:
    given = np.asarray(value)
    if given.dtype.kind not in "iuf":
        raise ValueError(f"{name}={value!r}, but it is a number, or an array of them.")
    return given.astype(np.float32)


def _interval(low: float, high: float, open_low: bool) -> str:
    if high == np.inf:
        return f"{'>' if open_low else '>='} {low:g}"
    return f"in {'(' if open_low else '['}{low:g}, {high:g}]"


def _shown(value: ArrayLike) -> object:
    return np.asarray(value).tolist()
