"""The axes of every array, and the checks at the door.

Axis legend, used in docstrings and in suffixes of dense code:

    B  images of a batch          N  images of a split
    H  rows of an image           W  columns of an image
    C  classes                    K  classes too, where a second class axis is meant: `[..., C, K]` = [true, predicted]

Images are `(B, H, W, 3)` float32 in [0, 255], labels `(B, H, W)` integers, logits `(B, H, W, C)`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_ROUNDING = 1e-3
"""By how much probabilities that sum to 1 may miss it."""

_LABEL_ROUNDING = 4e-3
"""By how much soft labels may, which can be bfloat16, of two to three digits."""

Tensor = Any
"""A tensor of whichever backend Keras runs on, or a NumPy array. Keras ships no types."""


def check_num_classes(num_classes: int) -> None:
    """Raises ValueError unless there are at least two classes."""
    if not isinstance(num_classes, int | np.integer) or num_classes < 2:
        raise ValueError(
            f"num_classes={num_classes!r}, but it is an integer, and at least 2: "
            "give a one-class problem a background class."
        )


def check_class_indices(indices: Sequence[int], *, num_classes: int, name: str) -> None:
    """Raises ValueError unless the indices are distinct class ids."""
    if not all(is_integer(index) for index in indices):
        raise ValueError(f"{name}={list(indices)}, but a class is named by its id, an integer.")
    wrong = [index for index in indices if not 0 <= index < num_classes]
    if wrong:
        raise ValueError(f"{name}={list(indices)} holds {wrong}, but class ids run from 0 to {num_classes - 1}.")
    if len(set(indices)) != len(indices):
        raise ValueError(f"{name}={list(indices)} names a class twice; name each class once.")


def is_integer(value: object) -> bool:
    """Whether it is an integer of Python or NumPy, and no truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_option(value: str, *, allowed: Sequence[str], name: str) -> None:
    """Raises ValueError unless the value is one of the allowed words."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not known; use one of {', '.join(allowed)}.")


def check_confusion_matrix(matrix: np.ndarray[Any, Any]) -> None:
    """Raises ValueError unless the last two axes are equal and every entry is a count."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(f"A confusion matrix has shape (..., C, C), not {matrix.shape}.")
    if not np.issubdtype(matrix.dtype, np.integer):
        raise ValueError(f"A confusion matrix holds integer counts, not {matrix.dtype}; sum matrices, never average.")
    if (matrix < 0).any():
        raise ValueError(
            "A confusion matrix holds a negative count, the sign of labels that are neither a class nor ignore_class; "
            "declare ignore_class or repair the labels."
        )


def check_logits(y_true: Tensor, y_pred: Tensor) -> None:
    """Raises ValueError unless labels `(B, H, W[, 1 or C])` go with logits `(B, H, W, C)`; unknown sizes pass."""
    if len(y_pred.shape) != 4:
        raise ValueError(f"Logits have shape (B, H, W, C), not {tuple(y_pred.shape)}.")
    if y_pred.shape[-1] == 1:
        raise ValueError(
            f"Logits of shape {tuple(y_pred.shape)} have one channel, but the loss expects one per class, at least 2. "
            "For a network with a single logit z, give it (0, z)."
        )
    check_same_pixels(y_true, y_pred)


def check_same_pixels(y_true: Tensor, y_pred: Tensor) -> None:
    """Raises ValueError unless the first three axes agree; unknown sizes pass."""
    pairs = zip(tuple(y_true.shape)[:3], tuple(y_pred.shape)[:3], strict=False)
    if len(y_true.shape) not in (3, 4) or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            f"Labels of shape {tuple(y_true.shape)} do not go with predictions of shape {tuple(y_pred.shape)}; "
            "give labels (B, H, W), (B, H, W, 1) or one-hot (B, H, W, C)."
        )


def check_label_values(labels: np.ndarray[Any, Any], *, num_classes: int, ignore_class: int | None) -> None:
    """Raises ValueError if a label is neither a class id nor `ignore_class`."""
    is_stray = (labels < 0) | (labels >= num_classes)
    if ignore_class is not None:
        is_stray &= labels != ignore_class
    if np.issubdtype(labels.dtype, np.floating):
        is_stray |= labels != np.floor(labels)  # NaN too
    if is_stray.any():
        stray = [f"{value:g}" for value in np.unique(labels[is_stray]).tolist()]
        raise ValueError(
            f"The labels hold {', '.join(stray[:5])}, but the classes are 0..{num_classes - 1} and "
            f"ignore_class={ignore_class}. "
            "Set ignore_class to the value that marks pixels without a label, or repair the labels."
        )


def check_labels(y_true: Tensor, *, num_classes: int, ignore_class: int | None) -> None:
    """Raises ValueError unless labels have 1 or C channels, if any, and hold declared values where they can be read.

    They can be read eagerly; inside a traced function an undeclared label turns the loss into NaN instead.
    """
    if len(y_true.shape) == 4 and y_true.shape[-1] not in (1, num_classes):
        raise ValueError(f"One-hot labels have {y_true.shape[-1]} channels, but there are {num_classes} classes.")
    if is_readable(y_true):
        from keras import ops  # here, because configurations are checked without loading a backend

        labels = ops.convert_to_numpy(y_true)
        if labels.dtype.name == "bfloat16":
            labels = labels.astype(np.float32)
        if labels.dtype.kind not in "biuf":
            raise ValueError(f"The labels are of the type {labels.dtype}, but a label is the number of a class.")
        if is_one_hot(y_true):
            _check_one_hot(labels)
        else:
            check_label_values(labels, num_classes=num_classes, ignore_class=ignore_class)


