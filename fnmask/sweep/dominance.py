"""Domination with a margin: which trials are clearly worse than another, in all of several objectives.

Optuna's pruners look at one objective. Here a trial is ended when a trial of the Pareto front was better at the same
epoch by more than a margin in every objective, some epochs in a row. The margin has to be larger than what two seeds of
one setting differ by, or chance decides.

Everything is in *scores*: objectives in points (hundredths of IoU), turned so that more is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = Sequence[float]

# Epoch, from 1 -> scores.
Curve = Mapping[int, Scores]


def to_scores(values: Sequence[float], directions: Mapping[str, str]) -> list[float]:
    """Values of the objectives as scores.

    Args:
        values: one for each direction.
        directions: metric -> `maximize` or `minimize`. `tradeoff/...` is in points, every other metric is not.
    """
    return [
        value * (1 if direction == "maximize" else -1) * (1 if metric.startswith("tradeoff/") else 100)
        for value, (metric, direction) in zip(values, directions.items(), strict=True)
    ]


@dataclass(frozen=True)
class DominanceRule:
    """When a learning curve is given up.

    Attributes:
        margin_points: by how much another must be better, > 0.
        patience_epochs: in how many epochs in a row, >= 1.
        n_startup_trials: finished trials before any trial is given up.
    """

    margin_points: float
    patience_epochs: int
    n_startup_trials: int

    def is_given_up(self, curve: Curve, finished: Sequence[tuple[Curve, Scores]]) -> bool:
        """Whether the trial with this curve should end now.

        Args:
            curve: of the running trial.
            finished: curve and final scores of every finished trial.
        """
        if len(finished) < self.n_startup_trials or len(curve) < self.patience_epochs:
            return False
        front = [finished[place][0] for place in pareto_front([scores for _, scores in finished])]
        last = sorted(curve)[-self.patience_epochs :]
        return all(
            any(epoch in other and is_dominated(curve[epoch], other[epoch], self.margin_points) for other in front)
            for epoch in last
        )


def is_dominated(scores: Scores, by: Scores, margin_points: float) -> bool:
    """Whether `by` is better than `scores` by more than the margin in every objective. NaN is neither."""
    return bool((np.asarray(by, float) - np.asarray(scores, float) > margin_points).all())


def pareto_front(scores: Sequence[Scores]) -> list[int]:
    """Places of those that no other beats: none is at least as good in all objectives and better in one."""
    if not len(scores):
        return []
    points = np.asarray(scores, float)
    # From the best first score down, a point can only be beaten by one that came before it.
    order: list[int] = np.lexsort(-points.T[::-1]).tolist()
    front: list[int] = []
    kept = np.empty((0, points.shape[1]))
    for place in order:
        point = points[place]
        beaten = ((kept >= point).all(axis=1) & (kept > point).any(axis=1)).any()
        if not beaten and np.isfinite(point).all():
            front.append(int(place))
            kept = np.vstack([kept, point])
    return sorted(front)


def hypervolume(scores: Sequence[Scores], reference: Scores) -> float:
    """Volume of what the scores dominate, down to a reference point.

    Args:
        scores: of any number of trials.
        reference: the worst that counts; what is not better in every objective adds nothing.

    Example:
        >>> hypervolume([[1, 3], [2, 1]], reference=[0, 0])
        4.0
    """
    points = np.asarray(scores, float).reshape(-1, len(reference)) - np.asarray(reference, float)
    return _volume(points[(points > 0).all(axis=1)])


def _volume(points: NDArray[np.float64]) -> float:
    """Of the boxes between the origin and each point: in slices along the last axis, each of one dimension less."""
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(points.max())
    ordered = points[np.argsort(-points[:, -1])]
    thickness = -np.diff(np.append(ordered[:, -1], 0.0))
    # Between two heights, the points above fill the slice.
    return float(sum(thickness[i] * _volume(ordered[: i + 1, :-1]) for i in range(len(ordered)) if thickness[i] > 0))
