"""What a person asks a comparison for: the reading that decides, and the variant that all others are compared with."""

import difflib
from collections.abc import Sequence
from dataclasses import replace

from fnmask.compare.columns import measured_columns
from fnmask.compare.grounds import without_control
from fnmask.compare.runs import GAIN, LESS_IS_BETTER, Sweep, Trial


def judged_by(sweep: Sweep, metric: str) -> Sweep:
    """The sweep, whose variants are ranked by a reading.

    Args:
        sweep: with its classes.
        metric: key of a column, such as `miou`, `target_iou`, `iou/road`, `others_gain` or `target_cost`.

    Raises:
        ValueError: there is no such column.
    """
    allowed = [GAIN, *LESS_IS_BETTER, *measured_columns(sweep.class_names)]
    if metric not in allowed:
        close = difflib.get_close_matches(metric.lower(), allowed, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValueError(f"There is no metric {metric!r} to judge by.{hint} Allowed: {', '.join(allowed)}.")
    return replace(sweep, metric=metric)


def compared_with(sweep: Sweep, given: str) -> Sweep:
    """The sweep, whose differences are taken against another variant than the plain control.

    Args:
        sweep: as loaded.
        given: a variant, the beginning of one alone, or the name of a control such as `class_downweight`.

    Raises:
        ValueError: no variant is meant, or several are; those that there are are listed.
    """
    # As it is without being asked for, though plain controls of several budgets have several labels.
    if given == "plain" and sweep.baselines:
        return sweep
    name = _find(given, sweep.all_trials)
    if {trial.variant for trial in sweep.baselines.values()} == {name}:
        return sweep
    plain = sweep.baselines
    # The control of a sweep is what is compared with: that role changes hands, and nothing else does.
    trials = [
        replace(trial, control="plain" if trial.variant == name else "" if trial.control == "plain" else trial.control)
        for trial in sweep.all_trials
    ]
    kept = {trial.reference: trial for trial in trials if trial.variant == name}
    # Who lacks the plain control may have this one.
    lacked_plain = without_control(sweep.trials, plain)
    notes = (*(note for note in sweep.notes if note not in lacked_plain), *without_control(trials, kept, name))
    return replace(sweep, trials=tuple(trials), baselines=kept, plain=plain, against=name, notes=notes)


def _find(given: str, trials: Sequence[Trial]) -> str:
    names = list(dict.fromkeys(trial.variant for trial in trials))
    if given in names:
        return given
    of_control = list(dict.fromkeys(trial.variant for trial in trials if trial.control == given))
    # Nothing, as from an empty variable of a shell, is the control of every trial of the search.
    found = (of_control or [name for name in names if name.startswith(given)]) if given else []
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} variants: {'; '.join(found)}" if found else f"none of: {'; '.join(names)}"
    raise ValueError(f"The baseline {given!r} means {what}. Give one of them.")