def _check_one_hot(labels: np.ndarray[Any, Any]) -> None:
    """Raises ValueError unless every vector is a distribution over classes, or all zero, which is void."""
    total = labels.sum(axis=-1, dtype=np.float64)
    is_share = (labels >= 0).all(axis=-1) & ((total == 0) | (np.abs(total - 1) < _LABEL_ROUNDING))
    if not is_share.all():
        first = labels[~is_share][0].tolist()
        raise ValueError(
            f"The one-hot labels hold {first}, but each is >= 0 with the sum 1, or all zero for a pixel without label."
        )


def is_one_hot(y_true: Tensor) -> bool:
    """Whether labels have an axis of classes: `(B, H, W, C)`, not `(B, H, W[, 1])`."""
    return len(y_true.shape) == 4 and y_true.shape[-1] != 1


def is_readable(values: Tensor) -> bool:
    """Whether the values are known now, not only in a traced function."""
    # An eager TensorFlow or torch tensor has .numpy, an array of JAX lives in jaxlib; what is being traced, in neither.
    known = isinstance(values, np.ndarray) or hasattr(values, "numpy")
    return known or type(values).__module__.startswith("jaxlib")


_NO_LABEL = -(2**31)


def label_rows(y_true: Tensor, *, num_classes: int, ignore_class: int | None) -> Tensor:
    """The row of an extended table that each label reads.

    A table over classes is extended by two rows (see `losses.tables.extended`): row C is for void and row C + 1 for
    labels that are neither a class nor void. So no label is ever clamped to a class that it does not name.

    Args:
        y_true: labels `(B, H, W)` or `(B, H, W, 1)` of any number type, or one-hot `(B, H, W, C)` where an all-zero
            vector is void. Soft labels count as their largest entry; what is no distribution is undeclared.
        num_classes: C.
        ignore_class: the label that marks void, any integer, or None.

    Returns:
        int32 `(B, H, W)` in [0, C + 1]: the class, C at void, C + 1 at an undeclared label.
    """
    from keras import ops

    if is_one_hot(y_true):
        labels = ops.cast(ops.argmax(y_true, axis=-1), "int32")
    else:
        given = ops.convert_to_tensor(y_true)
        given = ops.squeeze(given, axis=-1) if len(given.shape) == 4 else given
        labels = ops.cast(given, "int32")
        # A fraction, or a number beyond int32, names no class; the cast alone would make one of it.
        labels = ops.where(ops.equal(ops.cast(labels, given.dtype), given), labels, _NO_LABEL)

    is_class = ops.logical_and(labels >= 0, labels < num_classes)
    rows = ops.where(is_class, labels, num_classes + 1)
    if ignore_class is not None:
        rows = ops.where(labels == ignore_class, num_classes, rows)
    if is_one_hot(y_true):
        shares = ops.cast(y_true, "float32")
        is_share = ops.logical_and(
            ops.all(shares >= 0, axis=-1), ops.abs(ops.sum(shares, axis=-1) - 1) < _LABEL_ROUNDING
        )
        rows = ops.where(is_share, rows, num_classes + 1)
        rows = ops.where(ops.all(ops.equal(y_true, 0), axis=-1), num_classes, rows)
    return rows


def check_sample_weight(sample_weight: Tensor, y_pred: Tensor) -> None:
    """Raises ValueError unless there is one weight per image, `(B,)` or `(B, 1)`, or per pixel; unknown sizes pass.

    Where the weights can be read, it also raises for one that is negative or not finite.
    """
    shape, pixels = tuple(sample_weight.shape), tuple(y_pred.shape)[:3]
    allowed = (pixels[:1], (pixels[0], 1), (pixels[0], 1, 1), pixels, (*pixels, 1))
    if not any(_is_compatible(shape, other) for other in allowed):
        raise ValueError(
            f"sample_weight of shape {shape} does not go with logits of shape {tuple(y_pred.shape)}; "
            "give one weight per image (B,) or one per pixel (B, H, W)."
        )
    if is_readable(sample_weight):
        from keras import ops

        values = ops.convert_to_numpy(sample_weight)
        wrong = values[~(np.isfinite(values) & (values >= 0))]
        if wrong.size:
            raise ValueError(f"sample_weight holds {wrong.tolist()[:5]}, but weights are finite and not negative.")


def check_not_probabilities(y_pred: Tensor) -> None:
    """Raises ValueError if logits can be seen to be probabilities: by their making, or eagerly by their sums."""
    made_by = getattr(getattr(y_pred, "op", None), "type", "") if not is_readable(y_pred) else ""
    if made_by == "Softmax" or hasattr(y_pred, "_keras_logits") or (is_readable(y_pred) and _are_probabilities(y_pred)):
        raise ValueError(
            "The predictions are probabilities (non-negative, with the sum 1 at every pixel), but the loss expects "
            "logits. Remove the softmax of the last layer; probabilities lose the gradient where they saturate."
        )


def _are_probabilities(y_pred: Tensor) -> bool:
    from keras import ops

    values = np.asarray(ops.convert_to_numpy(ops.cast(y_pred, "float32")))
    # The logits of a single pixel may sum to 1 by chance, those of several do not.
    return values[..., 0].size > 1 and bool((values >= 0).all() and (np.abs(values.sum(axis=-1) - 1) < _ROUNDING).all())


def _is_compatible(shape: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    pairs = zip(shape, other, strict=False)
    return len(shape) == len(other) and all(None in pair or pair[0] == pair[1] for pair in pairs)
