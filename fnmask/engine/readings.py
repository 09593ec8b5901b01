"""What is read off a training: of the steps of an epoch, and of the validation after them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class NonFiniteLoss(ArithmeticError):
    """The training loss left the numbers: the trial cannot go on."""


@dataclass(frozen=True, eq=False)
class EpochTraining:
    """Training-mode readings of one epoch.

    Attributes:
        loss: mean of the steps' losses.
        removed: weight that the mask has taken off the pixels of each label, (C,); negative where it adds weight.
        labelled: pixels of each label, (C,).
    """

    loss: float
    removed: NDArray[np.float32]
    labelled: NDArray[np.float32]

    def masked_fraction(self, targets: Sequence[int]) -> float:
        """Share of the weight of the targets' pixels that the mask removed, at most 1.

        Below 0 where it adds weight, and 0 for a mask of false positives, whose pixels bear other labels.
        """
        removed, labelled = (float(of[list(targets)].sum()) for of in (self.removed, self.labelled))
        return removed / labelled if labelled else 0.0


@dataclass(frozen=True)
class Evaluation:
    """Inference-mode readings of one split.

    Attributes:
        matrices: int64 (N, C, C), one confusion matrix per image, indexed [true, predicted].
        loss_base: plain unmasked cross-entropy in nats per valid pixel.
        class_ids: what the images that were asked for are called, uint8 (n, H, W); None where that was not kept.
    """

    matrices: NDArray[np.int64]
    loss_base: float
    class_ids: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch left: readings of its steps, and of the validation after them."""

    training: EpochTraining
    evaluation: Evaluation
