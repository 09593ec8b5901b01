"""The error matrix: which confusions count, and how much.

    A[y, k]    weight of a pixel of true class y that the network now calls k;  A >= 0, A[k, k] = 1

All ones is the plain loss. Row c off the diagonal = alpha lets off the false negatives of c, column c = phi its false
positives, a single entry one confusion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fnmask.shapes import check_class_indices, check_num_classes, is_integer

FloatArray = NDArray[np.floating[Any]]


def error_weights(
    num_classes: int,
    *,
    false_negatives: Mapping[int, float] | None = None,
    false_positives: Mapping[int, float] | None = None,
    confusions: Mapping[tuple[int, int], float] | None = None,
) -> FloatArray:
    """Writes an error matrix from the errors that shall cost less (or more).

    A confusion that is both a false negative of one named class and a false positive of another gets the product of
    the two weights. `confusions` are set last and replace what the other two say.

    Args:
        num_classes: C, at least 2.
        false_negatives: class c -> weight >= 0 of the pixels of c that are called something else; 0 ignores them.
        false_positives: class c -> weight >= 0 of the pixels of other classes that are called c.
        confusions: (true class, predicted class) -> weight >= 0 of that one confusion.

    Returns:
        float32 `(C, K)`.

    Raises:
        ValueError: a class id out of range, or a weight that is negative or not finite.

    Example:
        >>> error_weights(3, false_negatives={1: 0.25}).tolist()
        [[1.0, 1.0, 1.0], [0.25, 1.0, 0.25], [1.0, 1.0, 1.0]]
    """
    _check_mapping(false_negatives, name="false_negatives", key="class")
    _check_mapping(false_positives, name="false_positives", key="class")
    _check_mapping(confusions, name="confusions", key="(true class, predicted class)")
    rows, columns, entries = false_negatives or {}, false_positives or {}, confusions or {}
    check_num_classes(num_classes)
    check_class_indices(list(rows), num_classes=num_classes, name="false_negatives")
    check_class_indices(list(columns), num_classes=num_classes, name="false_positives")
    matrix = np.ones((num_classes, num_classes))
    for true_class, weight in rows.items():
        matrix[true_class, :] *= weight
    for predicted_class, weight in columns.items():
        matrix[:, predicted_class] *= weight
    np.fill_diagonal(matrix, 1.0)
    for (true_class, predicted_class), weight in entries.items():
        if true_class == predicted_class:
            raise ValueError(f"confusions weighs class {true_class} called {true_class}, but that is no error.")
        check_class_indices([true_class, predicted_class], num_classes=num_classes, name="confusions")
        matrix[true_class, predicted_class] = weight
    return check_error_weights(matrix, num_classes=num_classes)


def _check_mapping(weights: Any, *, name: str, key: str) -> None:
    if not isinstance(weights, Mapping | None):
        raise ValueError(f"{name}={weights!r}, but it maps a {key} to a weight, such as 0.")
    for of, weight in (weights or {}).items():
        check_weight(weight, name=f"{name}[{of!r}]")


def class_ids(classes: int | Sequence[int], *, num_classes: int, name: str) -> tuple[int, ...]:
    """One class or several as a tuple of ids; raises ValueError for what is none, or named twice."""
    check_num_classes(num_classes)
    given = classes.tolist() if isinstance(classes, np.ndarray | np.generic) else classes
    several = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    if not all(is_integer(index) for index in several):
        raise ValueError(f"{name}={classes!r}, but it is a class id, or a list of them.")
    check_class_indices(several, num_classes=num_classes, name=name)
    return several


def weight_of_each(classes: Sequence[int], weights: float | Sequence[float], *, name: str) -> dict[int, float]:
    """Class -> weight, from one weight for all or one for each; raises ValueError unless they are finite and >= 0."""
    given: Any = weights.tolist() if isinstance(weights, np.ndarray | np.generic) else weights
    each = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * len(classes)
    if len(each) != len(classes):
        raise ValueError(f"{name}={weights} has {len(each)} numbers for {len(classes)} classes; give one, or one each.")
    for weight in each:
        check_weight(weight, name=name)
    return dict(zip(classes, each, strict=True))


def check_weight(weight: float, *, name: str) -> None:
    """Raises ValueError unless the weight is one finite number >= 0."""
    is_number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
    if not is_number or not 0 <= weight < np.inf:
        raise ValueError(f"{name}={weight!r}, but a weight is a finite number, and not negative.")


def check_error_weights(matrix: ArrayLike, *, num_classes: int) -> FloatArray:
    """The matrix as float32 `(C, K)`; raises ValueError unless it is finite, >= 0 and has ones on the diagonal."""
    checked = np.asarray(matrix, dtype=np.float32)
    if checked.shape != (num_classes, num_classes):
        raise ValueError(
            f"error_weights has shape {checked.shape}, but {num_classes} classes need ({num_classes}, {num_classes}): "
            "one row per true class, one column per predicted class."
        )
    check_weights(checked, name="error_weights")
    if (np.diagonal(checked) != 1).any():
        raise ValueError(
            f"error_weights has the diagonal {np.diagonal(checked).tolist()}, but a correct pixel always weighs 1. "
            "To weigh a whole class, use class_weights."
        )
    return checked


def check_class_weights(weights: ArrayLike, *, num_classes: int) -> FloatArray:
    """The weights as float32 `(C,)`; raises ValueError unless there is one finite weight >= 0 per class."""
    if isinstance(weights, Mapping):
        raise ValueError(f"class_weights={weights!r}, but it is a list in the order of the {num_classes} classes.")
    checked = np.asarray(weights, dtype=np.float32)
    if checked.shape != (num_classes,):
        raise ValueError(f"class_weights has shape {checked.shape}, but {num_classes} classes need ({num_classes},).")
    check_weights(checked, name="class_weights")
    return checked


def check_weights(weights: FloatArray, *, name: str) -> None:
    """Raises ValueError unless every weight is finite and >= 0."""
    wrong = weights[~(np.isfinite(weights) & (weights >= 0))]
    if wrong.size:
        raise ValueError(f"{name} holds {wrong.tolist()[:5]}, but weights are finite and not negative.")


def check_constant_rows(matrix: FloatArray, *, reader: str) -> None:
    """Raises ValueError unless every row holds one number beside the diagonal."""
    off = matrix[~np.eye(len(matrix), dtype=bool)].reshape(len(matrix), -1)
    uneven = [row for row, entries in enumerate(off) if (entries != entries[0]).any()]
    if uneven:
        raise ValueError(
            f"{reader} reads one weight per true class, but row {uneven[0]} of error_weights is "
            f"{matrix[uneven[0]].tolist()}. Give each row one number beside the diagonal, or use another mask."
        )


def check_smoothing(smoothing: float, false_negative_weights: FloatArray) -> None:
    """Raises ValueError if smoothing gives a perfect score to a class that is never predicted: `(C,)` weights."""
    free = np.flatnonzero(false_negative_weights == 0)
    if smoothing > 0 and free.size:
        raise ValueError(
            f"smoothing={smoothing:g} gives classes that are never predicted a perfect score where false negatives "
            f"weigh 0 (class {', '.join(map(str, free))}). Set smoothing to 0, or that weight above 0."
        )


def off_diagonal_numbers(matrix: FloatArray) -> FloatArray:
    """What each row holds beside the diagonal, `(C,)`, for a matrix whose rows hold one number there."""
    size = len(matrix)
    return np.asarray(matrix[np.arange(size), (np.arange(size) + 1) % size])


def check_at_most_one(matrix: FloatArray, *, reader: str) -> None:
    """Raises ValueError if an entry exceeds 1."""
    if (matrix > 1).any():
        raise ValueError(
            f"{reader} reads error_weights as shares, which are at most 1, but they reach {float(matrix.max()):g}. "
            "To make errors cost more than the plain loss, use MaskedCrossentropy."
        )
