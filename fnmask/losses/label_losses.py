"""Cross-entropies in which the error matrix does not weigh pixels: it says what a label may stand for, or costs."""

from collections.abc import Mapping
from typing import Unpack

import keras

from fnmask.losses.error_matrix import FloatArray, check_at_most_one
from fnmask.losses.numbers import scalar
from fnmask.losses.pixel_loss import PixelArguments, PixelLoss
from fnmask.losses.pixel_terms import EXPECTED_COST, LABEL_SET, RELABEL, PixelTerm


class _LabelLoss(PixelLoss):
    """A loss over pixels whose term reads the matrix, so that w is 1 at every label."""

    term: PixelTerm
    weighs_pixels = False

    def _check_together(self, numbers: Mapping[str, FloatArray]) -> None:
        if self.mask != "argmax":
            raise ValueError(
                f"mask={self.mask!r} has no effect on {type(self).__name__}, whose matrix weighs no pixels."
            )
        super()._check_together(numbers)


@keras.saving.register_keras_serializable(package="fnmask")
class ExpectedCost(_LabelLoss):
    """The expected cost of the predicted distribution, alone or beside cross-entropy.

        l = mu * -log p_y + lambda * sum_k E[y, k] p_k        E = A off the diagonal, 0 on it

    The entries of the matrix are costs. The gradient flows through the cost: a row of zeros removes the reward for true
    positives of its class as well. The ramp leads from cross-entropy alone to this. Takes every argument of `PixelLoss`
    and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        cost_weight: lambda >= 0.
        crossentropy_weight: mu >= 0; 0 is the expected cost alone.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or a mask other than `argmax`.

    Source: Elkan 2001, The foundations of cost-sensitive learning.
    """

    term = EXPECTED_COST

    def __init__(
        self,
        num_classes: int,
        *,
        cost_weight: float = 1.0,
        crossentropy_weight: float = 0.0,
        name: str = "expected_cost",
        **pixel: Unpack[PixelArguments],
    ) -> None:
        checks = {key: scalar(key, low=0) for key in ("cost_weight", "crossentropy_weight")}
        values = {"cost_weight": cost_weight, "crossentropy_weight": crossentropy_weight}
        super().__init__(num_classes, checks, values, name=name, **pixel)


@keras.saving.register_keras_serializable(package="fnmask")
class LabelSetCrossentropy(_LabelLoss):
    """Cross-entropy of a set: a label of class c may in truth be another class (forward correction).

        l = -log(p_y + sum_{k != y} rho[y, k] p_k)        rho = 1 - A

    rho is how readily a pixel labeled y is accepted as k: a matrix of ones is cross-entropy, a row of zeros accepts
    anything (a superset label). Takes every argument of `PixelLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: an entry of the matrix above 1, or a mask other than `argmax`.

    Source: Patrini et al. 2017, arXiv:1609.03683 (forward correction, here with an unnormalized matrix).
    """

    term = LABEL_SET

    def __init__(
        self, num_classes: int, *, name: str = "label_set_crossentropy", **pixel: Unpack[PixelArguments]
    ) -> None:
        super().__init__(num_classes, {}, {}, name=name, **pixel)

    def _check_together(self, numbers: Mapping[str, FloatArray]) -> None:
        super()._check_together(numbers)
        check_at_most_one(numbers["error_weights"], reader=type(self).__name__)


@keras.saving.register_keras_serializable(package="fnmask")
class RelabelCrossentropy(_LabelLoss):
    """Cross-entropy against labels that errors move toward the prediction: self-training on what is let off.

        l = -a log p_y - (1 - a) log p_y_hat        a = stop_gradient(A[y, y_hat])

    It pushes missed pixels further away from their label where p_y > a; a contrast to the masks, seldom wanted. Takes
    every argument of `PixelLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: an entry of the matrix above 1, or a mask other than `argmax`.

    Source: Reed et al. 2014, arXiv:1412.6596 (hard bootstrapping), here only for the errors that the matrix names.
    """

    term = RELABEL

    def __init__(
        self, num_classes: int, *, name: str = "relabel_crossentropy", **pixel: Unpack[PixelArguments]
    ) -> None:
        super().__init__(num_classes, {}, {}, name=name, **pixel)

    def _check_together(self, numbers: Mapping[str, FloatArray]) -> None:
        super()._check_together(numbers)
        check_at_most_one(numbers["error_weights"], reader=type(self).__name__)
