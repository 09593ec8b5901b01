"""The losses of others: Keras, the common recipe, torch and MONAI.

Those that know a void label get the labels with void; the others get them with every void pixel labeled 0, which is
less work than what the package does. One-hot vectors are made in the step, since the data of a segmentation task
are class ids; not so for Keras' Dice, against which the region losses are judged.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.batch import TARGET, VOID
from benchmarks.contestants import STOCK, STOCK_DICE, Contestant, Loss

RECIPE = "common recipe of V1, repaired"
TORCH = "torch cross_entropy, ignore_index"


def rivals() -> list[Contestant]:
    """The stock losses first: the others are compared with them."""
    return [
        Contestant(STOCK, _stock, labels="full"),
        Contestant(f"{STOCK}, ignore_class", lambda classes: _stock(classes, ignore_class=VOID)),
        Contestant(RECIPE, _recipe),
        Contestant("keras CategoricalFocalCrossentropy", _on_one_hot("CategoricalFocalCrossentropy"), labels="full"),
        Contestant(STOCK_DICE, _on_one_hot("Dice", given=True), labels="one_hot"),
        Contestant("keras Dice, labels given as ids", _on_one_hot("Dice"), labels="full"),
        Contestant("keras Tversky", _on_one_hot("Tversky"), labels="full"),
        Contestant(TORCH, _torch_crossentropy, framework="torch"),
        _monai("DiceLoss", softmax=True),
        _monai("TverskyLoss", softmax=True),
        _monai("FocalLoss", use_softmax=True),
        _monai("DiceCELoss", softmax=True),
    ]


def _stock(num_classes: int, ignore_class: int | None = None) -> Loss:
    import keras

    loss: Loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignore_class)
    return loss


def _recipe(num_classes: int) -> Loss:
    """As found in notebooks, with the errors of its kind mended.

    A miss is seen by argmax and not by a probability of 0, classes are sliced off the last axis, the mask multiplies
    the map of the pixels before it is reduced, and void is left out of the mean.
    """
    import keras
    from keras import ops

    def loss(y_true: Any, y_pred: Any) -> Any:
        valid = ops.cast(y_true != VOID, "float32")
        one_hot = ops.one_hot(ops.where(y_true == VOID, 0, y_true), num_classes)
        probabilities = ops.softmax(y_pred, axis=-1)
        true, predicted = ops.argmax(one_hot, axis=-1), ops.argmax(probabilities, axis=-1)
        missed = ops.cast(ops.logical_and(true == TARGET, predicted != TARGET), "float32")
        pixels = keras.losses.categorical_crossentropy(one_hot, probabilities)
        return ops.sum(pixels * valid * (1.0 - missed)) / ops.sum(valid)

    return loss


def _on_one_hot(name: str, *, given: bool = False) -> Callable[[int], Loss]:
    """A loss of Keras that takes one-hot vectors and probabilities."""

    def build(num_classes: int) -> Loss:
        import keras
        from keras import ops

        score = getattr(keras.losses, name)()

        def loss(y_true: Any, y_pred: Any) -> Any:
            one_hot = y_true if given else ops.one_hot(y_true, num_classes)
            return score(one_hot, ops.softmax(y_pred, axis=-1))

        return loss

    return build


def _torch_crossentropy(num_classes: int) -> Loss:
    import torch

    def loss(y_true: Any, y_pred: Any) -> Any:
        return torch.nn.functional.cross_entropy(y_pred, y_true, ignore_index=VOID)

    return loss


def _monai(name: str, **arguments: Any) -> Contestant:
    def build(num_classes: int) -> Loss:
        import monai.losses

        score = getattr(monai.losses, name)(to_onehot_y=True, **arguments)

        def loss(y_true: Any, y_pred: Any) -> Any:
            return score(y_pred, y_true[:, None])

        return loss

    return Contestant(f"monai {name}", build, labels="full", framework="torch")
