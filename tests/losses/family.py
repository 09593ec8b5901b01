"""The losses of the package as a table: every base under every mask, and what the oracle says of each."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import oracle
import region_oracle
import tensorflow as tf
from cases import Case
from hypothesis import strategies as st

from fnmask import losses

NORMALIZERS = ("valid", "all", "kept", "weight", "class_weight", "per_class", "none")
MASKS = ("argmax", "confidence", "expectation", "margin", "threshold", "disagreement")
MASK_NUMBERS = {
    "confidence": {"power": (0.0, 0.5, 1.0, 2.0)},
    "margin": {"temperature": (0.2, 1.0, 5.0)},
    "threshold": {"threshold": (0.0, 0.3, 0.6, 1.5)},
    "disagreement": {"threshold": (0.0, 0.5, 0.8)},
}
TVERSKY_NUMBERS = {"false_positive_weight": (0.0, 0.3, 1.2), "false_negative_weight": (0.2, 0.7, 1.0)}

# name -> class, the base as the oracle calls it, values that its own arguments take
PIXEL_BASES = {
    "crossentropy": (losses.MaskedCrossentropy, "crossentropy", {}),
    "smoothed": (losses.MaskedCrossentropy, "crossentropy", {"label_smoothing": (0.0, 0.1, 1.0)}),
    "focal": (losses.MaskedFocalCrossentropy, "focal", {"gamma": (0.0, 0.5, 1.0, 2.0)}),
    "generalized": (losses.MaskedGeneralizedCrossentropy, "generalized", {"q": (0.01, 0.7, 1.0)}),
}
LABEL_BASES = {
    "expected_cost": (
        losses.ExpectedCost,
        "expected_cost",
        {"cost_weight": (0.0, 0.7, 2.0), "crossentropy_weight": (0.0, 0.4)},
    ),
    "label_set": (losses.LabelSetCrossentropy, "label_set", {}),
    "relabel": (losses.RelabelCrossentropy, "relabel", {}),
}
REGION_BASES = {
    "dice": (losses.MaskedDice, "tversky", {"smoothing": (0.0, 0.5)}),
    "jaccard": (losses.MaskedJaccard, "tversky", {"smoothing": (0.0, 0.5)}),
    "tversky": (losses.MaskedTversky, "tversky", {**TVERSKY_NUMBERS, "smoothing": (0.0, 0.5)}),
    "focal_tversky": (losses.MaskedFocalTversky, "tversky", {**TVERSKY_NUMBERS, "gamma": (0.75, 4 / 3, 2.0)}),
    "lovasz": (losses.MaskedLovaszSoftmax, "lovasz", {}),
}
BASES = PIXEL_BASES | LABEL_BASES | REGION_BASES
SCORES = {"dice": 0.5, "jaccard": 1.0}  # a = b of those that have no such argument


@dataclass(frozen=True)
class Variant:
    """One loss: a base, a way of reading the matrix, and its numbers."""

    base: str
    mask: str | None = "argmax"  # None: the matrix is part of the term, or (region) weighs by class
    normalizer: str = "valid"
    numbers: dict[str, Any] = field(default_factory=dict)
    hardest_fraction: float | None = None

    @property
    def is_region(self) -> bool:
        return self.base in REGION_BASES

    @property
    def base_numbers(self) -> dict[str, Any]:
        """The numbers that belong to the base."""
        return {key: value for key, value in self.numbers.items() if key in BASES[self.base][2]}

    @property
    def mask_numbers(self) -> dict[str, Any]:
        """The numbers that belong to the mask."""
        return {key: value for key, value in self.numbers.items() if key not in BASES[self.base][2]}

    def but(self, **changes: Any) -> "Variant":
        """The same variant with some of its parts replaced."""
        return replace(self, **changes)

    def fitted(self, case: Case) -> Case:
        """The case with a matrix that this reading takes."""
        matrix = case.error_weights
        if self.mask == "confidence" or (self.is_region and self.mask is None):
            rows = np.arange(case.num_classes)
            matrix = np.repeat(matrix[rows, (rows + 1) % case.num_classes][:, None], case.num_classes, axis=1)
        if self.base in ("label_set", "relabel"):
            matrix = np.minimum(matrix, 1)
        if self.mask is None and self.numbers.get("smoothing"):
            matrix = np.maximum(matrix, np.float32(0.1))
        matrix = np.where(np.eye(case.num_classes, dtype=bool), 1, matrix).astype(np.float32)
        return case.but(error_weights=matrix)

    def build(self, case: Case, **changes: Any) -> Any:
        """The loss of the package, for a case that is `fitted`."""
        arguments: dict[str, Any] = {
            "error_weights": case.error_weights,
            "class_weights": case.class_weights,
            "ramp": case.ramp,
            "ignore_class": case.ignore_class,
        }
        if self.is_region and self.mask is None:
            arguments["by_class"] = True
        elif self.mask is not None:
            arguments["mask"] = self.mask
        if not self.is_region:
            arguments |= {"normalizer": self.normalizer, "hardest_fraction": self.hardest_fraction}
        return BASES[self.base][0](case.num_classes, **(arguments | self.numbers | changes))

    def solve(self, case: Case) -> oracle.Answer:
        """What the oracle says, for a case that is `fitted`."""
        numbers = {key: np.asarray(value, np.float32).astype(float) for key, value in self.numbers.items()}
        if self.base in SCORES:
            numbers |= dict.fromkeys(TVERSKY_NUMBERS, SCORES[self.base])
        ask = region_oracle.solve
        if not self.is_region:
            ask = partial(oracle.solve, normalizer=self.normalizer, hardest_fraction=self.hardest_fraction)
        return ask(
            case.labels,
            case.logits,
            base=BASES[self.base][1],
            mask=self.mask,
            numbers=numbers,
            error_weights=case.error_weights,
            class_weights=case.class_weights,
            ramp=case.ramp,
            ignore_class=case.ignore_class,
            sample_weight=case.sample_weight,
        )


@st.composite
def variants(draw: Any, bases: Any = tuple(BASES), masks: Any = None, normalizers: Any = NORMALIZERS[:-1]) -> Variant:
    """Any base under any mask that it takes; numbers from the tables above."""
    base = draw(st.sampled_from(tuple(bases)))
    by_class = (None,) if base in REGION_BASES and base != "lovasz" else ()
    mask = None if base in LABEL_BASES else draw(st.sampled_from(tuple(masks or MASKS + by_class)))
    choices = BASES[base][2] | MASK_NUMBERS.get(mask, {})
    numbers = {key: draw(st.sampled_from(values)) for key, values in choices.items()}
    return Variant(base, mask, "valid" if base in REGION_BASES else draw(st.sampled_from(normalizers)), numbers)


def evaluate(loss: Any, case: Case, **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    """Value (a number or a map) and gradient (of its sum) of a loss for a case."""
    case = case.but(**changes)
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(case.labels, logits, case.sample_weight)
    return value.numpy(), tape.gradient(value, logits).numpy()


def assert_same(one: Any, other: Any, *, atol: float = 1e-6) -> None:
    """Whether value and gradient agree."""
    np.testing.assert_allclose(one[0], other[0], rtol=atol, atol=atol)
    np.testing.assert_allclose(one[1], other[1], rtol=0, atol=atol)


def assert_identical(one: Any, other: Any) -> None:
    """Whether value and gradient agree bit for bit."""
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
