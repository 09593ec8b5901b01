"""A sweep at one moment, read from its study: counts, best so far, time left."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import FrozenTrial, TrialState

from fnmask.sweep.dominance import hypervolume, pareto_front, to_scores
from fnmask.sweep.study import CONTROL, EPOCH, FINISHED, LABEL, outcome_of


@dataclass(frozen=True)
class Running:
    """A trial that is being run."""

    number: int
    label: str
    epoch: int
    epochs: int
    miou: float | None
    elapsed_s: float


@dataclass(frozen=True)
class Snapshot:
    """A sweep at one moment.

    Attributes:
        n_trials: to be finished.
        done: finished, pruned ones among them.
        running: trials that are being run, oldest first.
        queued: trials that wait to be run, again mostly.
        pruned: given up before their end.
        failed: not counted in the budget.
        lost: died with their worker or were interrupted; queued again unless that happened too often.
        best: label and objectives of the best finished trial; of several objectives, that of the best first one.
        front: number of trials on the Pareto front.
        hypervolume: what the front dominates, down to the worst that a control reaches in each objective, in points;
            None for one objective, and before a control has finished. It compares moments of one sweep, not two sweeps.
        left_s: time left, from the median trial and the number of workers; None while nothing is known.
    """

    n_trials: int
    done: int
    running: tuple[Running, ...]
    queued: int
    pruned: int
    failed: int
    lost: int
    best: tuple[str, tuple[float, ...]] | None
    front: int
    hypervolume: float | None
    left_s: float | None


def take_snapshot(
    trials: Sequence[FrozenTrial], *, n_trials: int, directions: Mapping[str, str], now: datetime
) -> Snapshot:
    """Read it from the trials of a study.

    Args:
        trials: all of them.
        n_trials: to be finished.
        directions: metric -> `maximize` or `minimize`.
        now: naive local time, as Optuna writes it.
    """
    outcomes = [outcome_of(trial) for trial in trials]
    done = sum(trial.state in FINISHED for trial in trials)
    running = tuple(_running(trial, now) for trial in trials if trial.state == TrialState.RUNNING)
    complete = [
        trial
        for trial, outcome in zip(trials, outcomes, strict=True)
        if trial.state == TrialState.COMPLETE and outcome == "complete"
    ]
    scores = [to_scores(trial.values, directions) for trial in complete]
    best = max(range(len(complete)), key=lambda place: scores[place][0], default=None)
    of_controls = [score for trial, score in zip(complete, scores, strict=True) if CONTROL in trial.user_attrs]
    worst = [min(column) for column in zip(*of_controls, strict=True)]
    front = [scores[place] for place in pareto_front(scores)]
    return Snapshot(
        n_trials=n_trials,
        done=done,
        running=running,
        queued=sum(trial.state == TrialState.WAITING for trial in trials),
        pruned=outcomes.count("pruned"),
        failed=sum(outcome.startswith("failed") for outcome in outcomes),
        lost=outcomes.count("lost") + outcomes.count("interrupted"),
        best=None if best is None else (label_of(complete[best]), tuple(complete[best].values)),
        front=len(front),
        hypervolume=hypervolume(front, worst) if len(directions) > 1 and worst else None,
        left_s=_time_left(trials, running, n_trials - done),
    )


def label_of(trial: FrozenTrial) -> str:
    """What its variant is called, once its worker has said so."""
    return str(trial.user_attrs.get(LABEL, ""))


def _running(trial: FrozenTrial, now: datetime) -> Running:
    epoch, epochs, miou = trial.user_attrs.get(EPOCH, (0, 0, None))
    begun = trial.datetime_start
    elapsed_s = (now - begun).total_seconds() if begun is not None else 0.0
    return Running(trial.number, label_of(trial), epoch, epochs, miou, max(0.0, elapsed_s))


def _time_left(trials: Sequence[FrozenTrial], running: Sequence[Running], n_left: int) -> float | None:
    """Remaining trials times the median trial, over as many workers as are running one."""
    if n_left <= 0:
        return 0.0
    durations_s = [trial.duration.total_seconds() for trial in trials if trial.state in FINISHED and trial.duration]
    guesses_s = [trial.elapsed_s / trial.epoch * trial.epochs for trial in running if trial.epoch]
    if not durations_s and not guesses_s:
        return None
    trial_s = statistics.median(durations_s or guesses_s)
    # Of a running trial only the rest is left.
    elapsed_s = sum(min(trial.elapsed_s, trial_s) for trial in running)
    return max(0.0, trial_s * n_left - elapsed_s) / max(1, len(running))
