"""The point of the plain network's frontier that comes nearest to a trained variant, as a rule that can be taken."""

import math
import shlex

import numpy as np

from fnmask.compare.frontier import PLANES, Curve, curve
from fnmask.compare.rows import Row
from fnmask.compare.runs import Sweep
from fnmask.metrics.margins import Margins

_SPLIT = "val"

# Beyond, a threshold is 1 for a number of 64 bits.
_LARGEST_LOG_ODDS = 30.0
# So many digits that a written threshold lies as near to the one meant.
_NEAR_LOG_ODDS = 0.05


def nearest_log_odds(frontier: Curve, target_iou: float, miou_without_target: float) -> float | None:
    """The threshold whose point does best in the worse of two coordinates, beside those of a variant, in percent.

    Returns:
        Log-odds; None where the frontier is not defined.
    """
    points = frontier.points[PLANES.index("iou")]
    short = np.min(points - np.array([target_iou, miou_without_target]), axis=1)
    short[np.abs(frontier.log_odds) > _LARGEST_LOG_ODDS] = np.nan
    return None if np.isnan(short).all() else float(frontier.log_odds[np.nanargmax(short)])


def threshold_text(log_odds: float) -> str:
    """A threshold t = 1 / (1 + exp(-log_odds)) with as few digits as tell it from its neighbors.

    Example:
        >>> threshold_text(1.5), threshold_text(12)
        ('0.82', '0.999994')
    """
    threshold = 1 / (1 + math.exp(-log_odds))
    for digits in range(2, 17):
        text = f"{threshold:.{digits}f}"
        if 0 < float(text) < 1 and abs(math.log(float(text) / (1 - float(text))) - log_odds) < _NEAR_LOG_ODDS:
            return text
    return repr(threshold)


def export_command(sweep: Sweep, row: Row) -> str:
    """The command that takes the nearest point of the frontier for a variant of one target; empty if there is none.

    Where the nearest point is the plain network as it is, no threshold is moved.

    It is chosen on val, whichever split is looked at: a threshold that is chosen on test looks better there than it is.
    """
    index = sweep.class_names.index(row.targets[0])
    trials = [own for own in sweep.trials if own.variant == row.variant and _SPLIT in own.matrices]
    # Of the variant's own network, data and budget: a sweep may hold plain controls of others.
    paired = {own.reference for own in trials}
    controls = [own for key, own in sweep.plain_controls.items() if key in paired and _SPLIT in own.frontiers]
    found = curve(
        [own.frontiers[_SPLIT] for own in controls], [own.matrices[_SPLIT].sum(axis=2) for own in controls], index
    )
    if found is None:
        return ""
    margins = [Margins.of(own.total(_SPLIT)) for own in trials]
    ious = [(of.iou[index], of.mean_iou_without([index])) for of in margins]
    log_odds = nearest_log_odds(found, *(100 * np.mean(ious, axis=0)))
    if log_odds is None:
        return ""
    run_id = min(controls, key=lambda own: (len(own.seed), own.seed)).run_id
    words = ["fnmask", "export", "--run", run_id[:12], *sweep.experiment_words]
    if log_odds:
        words += ["--decision", f"{row.targets[0]}>{threshold_text(log_odds)}"]
    return shlex.join(words)
