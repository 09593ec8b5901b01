"""What a loss variant and a base ask for, as plain values: the configuration is checked on these without a backend."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, TypedDict, get_args

import numpy as np
from annotated_types import Ge, Gt, Le

from fnmask.losses.error_matrix import FloatArray, check_smoothing, off_diagonal_numbers
from fnmask.losses.kinds import LabelReading, MeanNormalizer, PixelKind, Reading, RegionKind, TverskyKind
from fnmask.losses.schedule import RampShape, RecallGate

Weight = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
Fraction = Annotated[float, Gt(0), Le(1)]


class TimingArguments(TypedDict):
    """The arguments of `Timing`, which every masked variant takes."""

    warmup_epochs: Weight
    ramp_epochs: Weight
    ramp_shape: RampShape
    recall_off: Share | None
    recall_on: Share | None


@dataclass(frozen=True)
class Timing:
    """When the matrix counts.

    Attributes:
        warmup_epochs: epochs of the plain loss before the matrix starts to count.
        ramp_epochs: epochs over which it then fades in; 0 switches at once.
        ramp_shape: how it fades in, see `fnmask.losses.ramp`.
        recall_off: recall of the target on validation below which the mask is taken off; None: never.
        recall_on: recall at which it comes back; None: at `recall_off`.
    """

    warmup_epochs: float = 0.0
    ramp_epochs: float = 0.0
    ramp_shape: RampShape = "linear"
    recall_off: float | None = None
    recall_on: float | None = None

    def __post_init__(self) -> None:
        if self.recall_off is None and self.recall_on is not None:
            raise ValueError(f"recall_on={self.recall_on:g} has no effect without recall_off; give both or none.")
        self.build_gate()

    @property
    def epochs_without_mask(self) -> float:
        """Epochs of the plain loss alone; the shape `step` waits for the end of the ramp."""
        return self.warmup_epochs + (self.ramp_epochs if self.ramp_shape == "step" else 0.0)

    @property
    def full_epochs(self) -> float:
        """Epochs before the mask is at full strength."""
        return self.warmup_epochs + self.ramp_epochs

    def build_gate(self) -> RecallGate | None:
        """The collapse guard of a new run."""
        if self.recall_off is None:
            return None
        recall_on = self.recall_off if self.recall_on is None else self.recall_on
        return RecallGate(recall_off=self.recall_off, recall_on=recall_on)


@dataclass(frozen=True, eq=False)
class LossSpec:
    """What a loss variant asks of the loss and of its schedule.

    Attributes:
        error_weights: float32 `(C, K)`, see `fnmask.losses.error_matrix`.
        class_weights: float32 `(C,)`, multiplies whatever class weighting is chosen besides.
        targets: the classes that the variant is about: let off, weighted, or for a control read like those.
        reading: how the matrix is read.
        numbers: of the mask or the label loss: `power`, `temperature`, `threshold`, `cost_weight`, ...
        hardest_fraction: share of the kept pixels that count, see `fnmask.losses.hard_mining`; None: all of them.
        timing: when the matrix counts.
    """

    error_weights: FloatArray
    class_weights: FloatArray
    targets: tuple[int, ...]
    reading: Reading = "argmax"
    numbers: Mapping[str, float] = field(default_factory=dict)
    hardest_fraction: float | None = None
    timing: Timing = field(default_factory=Timing)

    @property
    def is_plain(self) -> bool:
        """Whether every error counts and every class weighs the same."""
        even = bool((self.error_weights == 1).all() and (self.class_weights == 1).all())
        reads_costs = self.reading == "expected_cost"
        return even and self.hardest_fraction is None and not reads_costs

    @property
    def is_unmasked(self) -> bool:
        """Whether the matrix changes nothing, at any strength."""
        return bool((self.error_weights == 1).all()) and self.reading != "expected_cost"

    @property
    def unmasked(self) -> "LossSpec":
        """What this loss is while its matrix does not count: that of every variant on the same classes and weights."""
        return replace(self, error_weights=np.ones_like(self.error_weights), reading="argmax", numbers={})


@dataclass(frozen=True)
class TermSpec:
    """One loss of a base: its kind, its weight in the sum, and the numbers that its class takes."""

    kind: PixelKind | RegionKind
    weight: float = 1.0
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_region(self) -> bool:
        """Whether it scores regions, not pixels."""
        return self.kind not in get_args(PixelKind)


@dataclass(frozen=True)
class BaseSpec:
    """The loss that the matrix is put on: one term, or a weighted sum.

    Attributes:
        terms: at least one.
        normalizer: of the terms over pixels, see `fnmask.losses.normalizers`.
    """

    terms: tuple[TermSpec, ...]
    normalizer: MeanNormalizer = "valid"


def check_together(loss: LossSpec, base: BaseSpec) -> None:
    """Raises ValueError if the variant cannot be put on the base."""
    kinds = [term.kind for term in base.terms]
    plain = base.terms[0].kind == "crossentropy" and not base.terms[0].numbers and len(kinds) == 1
    if loss.reading in get_args(LabelReading) and not plain:
        raise ValueError(
            f"this variant replaces the cross-entropy, so it does not go with base {' + '.join(kinds)}. "
            "Choose base=crossentropy without label smoothing."
        )
    if loss.reading == "regions" and not any(term.is_region for term in base.terms):
        raise ValueError(
            f"this variant masks regions, which base {' + '.join(kinds)} does not score. "
            f"Choose base={', '.join(get_args(TverskyKind))} or lovasz_softmax."
        )
    scores = [term.kind for term in base.terms if term.kind in get_args(TverskyKind)]
    if loss.reading == "by_class" and scores != kinds:
        raise ValueError(
            f"this variant weighs the false negatives in the score of a class, which base {' + '.join(kinds)} lacks. "
            "Choose base=tversky, dice, jaccard or focal_tversky."
        )
    missed: FloatArray = np.ones(len(loss.error_weights))
    if loss.reading == "by_class":
        missed = off_diagonal_numbers(loss.error_weights)
    for term in base.terms:
        check_smoothing(term.numbers.get("smoothing", 0), term.numbers.get("false_negative_weight", 1) * missed)
    if loss.hardest_fraction is not None and any(term.is_region for term in base.terms):
        raise ValueError(
            f"hard example mining selects pixels, which base {' + '.join(kinds)} does not add up. "
            "Choose base=crossentropy, focal or generalized_crossentropy."
        )


def even_class_weights(num_classes: int) -> FloatArray:
    """Ones, float32 `(C,)`."""
    return np.ones(num_classes, dtype=np.float32)
