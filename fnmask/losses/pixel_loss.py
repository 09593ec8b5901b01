"""Losses that are a weighted mean over pixels.

    L = sum_i v_i s_i omega[y_i] w_i l_i / Z

v is 1 at labeled pixels and 0 at void, s the sample weight, omega the class weights, w the weight of
`fnmask.losses.masks` and Z the divisor of `fnmask.losses.normalizers`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Unpack, get_args

from keras import ops

from fnmask.compiled import compile_alone
from fnmask.losses.hard_mining import hardest
from fnmask.losses.kinds import MaskKind, Normalizer
from fnmask.losses.mask_arguments import MaskArguments
from fnmask.losses.masked_loss import MaskedLoss
from fnmask.losses.masks import Weigher, weigh_labels, weigh_pixels
from fnmask.losses.normalizers import divisor
from fnmask.losses.numbers import Check, scalar
from fnmask.losses.pixel_terms import PixelTerm
from fnmask.losses.predictions import Predictions
from fnmask.losses.sums import pixel_sum
from fnmask.losses.tables import as_logits, read_vector
from fnmask.shapes import Tensor, check_option


class PixelArguments(MaskArguments, total=False):
    """The arguments that every loss over pixels takes, see `PixelLoss`."""

    normalizer: Normalizer
    hardest_fraction: float | None
    reduction: str | None


class PixelLoss(MaskedLoss):
    """The base of the losses over pixels. Takes what `MaskedLoss` takes, and:

    Args:
        normalizer: what the sum is divided by, see `fnmask.losses.normalizers`. `none` leaves the pixels as they are
            and sets the reduction to `none`, unless that is `sum`.
        hardest_fraction: share of the pixels that the mask has left which count, the hardest ones, in (0, 1]; they are
            chosen in each batch by their weighted loss, and `w` is 0 for the others. None: all, without a choice.
        reduction: as in every Keras loss; `none` gives the map `(B, H, W)` whose mean is L. Not
            `mean_with_sample_weight` with the normalizer `weight`, which divides by the sample weights already.
    """

    term: PixelTerm
    weighs_pixels = True
    """Whether the matrix weighs pixels; False where it is part of the term."""

    def __init__(
        self,
        num_classes: int,
        checks: Mapping[str, Check],
        values: Mapping[str, Any],
        *,
        name: str,
        normalizer: Normalizer = "valid",
        hardest_fraction: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        **mask: Unpack[MaskArguments],
    ) -> None:
        check_option(normalizer, allowed=get_args(Normalizer), name="normalizer")
        if normalizer == "none" and reduction != "sum":
            reduction = "none"
        if (normalizer, reduction) == ("weight", "mean_with_sample_weight"):
            raise ValueError(
                "normalizer='weight' divides by the sample weights, and reduction='mean_with_sample_weight' would do "
                "so again. Take reduction='sum_over_batch_size', or another normalizer."
            )
        if hardest_fraction is not None:
            checks = {"hardest_fraction": scalar("hardest_fraction", low=0, high=1, open_low=True), **checks}
            values = {"hardest_fraction": hardest_fraction, **values}
        self.normalizer = normalizer
        super().__init__(num_classes, checks, values, name=name, reduction=reduction or "none", **mask)

    @property
    def structure(self) -> tuple[object, ...]:
        """Everything whose change needs a new trace."""
        return (*super().structure, self.normalizer)

    def get_config(self) -> dict[str, Any]:
        """The arguments that build this loss again."""
        return {**super().get_config(), "normalizer": self.normalizer, "reduction": self.reduction}

    def _compiled(self) -> tuple[Any, Any]:
        mask = self.mask if self.weighs_pixels else None
        step = _Step(self.term, mask, self.normalizer, self.reduction)
        return _compile(step)

    def _weigher(self) -> Weigher:
        return super()._weigher() if self.weighs_pixels else weigh_labels


@dataclass(frozen=True)
class _Step:
    """What is baked into the compiled forward and backward."""

    term: PixelTerm
    mask: MaskKind | None
    normalizer: Normalizer
    reduction: str


@lru_cache(maxsize=64)
def _compile(step: _Step) -> tuple[Any, Any]:
    return compile_alone(partial(_forward, step)), compile_alone(partial(_backward, step))


def _forward(
    step: _Step, logits: Tensor, rows: Tensor, sample_weight: Tensor, numbers: Mapping[str, Tensor]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The reduced loss, or the map; and what the backward needs: dL/dl, the log-normalizer, the maps of the term.

    The weights come along because XLA computes what is returned in a kernel of its own; as a part of the others, the
    mask `expectation` would take twice the time.
    """
    predictions = Predictions(rows, as_logits(logits))
    numbers = predictions.as_dtype(numbers)
    losses, maps = step.term.losses(predictions, numbers)
    weights = weigh_pixels(predictions, numbers, step.mask) if step.mask else predictions.labeled
    sample_weight = ops.cast(sample_weight, weights.dtype)
    omega = read_vector(numbers["class_weights"], predictions.rows)
    if "hardest_fraction" in numbers:
        factor = omega * weights * sample_weight
        dropped = (factor > 0) & ~hardest(factor * losses, factor > 0, numbers["hardest_fraction"])
        weights = ops.where(dropped, 0.0, weights)
    share = divisor(step.normalizer, predictions, weights=weights, class_weights=omega, sample_weight=sample_weight)
    whole = share * _reduced_by(step, weights, sample_weight)
    scale = omega * weights * sample_weight / ops.where(whole == 0, float("inf"), whole)
    # What weighs nothing costs nothing, be its loss infinite or, at void, not a number.
    weighted = ops.where(scale == 0, 0.0, scale * losses)
    value = weighted if step.reduction == "none" else pixel_sum(weighted)
    return value, (weights, scale, predictions.log_normalizer, *maps)


def _backward(
    step: _Step,
    upstream: Tensor,
    residuals: tuple[Tensor, ...],
    logits: Tensor,
    rows: Tensor,
    sample_weight: Tensor,
    numbers: Mapping[str, Tensor],
) -> Tensor:
    _, scale, log_normalizer, *maps = residuals
    predictions = Predictions(rows, as_logits(logits), log_normalizer)
    gradients = step.term.gradients(predictions, predictions.as_dtype(numbers), upstream * scale, *maps)
    return ops.cast(predictions.only_valid(gradients), logits.dtype)


def _reduced_by(step: _Step, weights: Tensor, sample_weight: Tensor) -> Tensor:
    """What Keras' reduction divides the sum of the map by."""
    if step.reduction in ("none", "sum"):
        return ops.ones((), dtype=weights.dtype)
    if step.reduction == "mean_with_sample_weight":
        return pixel_sum(sample_weight * ops.ones_like(weights))
    return ops.cast(ops.size(weights), weights.dtype)
