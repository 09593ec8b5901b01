"""The pixels that all contestants are timed on: the same for every process, drawn from a seed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

VOID = 255
VOID_SHARE = 0.04  # about that of CamVid
TARGET = 2

Labels = Literal["void", "full", "one_hot"]
"""With void; with every void pixel labeled 0, for losses that know no void; the latter as float32 vectors."""


@dataclass(frozen=True)
class Batch:
    """Labels and logits.

    Attributes:
        labels: int32 `(B, H, W)` with 4 % void, in blocks as in real images.
        logits: float32 `(B, H, W, C)`; about two pixels in three are right.
    """

    labels: NDArray[np.int32]
    logits: NDArray[np.float32]

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.logits.shape[-1])

    def labels_as(self, form: Labels) -> NDArray[Any]:
        """The labels in the form that a contestant reads."""
        if form == "void":
            return self.labels
        full = np.where(self.labels == VOID, 0, self.labels).astype(np.int32)
        return np.eye(self.num_classes, dtype=np.float32)[full] if form == "one_hot" else full


def draw_batch(shape: tuple[int, int, int, int], *, seed: int = 0) -> Batch:
    """A batch of the shape `(B, H, W, C)`, at least 3 classes."""
    rng = np.random.default_rng(seed)
    size, height, width, classes = shape
    block = 16
    coarse = (size, -(-height // block), -(-width // block))
    labels = rng.integers(0, classes, coarse).astype(np.int32)
    labels[rng.random(coarse) < VOID_SHARE] = VOID
    labels = labels.repeat(block, axis=1).repeat(block, axis=2)[:, :height, :width]
    logits = rng.standard_normal(shape, dtype=np.float32)
    for k in range(classes):  # class by class: one-hot vectors of the batch would take its memory again
        logits[..., k] += 2.5 * (labels == k)
    return Batch(np.ascontiguousarray(labels), logits)
