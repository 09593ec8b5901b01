"""All that a training holds between two steps, as plain arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False)
class State:
    """A training after a number of steps.

    Attributes:
        steps: their number.
        model: weights, batch-norm statistics and the state of every random generator, as in `model.variables`.
        optimizer: as in `optimizer.variables`.
        sums: of the epoch that is under way.
    """

    steps: int
    model: Arrays
    optimizer: Arrays
    sums: Arrays


def read(variables: Sequence[Any]) -> Arrays:
    """Copies of the values."""
    return tuple(np.asarray(variable.numpy()) for variable in map(_bare, variables))


def write(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assign values, one to each variable."""
    for variable, value in zip(map(_bare, variables), values, strict=True):
        variable.assign(value, read_value=False)


def _bare(variable: Any) -> Any:
    """TensorFlow's own variable: Keras' checks around it take most of the time of hundreds of small ones."""
    return variable.value if isinstance(variable, keras.Variable) else variable
