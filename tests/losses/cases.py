"""Random problems: shapes, labels with void, logits without near-ties, matrices, weights."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

# Fixed examples and no example database: the same run every time, nothing written to disk.
thorough = settings(max_examples=40, deadline=None, derandomize=True, database=None)
quick = settings(max_examples=10, deadline=None, derandomize=True, database=None)

MASKS = ("argmax", "confidence")
NORMALIZERS = ("valid", "all", "kept", "weight", "class_weight")


@dataclass(frozen=True)
class Case:
    labels: np.ndarray
    logits: np.ndarray
    error_weights: np.ndarray
    class_weights: np.ndarray
    target: int
    ramp: float
    ignore_class: int | None

    @property
    def num_classes(self) -> int:
        return self.logits.shape[-1]

    @property
    def void(self) -> np.ndarray:
        return self.labels == self.ignore_class if self.ignore_class is not None else np.zeros(self.labels.shape, bool)

    @property
    def false_negatives(self) -> np.ndarray:
        return (self.labels == self.target) & (self.logits.argmax(-1) != self.target)

    def numbers(self) -> dict[str, Any]:
        return {"error_weights": self.error_weights, "class_weights": self.class_weights, "ramp": self.ramp}

    def plain(self, **changes: Any) -> "Case":
        """The same pixels under the plain loss."""
        ones = np.ones(self.num_classes, np.float32)
        return replace(self, error_weights=np.outer(ones, ones), class_weights=ones, ramp=1.0, **changes)

    def with_target_row(self, alpha: float) -> "Case":
        """The same pixels where missed pixels of the target weigh alpha, and nothing else is changed."""
        case = self.plain()
        case.error_weights[self.target] = alpha
        np.fill_diagonal(case.error_weights, 1)
        return case


@st.composite
def cases(draw: Any) -> Case:
    batch, height, width = (draw(st.integers(1, 4)) for _ in range(3))
    num_classes = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    target = draw(st.integers(0, num_classes - 1))
    ignore_class = draw(st.sampled_from([None, -1, 255, num_classes]))
    kind = draw(st.sampled_from(["mixed", "all missed", "none missed", "target absent"]))

    logits = rng.normal(0, 3, (batch, height, width, num_classes))
    predicted = logits.argmax(-1)
    np.put_along_axis(logits, predicted[..., None], logits.max(-1, keepdims=True) + 2e-3, -1)  # no near-ties
    labels = rng.integers(0, num_classes, (batch, height, width))
    if kind == "all missed":
        labels = np.where(predicted == target, (target + 1) % num_classes, target)
    elif kind == "none missed":
        labels = predicted.copy()
    elif kind == "target absent":
        labels = np.where(labels == target, (target + 1) % num_classes, labels)
    if ignore_class is not None:
        labels = np.where(rng.random(labels.shape) < 0.25, ignore_class, labels)

    error_weights = rng.choice([0.0, 0.3, 1.0, 1.7], (num_classes, num_classes))
    np.fill_diagonal(error_weights, 1)
    return Case(
        labels=labels.astype(np.int32),
        logits=logits.astype(np.float32),
        error_weights=error_weights.astype(np.float32),
        class_weights=rng.uniform(0.2, 3, num_classes).astype(np.float32),
        target=target,
        ramp=draw(st.sampled_from([0.0, 0.25, 1.0])),
        ignore_class=ignore_class,
    )
