"""The Keras losses over regions."""

from typing import Any, ClassVar, Unpack

import keras
from numpy.typing import ArrayLike

from fnmask.losses.mask_arguments import MaskArguments
from fnmask.losses.numbers import per_class, scalar
from fnmask.losses.region_loss import RegionLoss
from fnmask.losses.region_terms import LOVASZ, TVERSKY


class RegionArguments(MaskArguments, total=False):
    """The arguments that every loss over regions takes, see `RegionLoss`."""

    by_class: bool


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedTversky(RegionLoss):
    """Tversky loss: one minus the overlap of each class, its false positives and false negatives weighed apart.

        T_k = (TP_k + s) / (TP_k + a_k FP_k + b_k FN_k + s)        L = mean of 1 - T_k over present classes

    A mean over classes: with the sums of all classes in one fraction FP = FN, and only a + b would matter. Takes every
    argument of `RegionLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        false_positive_weight: a >= 0, one number or one per class.
        false_negative_weight: b >= 0, one number or one per class. 0 for a class makes its score a soft precision.
        smoothing: s >= 0, in pixels; 0 unless small regions shall weigh less. Refused with a b of 0.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or values that do not go together.

    Source: Salehi et al. 2017, arXiv:1706.05721. `keras.losses.Tversky` up to 3.15 calls the weight of false negatives
    alpha, against the paper.
    """

    term = TVERSKY

    def __init__(
        self,
        num_classes: int,
        *,
        false_positive_weight: ArrayLike = 0.5,
        false_negative_weight: ArrayLike = 0.5,
        smoothing: float = 0.0,
        name: str = "masked_tversky",
        **region: Unpack[RegionArguments],
    ) -> None:
        values = {
            "false_positive_weight": false_positive_weight,
            "false_negative_weight": false_negative_weight,
            "smoothing": smoothing,
        }
        super().__init__(num_classes, _tversky_checks(num_classes), values, name=name, **region)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedDice(RegionLoss):
    """Dice loss: `MaskedTversky` with a = b = 1/2, so T_k = 2 TP / (2 TP + FP + FN), the F1 score of the class.

    Args:
        num_classes: C, at least 2.
        smoothing: s >= 0, in pixels.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or values that do not go together.

    Source: Milletari et al. 2016, arXiv:1606.04797, without the squares in the denominator.
    """

    term = TVERSKY
    constants: ClassVar = {"false_positive_weight": 0.5, "false_negative_weight": 0.5}

    def __init__(
        self,
        num_classes: int,
        *,
        smoothing: float = 0.0,
        name: str = "masked_dice",
        **region: Unpack[RegionArguments],
    ) -> None:
        checks = {"smoothing": scalar("smoothing", low=0)}
        super().__init__(num_classes, checks, {"smoothing": smoothing}, name=name, **region)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedJaccard(RegionLoss):
    """Jaccard loss: `MaskedTversky` with a = b = 1, so T_k = TP / (TP + FP + FN), the soft IoU of the class.

    Args:
        num_classes: C, at least 2.
        smoothing: s >= 0, in pixels.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or values that do not go together.

    Source: Rahman & Wang 2016, Optimizing intersection-over-union in deep neural networks.
    """

    term = TVERSKY
    constants: ClassVar = {"false_positive_weight": 1.0, "false_negative_weight": 1.0}

    def __init__(
        self,
        num_classes: int,
        *,
        smoothing: float = 0.0,
        name: str = "masked_jaccard",
        **region: Unpack[RegionArguments],
    ) -> None:
        checks = {"smoothing": scalar("smoothing", low=0)}
        super().__init__(num_classes, checks, {"smoothing": smoothing}, name=name, **region)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedFocalTversky(RegionLoss):
    """Focal Tversky loss: the root of `MaskedTversky`'s miss, so that nearly solved classes still count.

        L = mean of (1 - T_k) ** (1 / gamma) over present classes

    Args:
        num_classes: C, at least 2.
        gamma: > 0; above 1 raises small misses, 1 is the Tversky loss.
        false_positive_weight: a >= 0, one number or one per class.
        false_negative_weight: b >= 0, one number or one per class.
        smoothing: s >= 0, in pixels; refused with a b of 0.
        name: name of the loss in Keras' logs.

    Source: Abraham & Khan 2019, arXiv:1810.07842, whose alpha weighs false negatives.
    """

    term = TVERSKY

    def __init__(
        self,
        num_classes: int,
        *,
        gamma: float = 4 / 3,
        false_positive_weight: ArrayLike = 0.3,
        false_negative_weight: ArrayLike = 0.7,
        smoothing: float = 0.0,
        name: str = "masked_focal_tversky",
        **region: Unpack[RegionArguments],
    ) -> None:
        values = {
            "gamma": gamma,
            "false_positive_weight": false_positive_weight,
            "false_negative_weight": false_negative_weight,
            "smoothing": smoothing,
        }
        checks = _tversky_checks(num_classes) | {"gamma": scalar("gamma", low=0, open_low=True)}
        super().__init__(num_classes, checks, values, name=name, **region)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedLovaszSoftmax(RegionLoss):
    """Lovasz-softmax: the convex extension of the Jaccard loss, a direct surrogate of IoU.

    Its tables take 2 MB per class, and half a MB per class more for every 65536 pixels.

    Args:
        num_classes: C, at least 2.
        name: name of the loss in Keras' logs.

    Source: Berman et al. 2018, arXiv:1705.08790, over present classes. The pixel weight m is this project's addition:
    it multiplies the errors and the counts of foreground and background, so a pixel of weight 0 is as if not there.
    """

    term = LOVASZ

    def __init__(self, num_classes: int, *, name: str = "masked_lovasz_softmax", **mask: Unpack[MaskArguments]) -> None:
        super().__init__(num_classes, {}, {}, name=name, **mask)


def _tversky_checks(num_classes: int) -> dict[str, Any]:
    return {
        "false_positive_weight": per_class("false_positive_weight", num_classes=num_classes),
        "false_negative_weight": per_class("false_negative_weight", num_classes=num_classes),
        "smoothing": scalar("smoothing", low=0),
    }
