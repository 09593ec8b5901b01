"""Trials whose worker has died, or was told to go: queued to be run again. Call with the study's claim lock held."""

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fnmask.sweep.machine import is_dead
from fnmask.sweep.storage import quietly
from fnmask.sweep.study import ATTEMPT, CONTROL, HELD, OVERRIDES, REFERENCE, RETRY_OF, WORKER

# What a trial that is run again takes over. Its numbers and its run belong to the one that was lost.
_INHERITED = (CONTROL, OVERRIDES, REFERENCE, HELD, RETRY_OF)


def recover(study: Study, max_retries: int) -> int:
    """Fail the trials of dead workers, and queue them to be run again. Call with the study's claim lock held.

    Returns:
        Number of trials that were lost.
    """
    with quietly():
        # Those of other machines; each is handed to the storage's `on_stale`, which is `requeue_lost`.
        optuna.storages.fail_stale_trials(study)
    lost = 0
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        worker = trial.user_attrs.get(WORKER)
        if worker is None or is_dead(worker):
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except (UpdateFinishedTrialError, ValueError):
                continue  # its worker had told it, and ended while this process was looking
            requeue_lost(study, trial, max_retries)
            lost += 1
    return lost


def requeue_lost(study: Study, trial: FrozenTrial, max_retries: int) -> None:
    """Queue the trial of a dead worker to be run again, unless it has killed too many of them."""
    attempt = int(trial.user_attrs.get(ATTEMPT, 0)) + 1
    if attempt <= max_retries:
        requeue(study, trial, attempt=attempt)


def requeue(study: Study, trial: FrozenTrial, *, attempt: int) -> None:
    """Queue a copy of a trial. One that was never begun leaves nothing to copy."""
    params = params_of(trial)
    attributes = {key: trial.user_attrs[key] for key in _INHERITED if key in trial.user_attrs}
    if params or CONTROL in attributes:
        study.enqueue_trial(
            params, user_attrs={RETRY_OF: trial.number, **attributes, ATTEMPT: attempt}, skip_if_exists=False
        )


def is_queued_again(trials: Sequence[FrozenTrial], number: int) -> bool:
    """Whether a copy of the trial was queued, or has run since."""
    first = trials[number].user_attrs.get(RETRY_OF, number)
    return any(trial.number > number and trial.user_attrs.get(RETRY_OF) == first for trial in trials)


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """Its values, those too that it has been given and not yet asked for."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
