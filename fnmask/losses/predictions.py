"""What the masks and the losses read of a batch of logits: each quantity is computed once, when first asked for.

    z  logits        p = softmax(z)        y  label        y_hat = argmax_k z_k, the lowest class on ties
    rival            argmax_{k != y} z_k, the strongest class but the label

At void pixels every quantity is finite or not as the logits there are; what uses it has to leave those pixels out.
"""

from collections.abc import Mapping
from functools import cached_property

from keras import ops

from fnmask.losses.tables import class_sum, read_vector
from fnmask.shapes import Tensor

_TINY = 1.2e-38
_PARTS = 1024


class Predictions:
    """The logits of a batch beside its labels.

    Args:
        rows: int32 `(B, H, W)`, labels as `fnmask.shapes.label_rows` gives them.
        logits: `(B, H, W, C)`, float32 or float64.
        log_normalizer: `(B, H, W)`, where it is known already.
    """

    def __init__(self, rows: Tensor, logits: Tensor, log_normalizer: Tensor | None = None) -> None:
        self.rows = rows
        self.logits = logits
        self.num_classes = int(logits.shape[-1])
        if log_normalizer is not None:
            self.log_normalizer = log_normalizer

    @cached_property
    def is_valid(self) -> Tensor:
        """Where there is a label, declared or not."""
        return self.rows != self.num_classes

    @cached_property
    def labeled(self) -> Tensor:
        """1 at labels, 0 at void, NaN where the label is undeclared."""
        return read_vector(ops.ones((self.num_classes,), dtype=self.logits.dtype), self.rows)

    @cached_property
    def is_label(self) -> Tensor:
        """`(B, H, W, C)`: the label as one-hot booleans."""
        return self.rows[..., None] == ops.arange(self.num_classes, dtype="int32")

    @cached_property
    def top_logit(self) -> Tensor:
        """max_k z_k."""
        return ops.max(self.logits, axis=-1)

    @cached_property
    def log_normalizer(self) -> Tensor:
        """log sum_k exp(z_k)."""
        return self.top_logit + ops.log(class_sum(ops.exp(self.logits - self.top_logit[..., None])))

    @cached_property
    def label_logit(self) -> Tensor:
        """z_y."""
        return self._logit_of(ops.minimum(self.rows, self.num_classes - 1))

    @cached_property
    def log_probability(self) -> Tensor:
        """log p_y."""
        return self.label_logit - self.log_normalizer

    @cached_property
    def predicted(self) -> Tensor:
        """y_hat, int32."""
        return ops.cast(ops.argmax(self.logits, axis=-1), "int32")

    @cached_property
    def predicted_log_probability(self) -> Tensor:
        """log max_k p_k."""
        return self.top_logit - self.log_normalizer

    @cached_property
    def rival(self) -> Tensor:
        """argmax_{k != y} z_k, int32; the lowest class on ties."""
        return self._strongest_other[0]

    @cached_property
    def rival_logit(self) -> Tensor:
        """max_{k != y} z_k."""
        return self._strongest_other[1]

    @cached_property
    def log_odds_against(self) -> Tensor:
        """log((1 - p_y) / p_y), at least -88 from the top, which keeps its digits where p_y rounds to 1."""
        others = ops.exp(self.logits - self.top_logit[..., None])
        total = class_sum(ops.where(self.is_label, ops.zeros_like(others), others))
        # Where the label leads by more than 87 the sum is 0; the smallest normal number stands for it.
        return self.top_logit + ops.log(ops.maximum(total, _TINY)) - self.label_logit

    @cached_property
    def probabilities(self) -> Tensor:
        """p, `(B, H, W, C)`."""
        return ops.exp(self.logits - self.log_normalizer[..., None])

    def only_valid(self, values: Tensor) -> Tensor:
        """`(B, H, W, C)` with exactly 0 at pixels without a declared label, whatever stood there (NaN included)."""
        # rows < C, in a form that depends on the class: with a condition on the pixel alone XLA for CPUs branches at
        # every pixel and no longer vectorizes, four times as slow.
        size = self.num_classes
        flat = self.rows[..., None] * size + ops.arange(size, dtype="int32")
        return ops.where(flat < size * size, values, ops.zeros_like(values))

    def as_dtype(self, numbers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The numbers of a loss in the dtype of the logits."""
        return {name: ops.cast(value, self.logits.dtype) for name, value in numbers.items()}

    def sum_per_class(self, values: Tensor) -> Tensor:
        """Sums of a map `(B, H, W)` over the pixels of each class, `(C,)`."""
        # In parts: one sum by segments adds number by number, and float32 no longer counts pixels beyond 2^24.
        rows = ops.reshape(self.rows, (-1,))
        parts = ops.arange(ops.size(rows), dtype="int32") % _PARTS
        size = self.num_classes + 2
        sums = ops.segment_sum(ops.reshape(values, (-1,)), parts * size + rows, num_segments=_PARTS * size)
        return ops.sum(ops.reshape(sums, (_PARTS, size)), axis=0)[: self.num_classes]

    @cached_property
    def _strongest_other(self) -> tuple[Tensor, Tensor]:
        # Class by class, which XLA for CPUs fuses into one pass; a reduction over masked logits takes it five.
        index = ops.where(self.rows == 0, 1, 0)
        best = ops.full_like(self.top_logit, float("-inf"))
        for k in range(self.num_classes):
            logit = ops.where(self.rows == k, float("-inf"), self.logits[..., k])
            index, best = ops.where(logit > best, k, index), ops.maximum(logit, best)
        return index, best

    def _logit_of(self, classes: Tensor) -> Tensor:
        pixels = ops.reshape(ops.arange(ops.size(classes), dtype="int32"), ops.shape(classes))
        return ops.take(ops.reshape(self.logits, (-1,)), pixels * self.num_classes + classes)
