"""What every masked loss of Keras shares: the matrix, its numbers, the checks at the door."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from fnmask.compiled import compile_alone
from fnmask.losses.error_matrix import FloatArray, check_constant_rows
from fnmask.losses.error_matrix import error_weights as write_matrix
from fnmask.losses.gradients import with_gradient
from fnmask.losses.kinds import MaskKind
from fnmask.losses.mask_arguments import MASK_CHECKS, false_negatives, mask_numbers
from fnmask.losses.masks import ROW_MASKS, WEIGHERS, Weigher
from fnmask.losses.numbers import Check, Numbers, check_same_structure, matrix_checks
from fnmask.shapes import (
    Tensor,
    check_labels,
    check_logits,
    check_not_probabilities,
    check_num_classes,
    check_sample_weight,
    is_integer,
    label_rows,
)

# Arguments of the losses of others -> what to write here.
_ADVICE = {
    "from_logits": "It always reads logits: remove the softmax of the model.",
    "beta": "The weights of false positives and false negatives are false_positive_weight and false_negative_weight.",
    "smooth": "Its name is smoothing, in pixels.",
    "axis": "The classes are the last axis, and regions are those of the whole batch.",
    "reduction": "A loss over regions is one number for the batch.",
    "dtype": "It is computed in float32, or in float64 for float64 logits.",
}


class MaskedLoss(keras.losses.Loss):  # type: ignore[misc,unused-ignore]
    """The base of all masked losses.

    The numbers (matrix, weights, ramp and those of the mask and of the loss) are float32 variables that the compiled
    step reads: `assign` changes them without a new trace, so one compiled step serves many variants. Everything else is
    `structure`. A loss is saved with its numbers as they are at that moment. On JAX a compiled step holds the numbers
    it was traced with.

    Args:
        num_classes: C, at least 2.
        ignore_false_negatives_of: the class, or classes, whose missed pixels weigh `alpha`.
        alpha: that weight, >= 0, one or a list with one for each class; 0 ignores them.
        error_weights: the full matrix `(C, K)` instead of the two above; default all ones, the plain loss.
        class_weights: omega `(C,)` >= 0; default all ones.
        ramp: share of the matrix that counts, in [0, 1].
        mask: how the matrix becomes the weight of a pixel, see `fnmask.losses.masks`.
        power: of `confidence`, >= 0, default 1.
        temperature: of `margin`, in logits, > 0, default 1.
        threshold: of `threshold` and `disagreement`, a probability >= 0, default 0.5.
        ignore_class: the label that marks void pixels, any int32, or None. All-zero one-hot vectors are void too.
    """

    def __init__(  # the full list of arguments is that of the family, and each of them has a default
        self,
        num_classes: int,
        checks: Mapping[str, Check],
        values: Mapping[str, Any],
        *,
        name: str,
        reduction: str,
        ignore_false_negatives_of: int | Sequence[int] | None = None,
        alpha: float | Sequence[float] = 0.0,
        error_weights: ArrayLike | None = None,
        class_weights: ArrayLike | None = None,
        ramp: float = 1.0,
        mask: MaskKind = "argmax",
        power: float | None = None,
        temperature: float | None = None,
        threshold: float | None = None,
        ignore_class: int | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        self._refuse(unknown)
        check_num_classes(num_classes)
        if ignore_class is not None and not (is_integer(ignore_class) and abs(ignore_class) < 2**31):
            raise ValueError(f"ignore_class={ignore_class!r}, but it is an integer label of 32 bits, or None.")
        self.num_classes = num_classes
        self.mask = mask
        self.ignore_class = ignore_class
        if error_weights is None:
            rows = false_negatives(ignore_false_negatives_of, alpha, num_classes)
            error_weights = write_matrix(num_classes, false_negatives=rows)
        elif ignore_false_negatives_of is not None or np.any(np.asarray(alpha) != 0):
            raise ValueError("Give either error_weights, or ignore_false_negatives_of and alpha, not both.")
        of_mask = mask_numbers(mask, {"power": power, "temperature": temperature, "threshold": threshold})
        self._numbers = Numbers(
            matrix_checks(num_classes) | {key: MASK_CHECKS[key] for key in of_mask} | dict(checks),
            {
                "error_weights": error_weights,
                "class_weights": np.ones(num_classes) if class_weights is None else class_weights,
                "ramp": ramp,
                **of_mask,
                **values,
            },
            self._check_together,
        )

    @property
    def numbers(self) -> dict[str, FloatArray]:
        """The numbers as they are now, float32, by the names that `assign` takes."""
        return self._numbers.read()

    @property
    def structure(self) -> tuple[object, ...]:
        """Everything whose change needs a new trace, hashable; two losses of equal structure differ in numbers only."""
        kind = (type(self).__name__, self.num_classes, self.mask, self.ignore_class, self.reduction)
        return (*kind, *self._numbers.variables)

    def assign(self, **numbers: ArrayLike) -> None:
        """Sets the numbers that are given; a step compiled before uses them from its next call on.

        Raises:
            ValueError: a number that this loss was built without, or one out of its range; nothing is changed then.
        """
        self._numbers.assign(numbers)

    def assign_from(self, other: Any) -> None:
        """Sets every number to that of another loss; raises ValueError unless its structure is the same."""
        check_same_structure(self.structure, other.structure)
        self._numbers.assign(other.numbers)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """The loss of a batch.

        Args:
            y_true: labels `(B, H, W)`, `(B, H, W, 1)` or one-hot `(B, H, W, C)`, any integer or float dtype. Soft
                one-hot labels count as their largest entry.
            y_pred: logits `(B, H, W, C)`; half precision is raised to float32 first.
            sample_weight: `(B,)`, `(B, 1)`, `(B, H, W)` or `(B, H, W, 1)`, >= 0; multiplies the weight of every pixel.

        Returns:
            float32 (float64 for float64 logits); NaN if a traced function meets an undeclared label.

        Raises:
            ValueError: shapes that do not go together; probabilities instead of logits, where that can be seen (a
                softmax layer on TensorFlow, values that are known); eagerly, undeclared labels and negative weights.
        """
        forward, backward = self._compiled()
        return with_gradient(forward, backward, *self._inputs(y_true, y_pred, sample_weight))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of a batch without sample weights."""
        return self(y_true, y_pred)

    def value_and_gradient(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and its gradient with respect to the logits.

        For a step that hands the gradient on by itself. It leaves nothing behind; a function with a derivative of its
        own, and the graph around it, TensorFlow keeps for as long as the process lives.
        """
        forward, backward = self._compiled()
        logits, *constants = self._inputs(y_true, y_pred, sample_weight)
        value, residuals = forward(logits, *constants)
        return value, backward(ops.ones_like(value), residuals, logits, *constants)

    def pixel_weights(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """What the matrix makes of each pixel now: w `(B, H, W)` without class weights, no gradient, 0 at void."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_batch(y_true, y_pred)
        return compile_alone(self._weigher())(self._rows(y_true), y_pred, self._numbers.tensors())

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this loss again, with the numbers as they are now, as plain JSON values."""
        return {
            "name": self.name,
            "num_classes": self.num_classes,
            **{name: value.tolist() for name, value in self.numbers.items()},
            "mask": self.mask,
            "ignore_class": self.ignore_class,
        }

    @abstractmethod
    def _compiled(self) -> tuple[Any, Any]:
        """Forward and backward of `fnmask.losses.gradients`, shared by all losses of equal structure."""

    def _inputs(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Any]:
        """What forward and backward take: logits, labels, weights of pixels, numbers."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_batch(y_true, y_pred)
        return y_pred, self._rows(y_true), _per_pixel(sample_weight, y_pred), self._numbers.tensors()

    def _rows(self, y_true: Tensor) -> Tensor:
        # Computed on its own: within the forward, XLA would do it over for every class.
        rows = compile_alone(label_rows)
        return rows(y_true, num_classes=self.num_classes, ignore_class=self.ignore_class)

    def _weigher(self) -> Weigher:
        return WEIGHERS[self.mask]

    def _refuse(self, unknown: Mapping[str, Any]) -> None:
        """Raises TypeError for arguments that there are not."""
        if unknown:
            advice = " ".join(_ADVICE[name] for name in unknown if name in _ADVICE) or "See the arguments of the class."
            raise TypeError(f"{type(self).__name__} takes no {', '.join(unknown)}. {advice}")

    def _check_together(self, numbers: Mapping[str, FloatArray]) -> None:
        if self.mask in ROW_MASKS:
            check_constant_rows(numbers["error_weights"], reader=f"mask={self.mask!r}")

    def _check_batch(self, y_true: Tensor, y_pred: Tensor) -> None:
        check_logits(y_true, y_pred)
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={self.num_classes}.")
        check_labels(y_true, num_classes=self.num_classes, ignore_class=self.ignore_class)
        check_not_probabilities(y_pred)


def _per_pixel(sample_weight: Tensor, y_pred: Tensor) -> Tensor:
    """One weight per image or per pixel as `(B, 1, 1)` or `(B, H, W)`; 1 where there is none."""
    if sample_weight is None:
        return ops.ones((1, 1, 1))
    sample_weight = ops.convert_to_tensor(sample_weight, dtype="float32")
    check_sample_weight(sample_weight, y_pred)
    if len(sample_weight.shape) == 4:
        return ops.squeeze(sample_weight, axis=-1)
    return sample_weight if len(sample_weight.shape) == 3 else ops.reshape(sample_weight, (-1, 1, 1))
