"""A weighted sum of masked losses, such as cross-entropy plus Dice."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike

from fnmask.losses.error_matrix import FloatArray
from fnmask.losses.masked_loss import MaskedLoss
from fnmask.losses.numbers import Numbers, check_same_structure, scalar
from fnmask.shapes import Tensor


@keras.saving.register_keras_serializable(package="fnmask")
class WeightedSum(keras.losses.Loss):  # type: ignore[misc,unused-ignore]
    """L = sum_j weight_j L_j.

    Args:
        losses: masked losses of the same number of classes, reduced to one number each.
        weights: one number >= 0 for each; default all 1. They are variables, assigned as `weight_0`, `weight_1`, ...
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: no loss, a wrong number of weights, a negative one, or a loss that gives a map.

    Example:
        >>> both = WeightedSum([MaskedCrossentropy(2), MaskedDice(2)], weights=[1.0, 0.5])
    """

    def __init__(
        self, losses: Sequence[MaskedLoss], *, weights: Sequence[float] | None = None, name: str = "weighted_sum"
    ) -> None:
        super().__init__(name=name)
        weights = [1.0] * len(losses) if weights is None else weights
        if not losses or len(weights) != len(losses):
            raise ValueError(f"There are {len(losses)} losses and {len(weights)} weights; give one weight to each.")
        if not all(isinstance(loss, MaskedLoss) for loss in losses):
            raise ValueError(f"A sum adds masked losses, not {', '.join(type(loss).__name__ for loss in losses)}.")
        if any(loss.reduction == "none" for loss in losses):
            raise ValueError("A loss with reduction='none' gives a map, which cannot be added to a number.")
        if len({loss.num_classes for loss in losses}) > 1:
            raise ValueError(
                f"The losses have {[loss.num_classes for loss in losses]} classes; give losses of one kind."
            )
        if len({loss.ignore_class for loss in losses}) > 1:
            raise ValueError(f"The losses have ignore_class {[loss.ignore_class for loss in losses]}; give them one.")
        self.losses = list(losses)
        names = [f"weight_{index}" for index in range(len(losses))]
        checks = {key: scalar(key, low=0) for key in names}
        self._weights = Numbers(checks, dict(zip(names, weights, strict=True)), lambda numbers: None)

    @property
    def num_classes(self) -> int:
        """C of the losses."""
        return self.losses[0].num_classes

    @property
    def ignore_class(self) -> int | None:
        """The void label of the first loss."""
        return self.losses[0].ignore_class

    @property
    def numbers(self) -> dict[str, FloatArray]:
        """The weights, and every number of the losses; a name that several of them have is read off the first."""
        numbers: dict[str, FloatArray] = {}
        for loss in reversed(self.losses):
            numbers |= loss.numbers
        return numbers | self._weights.read()

    @property
    def structure(self) -> tuple[object, ...]:
        """Everything whose change needs a new trace."""
        return (type(self).__name__, *(loss.structure for loss in self.losses))

    def assign(self, **numbers: ArrayLike) -> None:
        """Sets numbers by name, in every loss that has them; `losses[j].assign` reaches one alone.

        Raises:
            ValueError: a number that no loss has, or one out of its range; nothing is changed then.
        """
        own = {name: value for name, value in numbers.items() if name in self._weights.variables}
        shared = {name: value for name, value in numbers.items() if name not in own}
        unknown = [name for name in shared if not any(name in loss.numbers for loss in self.losses)]
        if unknown:
            raise ValueError(f"No loss of this sum has {', '.join(unknown)}; there are {', '.join(self.numbers)}.")
        of_losses = [{name: value for name, value in shared.items() if name in loss.numbers} for loss in self.losses]
        for loss, values in zip(self.losses, of_losses, strict=True):
            loss._numbers.checked(values)
        self._weights.assign(own)
        for loss, values in zip(self.losses, of_losses, strict=True):
            loss.assign(**values)

    def assign_from(self, other: Any) -> None:
        """Sets every number to that of another loss; raises ValueError unless its structure is the same."""
        check_same_structure(self.structure, other.structure)
        self._weights.assign(other._weights.read())
        for mine, theirs in zip(self.losses, other.losses, strict=True):
            mine.assign_from(theirs)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """The loss of a batch, see `MaskedLoss`."""
        weights = self._weights.tensors().values()
        terms = [w * loss(y_true, y_pred, sample_weight) for w, loss in zip(weights, self.losses, strict=True)]
        return ops.sum(ops.stack(terms))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of a batch without sample weights."""
        return self(y_true, y_pred)

    def value_and_gradient(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and its gradient with respect to the logits, see `MaskedLoss`."""
        terms = [loss.value_and_gradient(y_true, y_pred, sample_weight) for loss in self.losses]
        weighted = [
            (w * value, ops.cast(w, gradient.dtype) * gradient)
            for w, (value, gradient) in zip(self._weights.tensors().values(), terms, strict=True)
        ]
        values, gradients = zip(*weighted, strict=True)
        return ops.sum(ops.stack(values)), functools.reduce(ops.add, gradients)

    def pixel_weights(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """What the matrix of the first loss makes of each pixel, see `MaskedLoss`."""
        return self.losses[0].pixel_weights(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this loss again."""
        return {
            "name": self.name,
            "losses": [keras.saving.serialize_keras_object(loss) for loss in self.losses],
            "weights": [float(weight) for weight in self._weights.read().values()],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WeightedSum":
        """Builds the losses and their sum again."""
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config["losses"]]
        return cls(losses, weights=config["weights"], name=config["name"])
