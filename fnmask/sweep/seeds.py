"""Paired seeds: a trial of several, its objectives their means, and when the first one is enough."""

import math
from collections.abc import Sequence

import numpy as np

from fnmask.sweep.dominance import Scores, is_dominated, pareto_front

# Trials with all their seeds before their spread is trusted.
_MIN_TRIALS = 3
# The margin, in standard deviations of the difference of two trials at one seed.
_SPREADS = 2.0


def is_clearly_worse(first: Scores, others: Sequence[Sequence[Scores]], margin_points: float | None) -> bool:
    """Whether a trial need not be given its other seeds, after the first.

    Seeds are paired: the first seed of a trial is compared with the first of the others, on the same initial weights
    and batches.

    Args:
        first: scores of the trial's first seed.
        others: scores of every seed of each finished trial.
        margin_points: by how much another must be better in every objective; None: `spread_margin`.
    """
    margin = spread_margin(others) if margin_points is None else margin_points
    return math.isfinite(margin) and any(is_dominated(first, seeds[0], margin) for seeds in others)


def spread_margin(others: Sequence[Sequence[Scores]]) -> float:
    """Twice the standard deviation, over seeds, of the difference between a trial and one of the front.

    Differences are taken seed by seed, about their mean over the seeds of a pair, and pooled over pairs and objectives:
    it is what a difference at one seed says of the difference of the means.

    Returns:
        In points; infinite while fewer than three trials have all their seeds.
    """
    if len(others) < _MIN_TRIALS:
        return math.inf
    scores = np.asarray(others, float)  # (trials, seeds, objectives)
    n_seeds = scores.shape[1]
    if n_seeds < 2:
        return math.inf
    squares = []
    for best in pareto_front(scores.mean(axis=1).tolist()):
        differences = np.delete(scores, best, axis=0) - scores[best]
        centered = differences - differences.mean(axis=1, keepdims=True)
        squares.append((centered**2).sum(axis=1) / (n_seeds - 1))
    # The objective with the largest spread decides: domination asks for all of them.
    return float(_SPREADS * np.sqrt(np.concatenate(squares).mean(axis=0).max()))
