"""Losses that score the region of each class, under the mask of the error matrix."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar, Unpack

import numpy as np
from keras import ops

from fnmask.compiled import compile_alone
from fnmask.losses.error_matrix import FloatArray, check_constant_rows, check_smoothing, off_diagonal_numbers
from fnmask.losses.kinds import MaskKind
from fnmask.losses.mask_arguments import MaskArguments
from fnmask.losses.masked_loss import MaskedLoss
from fnmask.losses.masks import Weigher, weigh_labels, weigh_pixels
from fnmask.losses.numbers import Check
from fnmask.losses.predictions import ClassPart, Predictions
from fnmask.losses.region_terms import RegionTerm
from fnmask.losses.tables import as_logits, off_diagonal, ramped
from fnmask.shapes import Tensor


class RegionLoss(MaskedLoss):
    """The base of the losses over regions; see `fnmask.losses.region_terms` for the sums and the mean over classes.

    The weight of a pixel is m = v s w: v is 1 at labeled pixels and 0 at void, s the sample weight, w the weight of
    `fnmask.losses.masks`. The loss is one number for the batch, so there is no reduction to choose. Where no class has
    weight the loss is 0.

    Takes what `MaskedLoss` takes, and:

    Args:
        by_class: the matrix does not weigh pixels; its rows (one number each) multiply the false negatives of their
            class in the score instead. A missed pixel then still counts against the class that it is taken for.
    """

    term: RegionTerm
    constants: ClassVar[Mapping[str, float]] = {}
    """Numbers of the term that are part of what the loss is, and not assigned."""

    def __init__(
        self,
        num_classes: int,
        checks: Mapping[str, Check],
        values: Mapping[str, Any],
        *,
        name: str,
        by_class: bool = False,
        **mask: Unpack[MaskArguments],
    ) -> None:
        self._refuse({key: value for key, value in mask.items() if key == "reduction"})
        self.by_class = by_class
        if by_class and mask.get("mask", "argmax") != "argmax":
            raise ValueError(f"mask={mask['mask']!r} has no effect with by_class=True, where no pixel is weighed.")
        super().__init__(num_classes, checks, values, name=name, reduction="sum_over_batch_size", **mask)

    @property
    def structure(self) -> tuple[object, ...]:
        """Everything whose change needs a new trace."""
        return (*super().structure, self.by_class)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this loss again."""
        config = super().get_config()
        return config | {"by_class": True} if self.by_class else config

    def _compiled(self) -> tuple[Any, Any]:
        return _compile(_Step(self.term, None if self.by_class else self.mask, tuple(self.constants.items())))

    def _weigher(self) -> Weigher:
        return weigh_labels if self.by_class else super()._weigher()

    def _check_together(self, numbers: Mapping[str, FloatArray]) -> None:
        super()._check_together(numbers)
        if self.by_class:
            check_constant_rows(numbers["error_weights"], reader="by_class=True")
        if "smoothing" not in numbers:
            return
        given = self.constants.get("false_negative_weight", numbers.get("false_negative_weight"))
        weight = np.ones(self.num_classes) * np.asarray(given)
        if self.by_class:
            weight = weight * off_diagonal_numbers(numbers["error_weights"])
        check_smoothing(float(numbers["smoothing"]), weight)


@dataclass(frozen=True)
class _Step:
    """What is baked into the compiled forward and backward."""

    term: RegionTerm
    mask: MaskKind | None
    constants: tuple[tuple[str, float], ...]


@lru_cache(maxsize=64)
def _compile(step: _Step) -> tuple[Any, Any]:
    return compile_alone(partial(_forward, step)), compile_alone(partial(_backward, step))


def _forward(
    step: _Step, logits: Tensor, rows: Tensor, sample_weight: Tensor, numbers: dict[str, Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """L, and what the backward needs: m, the log-normalizer, the residuals of the term."""
    predictions = Predictions(rows, as_logits(logits))
    numbers = predictions.as_dtype(numbers | dict(step.constants))
    weights = weigh_pixels(predictions, numbers, step.mask) if step.mask else predictions.labeled
    m = weights * ops.cast(sample_weight, weights.dtype)
    if step.mask is None:
        attenuation = off_diagonal(ramped(numbers["error_weights"], numbers["ramp"]))
        numbers = numbers | {"false_negative_weight": numbers["false_negative_weight"] * attenuation}
    value, residuals = step.term.loss(predictions, m, numbers)
    return value, (m, predictions.log_normalizer, *residuals)


def _backward(
    step: _Step,
    upstream: Tensor,
    residuals: tuple[Tensor, ...],
    logits: Tensor,
    rows: Tensor,
    sample_weight: Tensor,
    numbers: Mapping[str, Tensor],
) -> Tensor:
    m, log_normalizer, *of_term = residuals
    predictions = Predictions(rows, as_logits(logits), log_normalizer)
    classes = predictions.classes

    def slopes(part: ClassPart) -> Tensor:
        return step.term.slopes(part, m, tuple(of_term))

    # Through the softmax: dL/dz_k = p_k (g_k - sum_j g_j p_j) with g = dL/dp.
    mean = predictions.expected(slopes)
    gradients = upstream * classes.probabilities * (slopes(classes) - mean[..., None])
    return ops.cast(predictions.only_valid(gradients), logits.dtype)
