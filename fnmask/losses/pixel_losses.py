"""The Keras losses over pixels."""

from typing import Unpack

import keras

from fnmask.losses.numbers import scalar
from fnmask.losses.pixel_loss import PixelArguments, PixelLoss
from fnmask.losses.pixel_terms import CROSSENTROPY, FOCAL, GENERALIZED


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedCrossentropy(PixelLoss):
    """Cross-entropy from logits under which chosen errors cost less, or nothing.

        l = -log p_y        smoothed: -sum_k t_k log p_k,  t = (1 - epsilon) onehot(y) + epsilon / C

    Takes every argument of `PixelLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        label_smoothing: epsilon in [0, 1], or None: then it is not part of the compiled step.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or both ways of giving the matrix at once.

    Example:
        >>> loss = MaskedCrossentropy(num_classes=2, ignore_false_negatives_of=1)
        >>> logits = np.array([[[[0.0, 0.0], [3.0, 0.0]]]])  # an image of two pixels, called 0 by a tie and 0 outright
        >>> float(loss(np.array([[[1, 1]]]), logits))  # both are missed pixels of class 1
        0.0
    """

    term = CROSSENTROPY

    def __init__(
        self,
        num_classes: int,
        *,
        label_smoothing: float | None = None,
        name: str = "masked_crossentropy",
        **pixel: Unpack[PixelArguments],
    ) -> None:
        checks = {"label_smoothing": scalar("label_smoothing", low=0, high=1)}
        values = {"label_smoothing": label_smoothing}
        if label_smoothing is None:
            checks, values = {}, {}
        super().__init__(num_classes, checks, values, name=name, **pixel)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedFocalCrossentropy(PixelLoss):
    """Focal loss: well-classified pixels count less, so that rare and hard ones decide.

        l = (1 - p_y) ** gamma * -log p_y

    Takes every argument of `PixelLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        gamma: focusing exponent, >= 0; 0 is cross-entropy.
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or both ways of giving the matrix at once.

    Source: Lin et al. 2017, arXiv:1708.02002, without its class weight alpha: that is `class_weights`.
    """

    term = FOCAL

    def __init__(
        self,
        num_classes: int,
        *,
        gamma: float = 2.0,
        name: str = "masked_focal_crossentropy",
        **pixel: Unpack[PixelArguments],
    ) -> None:
        super().__init__(num_classes, {"gamma": scalar("gamma", low=0)}, {"gamma": gamma}, name=name, **pixel)


@keras.saving.register_keras_serializable(package="fnmask")
class MaskedGeneralizedCrossentropy(PixelLoss):
    """Generalized cross-entropy: between cross-entropy (q -> 0) and the mean absolute error (q = 1).

        l = (1 - p_y ** q) / q

    Its gradient is that of cross-entropy times p_y ** q: labels that the network does not believe count less, for every
    class. Takes every argument of `PixelLoss` and `MaskedLoss`, and:

    Args:
        num_classes: C, at least 2.
        q: in (0, 1].
        name: name of the loss in Keras' logs.

    Raises:
        ValueError: a value out of its range, or both ways of giving the matrix at once.

    Source: Zhang & Sabuncu 2018, arXiv:1805.07836.
    """

    term = GENERALIZED

    def __init__(
        self,
        num_classes: int,
        *,
        q: float = 0.7,
        name: str = "masked_generalized_crossentropy",
        **pixel: Unpack[PixelArguments],
    ) -> None:
        checks = {"q": scalar("q", low=0, high=1, open_low=True)}
        super().__init__(num_classes, checks, {"q": q}, name=name, **pixel)
