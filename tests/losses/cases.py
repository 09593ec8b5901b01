"""Random problems: shapes, labels with void, logits without near-ties, matrices, weights."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st


def examples(count: int) -> settings:
    """Fixed examples and no example database: the same run every time, nothing written to disk."""
    return settings(max_examples=count, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Case:
    labels: np.ndarray
    logits: np.ndarray
    error_weights: np.ndarray
    class_weights: np.ndarray
    target: int
    ramp: float = 1.0
    ignore_class: int | None = None
    sample_weight: np.ndarray | None = None  # (B,) or (B, H, W)

    @property
    def num_classes(self) -> int:
        return self.logits.shape[-1]

    @property
    def void(self) -> np.ndarray:
        return self.labels == self.ignore_class if self.ignore_class is not None else np.zeros(self.labels.shape, bool)

    @property
    def false_negatives(self) -> np.ndarray:
        return (self.labels == self.target) & (self.logits.argmax(-1) != self.target)

    def plain(self, **changes: Any) -> "Case":
        """The same pixels under the plain loss: no matrix, no class weights, no sample weights."""
        ones = np.ones(self.num_classes, np.float32)
        return replace(self, error_weights=np.outer(ones, ones), class_weights=ones, ramp=1.0, sample_weight=None).but(
            **changes
        )

    def but(self, **changes: Any) -> "Case":
        """The same case with some of its parts replaced."""
        return replace(self, **changes)

    def with_target_row(self, alpha: float) -> "Case":
        """The same pixels where missed pixels of the target weigh alpha, and nothing else is changed."""
        case = self.plain()
        case.error_weights[self.target] = alpha
        np.fill_diagonal(case.error_weights, 1)
        return case

    def with_void(self, label: int) -> "Case":
        """The same pixels where this label, which is no class, marks void."""
        return self.but(labels=np.where(self.void, label, self.labels), ignore_class=label)


@st.composite
def cases(draw: Any, *, sizes: tuple[int, int, int] = (3, 4, 4), most_classes: int = 5) -> Case:
    batch, height, width = (draw(st.integers(1, size)) for size in sizes)
    num_classes = draw(st.integers(2, most_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    target = draw(st.integers(0, num_classes - 1))
    ignore_class = draw(st.sampled_from([None, -1, 255, num_classes]))
    kind = draw(st.sampled_from(["mixed", "mixed", "all missed", "none missed", "target absent"]))

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
    of_samples = draw(st.sampled_from([None, (batch,), (batch, height, width)]))
    return Case(
        labels=labels.astype(np.int32),
        logits=logits.astype(np.float32),
        error_weights=error_weights.astype(np.float32),
        class_weights=rng.uniform(0.2, 3, num_classes).astype(np.float32),
        target=target,
        ramp=draw(st.sampled_from([0.0, 0.25, 1.0, 1.0])),
        ignore_class=ignore_class,
        sample_weight=None if of_samples is None else rng.choice([0.0, 0.5, 1.0, 3.0], of_samples).astype(np.float32),
    )
