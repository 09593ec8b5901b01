"""What the masks and the losses read of a batch of logits: each quantity is computed once, when first asked for.

    z  logits        p = softmax(z)        y  label        y_hat = argmax_k z_k, the lowest class on ties
    rival            argmax_{k != y} z_k, the strongest class but the label

At void pixels every quantity is finite or not as the logits there are; what uses it has to leave those pixels out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

from keras import ops

from fnmask.losses.sums import class_parts, image_parts
from fnmask.losses.tables import read_matrix, read_rows
from fnmask.shapes import Tensor

TINY = 1.2e-38
_PARTS = 1024
_MOST_REDUCED = 16


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
        one = ops.ones((), dtype=self.logits.dtype)
        return ops.where(self.rows < self.num_classes, one, ops.where(self.is_valid, float("nan") * one, 0.0 * one))

    @cached_property
    def classes(self) -> "ClassPart":
        """What there is for every class."""
        return ClassPart(self, slice(0, self.num_classes))

    @cached_property
    def top_logit(self) -> Tensor:
        """max_k z_k."""
        return self.class_max(lambda part: part.logits)

    @cached_property
    def log_normalizer(self) -> Tensor:
        """log sum_k exp(z_k)."""
        top = self.top_logit
        return top + ops.log(self.class_sum(lambda part: ops.exp(part.logits - part.beside(top))))

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
        return self._logit_of(self.predicted) - self.log_normalizer

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
        """log((1 - p_y) / p_y), at least -88 from the top, which keeps its digits where p_y rounds to 1.

        Ask for it before the log-normalizer, which it gives as well.
        """
        # Read at the class, since XLA would compute a maximum anew in every kernel that needs it.
        top, label = self._logit_of(self.predicted), self.label_logit
        others = self.class_sum(lambda part: ops.where(part.is_label, 0.0, ops.exp(part.logits - part.beside(top))))
        # Where the label leads by more than 87 the sum is 0; the smallest normal number stands for it.
        rest = ops.log(ops.maximum(others, TINY))
        others, odds = top + rest, rest + (top - label)
        # From the same sum: of two sums of the same terms XLA would write every term to memory, thrice as slow.
        self.log_normalizer = ops.maximum(others, label) + ops.log1p(ops.exp(-ops.abs(odds)))
        return odds

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

    def class_sum(self, term: Callable[["ClassPart"], Tensor]) -> Tensor:
        """The sum over classes, `(B, H, W)`, of what the term gives for a part of them."""
        return self._over_classes(term, ops.sum, ops.add)

    def expected(self, term: Callable[["ClassPart"], Tensor]) -> Tensor:
        """sum_k g_k p_k `(B, H, W)` for what the term gives for a part of the classes."""
        # Divided by what would be 1 without rounding: XLA keeps quotients, and would compute a mere sum once more for
        # every class that it is used for.
        total = self.class_sum(lambda part: part.probabilities)
        return self.class_sum(lambda part: term(part) * part.probabilities) / total

    def class_max(self, term: Callable[["ClassPart"], Tensor]) -> Tensor:
        """The maximum over classes, `(B, H, W)`, of what the term gives for a part of them."""
        return self._over_classes(term, ops.max, ops.maximum)

    def sum_over_pixels(self, term: Callable[["Predictions", Tensor], Tensor], values: Tensor) -> Tensor:
        """The sum over pixels, `(C,)`, of a term `(b, h, w, C)` of some of them and of their part of a map."""

        def of_part(part: slice) -> Tensor:
            predictions = Predictions(self.rows[:, part], self.logits[:, part], self.log_normalizer[:, part])
            return term(predictions, values[:, part])

        together = [reduce(ops.add, map(of_part, parts)) for parts in image_parts(self.logits.shape[1])]
        return reduce(ops.add, (ops.sum(ops.sum(each, axis=2), axis=(0, 1)) for each in together))

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
        if len(class_parts(self.num_classes)) <= _MOST_REDUCED:
            others = ops.where(self.classes.is_label, float("-inf"), self.logits)
            index = ops.cast(ops.argmax(others, axis=-1), "int32")
            return index, self._logit_of(index)
        # Of many classes XLA for CPUs takes four times as long to reduce masked logits.
        index, best = ops.where(self.rows == 0, 1, 0), ops.full_like(self.label_logit, float("-inf"))
        for k in range(self.num_classes):
            logit = ops.where(self.rows == k, float("-inf"), self.logits[..., k])
            index, best = ops.where(logit > best, k, index), ops.maximum(logit, best)
        return index, best

    def _over_classes(
        self, term: Callable[["ClassPart"], Tensor], together: Callable[..., Tensor], pair: Callable[..., Tensor]
    ) -> Tensor:
        terms = [term(ClassPart(self, part)) for part in class_parts(self.num_classes)]
        return reduce(pair, terms) if len(terms) > 1 else together(terms[0], axis=-1)

    def _logit_of(self, classes: Tensor) -> Tensor:
        pixels = ops.reshape(ops.arange(ops.size(classes), dtype="int32"), ops.shape(classes))
        return ops.take(ops.reshape(self.logits, (-1,)), pixels * self.num_classes + classes)


@dataclass(frozen=True)
class ClassPart:
    """One class at every pixel, with maps `(B, H, W)`, or several of them, with a last axis more.

    Attributes:
        of: the batch.
        part: an id, or a slice of the classes.
    """

    of: Predictions
    part: int | slice

    @property
    def indices(self) -> Tensor | int:
        """The id, or the ids as int32 `(n,)`."""
        return self.part if isinstance(self.part, int) else ops.arange(self.part.start, self.part.stop, dtype="int32")

    @cached_property
    def logits(self) -> Tensor:
        """z."""
        return self.of.logits[..., self.part]

    @cached_property
    def is_label(self) -> Tensor:
        """Whether it is the label."""
        return self.beside(self.of.rows) == self.indices

    @cached_property
    def probabilities(self) -> Tensor:
        """p."""
        return ops.exp(self.logits - self.beside(self.of.log_normalizer))

    def beside(self, values: Tensor) -> Tensor:
        """A map `(B, H, W)` with the axes of this."""
        return values if isinstance(self.part, int) else values[..., None]

    def read(self, matrix: Tensor) -> Tensor:
        """`matrix[y, k]`, for a matrix `(C, C)`."""
        rows = self.of.rows
        return read_matrix(matrix, rows, self.part) if isinstance(self.part, int) else read_rows(matrix, rows)
