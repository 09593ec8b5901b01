"""The Keras loss around `masked_crossentropy`."""

from collections.abc import Sequence
from typing import Any, get_args

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from fnmask.losses.crossentropy import Normalizer, masked_crossentropy
from fnmask.losses.error_matrix import FloatArray, check_class_weights, check_error_weights
from fnmask.losses.error_matrix import error_weights as write_matrix
from fnmask.losses.masks import pixel_weights
from fnmask.losses.variants import MaskKind
from fnmask.shapes import Tensor, check_num_classes, check_option


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedCrossentropy(keras.losses.Loss):  # type: ignore[misc,unused-ignore]
    """Cross-entropy from logits under which chosen errors cost less, or nothing.

    See `masked_crossentropy` for the formula. The numbers (`error_weights`, `class_weights`, `ramp`) are float32
    variables that the compiled step reads: `assign` changes them without a new trace, so one compiled step serves many
    variants. Everything else is `structure`. Saved as they are at that moment.

    Args:
        num_classes: C, at least 2.
        ignore_false_negatives_of: the class, or classes, whose missed pixels weigh `alpha`.
        alpha: that weight, >= 0; 0 ignores them.
        error_weights: the full matrix `(C, K)` instead of the two above; default all ones, the plain loss.
        class_weights: `(C,)` >= 0; default all ones.
        ramp: share of the matrix that counts, in [0, 1].
        mask: `argmax` reads the matrix at the predicted class, `confidence` averages it over the probabilities.
        ignore_class: the label that marks void pixels, any integer, or None.
        normalizer: what the sum is divided by, see `masked_crossentropy`.
        reduction: as in every Keras loss; `"none"` gives the map `(B, H, W)`. `sample_weight`, per image or per pixel,
            multiplies that map and does not enter the normalizer.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or both ways of giving the matrix at once.

    Example:
        >>> loss = MaskedCrossentropy(num_classes=2, ignore_false_negatives_of=1)
        >>> logits = np.array([[[[0.0, 0.0], [3.0, 0.0]]]])  # an image of two pixels, called 0 by a tie and 0 outright
        >>> float(loss(np.array([[[1, 1]]]), logits))  # both are missed pixels of class 1
        0.0
    """

    def __init__(
        self,
        num_classes: int,
        *,
        ignore_false_negatives_of: int | Sequence[int] | None = None,
        alpha: float = 0.0,
        error_weights: ArrayLike | None = None,
        class_weights: ArrayLike | None = None,
        ramp: float = 1.0,
        mask: MaskKind = "argmax",
        ignore_class: int | None = None,
        normalizer: Normalizer = "valid",
        reduction: str = "sum_over_batch_size",
        name: str = "masked_crossentropy",
    ) -> None:
        super().__init__(name=name, reduction=reduction)
        check_num_classes(num_classes)
        check_option(mask, allowed=get_args(MaskKind), name="mask")
        check_option(normalizer, allowed=get_args(Normalizer), name="normalizer")
        if error_weights is None:
            error_weights = write_matrix(num_classes, false_negatives=_rows(ignore_false_negatives_of, alpha))
        elif ignore_false_negatives_of is not None:
            raise ValueError("Give either error_weights or ignore_false_negatives_of, not both.")
        self.num_classes = num_classes
        self.mask = mask
        self.ignore_class = ignore_class
        self.normalizer = normalizer
        self.error_weights = _variable((num_classes, num_classes), "error_weights")
        self.class_weights = _variable((num_classes,), "class_weights")
        self.ramp = _variable((), "ramp")
        self.assign(error_weights=error_weights, class_weights=class_weights, ramp=ramp)

    def assign(
        self,
        *,
        error_weights: ArrayLike | None = None,
        class_weights: ArrayLike | None = None,
        ramp: float | None = None,
    ) -> None:
        """Sets the numbers that are given; a step compiled before uses them from its next call on.

        Args:
            error_weights: `(C, K)` >= 0 with ones on the diagonal.
            class_weights: `(C,)` >= 0.
            ramp: in [0, 1].

        Raises:
            ValueError: a value out of its range; nothing is changed then.
        """
        if ramp is not None and not 0 <= ramp <= 1:
            raise ValueError(f"ramp={ramp}, but it is a share between 0 and 1.")
        if error_weights is not None:
            error_weights = check_error_weights(error_weights, num_classes=self.num_classes)
        if class_weights is not None:
            class_weights = check_class_weights(class_weights, num_classes=self.num_classes)
        pairs = ((self.error_weights, error_weights), (self.class_weights, class_weights), (self.ramp, ramp))
        for variable, value in pairs:
            if value is not None:
                variable.assign(value)

    @property
    def numbers(self) -> dict[str, FloatArray]:
        """The numbers as they are now, by the names that `assign` takes: float32 `(C, K)`, `(C,)` and `()`."""
        variables = {"error_weights": self.error_weights, "class_weights": self.class_weights, "ramp": self.ramp}
        # Not np.array(variable), of which NumPy 2 warns: Keras' variables do not know its copy argument.
        return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}

    @property
    def structure(self) -> tuple[object, ...]:
        """Everything whose change needs a new trace, hashable; two losses of equal structure differ in numbers only."""
        return (type(self).__name__, self.num_classes, self.mask, self.normalizer, self.ignore_class, self.reduction)

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> Tensor:
        """The reduced loss; `sample_weight` is `(B,)`, `(B, 1)` or `(B, H, W)`."""
        if sample_weight is not None and len(sample_weight.shape) < 3:
            # Keras would line one weight per image up with the columns W of the map.
            sample_weight = ops.reshape(sample_weight, (-1, 1, 1))
        return super().__call__(y_true, y_pred, sample_weight)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The weighted losses `(B, H, W)` of labels `(B, H, W[, 1 or C])` and logits `(B, H, W, C)`."""
        self._check_channels(y_pred)
        return masked_crossentropy(
            y_true,
            y_pred,
            error_weights=self.error_weights,
            class_weights=self.class_weights,
            ramp=self.ramp,
            mask=self.mask,
            ignore_class=self.ignore_class,
            normalizer=self.normalizer,
        )

    def pixel_weights(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """What the matrix makes of each pixel now: w `(B, H, W)` without class weights, no gradient, 0 at void."""
        self._check_channels(y_pred)
        return pixel_weights(
            y_true,
            y_pred,
            error_weights=self.error_weights,
            ramp=self.ramp,
            mask=self.mask,
            ignore_class=self.ignore_class,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this loss again, with the numbers as they are now, as plain JSON values."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            **{name: value.tolist() for name, value in self.numbers.items()},
            "mask": self.mask,
            "ignore_class": self.ignore_class,
            "normalizer": self.normalizer,
        }

    def _check_channels(self, y_pred: Tensor) -> None:
        if y_pred.shape[-1] != self.num_classes:
            raise ValueError(f"The logits have {y_pred.shape[-1]} channels, but num_classes={self.num_classes}.")


def _rows(classes: int | Sequence[int] | None, alpha: float) -> dict[int, float]:
    if classes is None:
        if alpha != 0:
            raise ValueError(f"alpha={alpha} has no effect without ignore_false_negatives_of; name the class.")
        return {}
    return dict.fromkeys([classes] if isinstance(classes, int) else classes, alpha)


def _variable(shape: tuple[int, ...], name: str) -> Tensor:
    # Ones are the plain loss: no class let off, no class weighted, the (empty) matrix fully on.
    return keras.Variable(ops.ones(shape), trainable=False, dtype="float32", name=name)
