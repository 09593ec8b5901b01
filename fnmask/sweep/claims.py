"""Which trial comes next. One process decides at a time, with the study's claim lock held."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fnmask.sweep.grammar import Value
from fnmask.sweep.machine import Process
from fnmask.sweep.recovery import params_of, recover
from fnmask.sweep.storage import STORAGE_ERRORS, patiently, quietly
from fnmask.sweep.study import (
    ATTEMPT,
    CONTROL,
    FINISHED,
    HELD,
    OUTCOME,
    OVERRIDES,
    REASON,
    REFERENCE,
    SESSION,
    WORKER,
    Control,
    outcome_of,
)

# There is nothing to run now: others are at it (`wait`), or this is how the sweep has ended.
Verdict = Literal["wait", "finished", "stopped", "incomplete", "interrupted"]


# Trials of a search that does not learn that are queued at once.
_MOST_AHEAD = 8


@dataclass(frozen=True)
class Rules:
    """What decides when a sweep is over.

    Attributes:
        n_trials: trials to finish.
        controls: run before anything that is measured against them.
        grid: the combinations to run, or None when the sampler chooses.
        n_combinations: of a space of choices alone that is never sampled twice; None for any other.
        max_failures: failed trials in a row that stop the sweep.
        max_retries: how often a trial is run again whose worker died.
        session: number of this call of the sweep.
    """

    n_trials: int
    controls: Sequence[Control]
    grid: Sequence[Mapping[str, Any]] | None
    n_combinations: int | None
    max_failures: int
    max_retries: int
    session: int


@dataclass(frozen=True)
class Claimed:
    """A trial that this worker is to run, with the values that the search chose for it."""

    trial: optuna.trial.Trial
    chosen: Mapping[str, Value]

    @property
    def is_control(self) -> bool:
        """Whether others are measured against it, and it is run to its end whatever comes."""
        return CONTROL in self.trial.user_attrs


def claim_trial(
    study: Study,
    storage: optuna.storages.RDBStorage,
    rules: Rules,
    worker: Process,
    suggest: Callable[[optuna.trial.Trial], Mapping[str, Value]],
    *,
    is_warm: Callable[[Mapping[str, Any]], bool] = lambda chosen: False,
    draw_ahead: Callable[[int], Sequence[Mapping[str, Any]]] = lambda count: (),
    stopped: bool = False,
) -> Claimed | Verdict:
    """The trial that this worker runs now, marked as its own, or why there is none.

    Args:
        study: the study.
        storage: its storage, which takes the signs of life.
        rules: see `Rules`.
        worker: this process.
        suggest: asks a trial of the search for its values.
        is_warm: whether values find their step compiled here; of trials that nothing else tells apart they come first.
        draw_ahead: the next combinations of a search that does not learn. They are queued together: every worker
            can take a warm one, and all that are drawn are run, whoever takes them.
        stopped: the sweep is to end.
    """
    with quietly():
        recover(study, rules.max_retries)
        trials = study.get_trials(deepcopy=False)
        verdict = judge(trials, rules, stopped=stopped)
        if verdict is not None:
            return verdict
        _enqueue_next(study, trials, rules, is_warm, draw_ahead)
        trial = _take_queued(study, storage, is_warm) or study.ask()
        mark = {**worker, SESSION: rules.session}
        try:
            chosen = trial.user_attrs[HELD] if CONTROL in trial.user_attrs else suggest(trial)
        except (*STORAGE_ERRORS, UpdateFinishedTrialError):
            raise
        except Exception as error:  # of the user's hook
            trial.set_user_attr(WORKER, mark)
            trial.set_user_attr(OUTCOME, "failed:crash")
            trial.set_user_attr(REASON, f"study.hook: {type(error).__name__}: {error}")
            study.tell(trial, state=TrialState.FAIL)
            return "wait"
        patiently(lambda: storage.record_heartbeat(trial._trial_id))
        # A running trial without this mark was never begun: whoever sees it holds the lock that this process held.
        trial.set_user_attr(WORKER, mark)
    return Claimed(trial, chosen)


def _take_queued(
    study: Study, storage: optuna.storages.RDBStorage, is_warm: Callable[[Mapping[str, Any]], bool]
) -> optuna.trial.Trial | None:
    """A queued trial: controls first, since a trial that is run again may be measured against one of them."""

    def place(trial: FrozenTrial) -> tuple[bool, bool, int]:
        chosen = trial.user_attrs.get(HELD) or params_of(trial)
        return CONTROL not in trial.user_attrs, not is_warm(chosen), trial.number

    for trial in sorted(study.get_trials(deepcopy=False, states=[TrialState.WAITING]), key=place):
        if storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
            return optuna.trial.Trial(study, trial._trial_id)
    return None


def judge(trials: Sequence[FrozenTrial], rules: Rules, *, stopped: bool = False) -> Verdict | None:
    """Why no trial is begun now; None: one is."""
    n_finished = sum(trial.state in FINISHED for trial in trials)
    n_running = sum(trial.state == TrialState.RUNNING for trial in trials)
    lacking = _lacking_controls(trials, rules.controls)
    if n_finished >= rules.n_trials and not lacking:
        return "finished"
    if stopped:
        return "interrupted"
    if failures_in_a_row(trials, rules) >= rules.max_failures:
        return "stopped"
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    # No sweep is finished without its controls, even one whose budget has been lowered.
    if _missing_control(trials, rules.controls) is not None or any(CONTROL in trial.user_attrs for trial in waiting):
        return None
    if n_finished + n_running >= rules.n_trials:
        return "wait"
    if waiting:
        return None
    exhausted = (
        not _missing_combinations(trials, rules)
        if rules.grid is not None
        else rules.n_combinations is not None
        and len(tried(trials, rules.session, rules.max_retries)) >= rules.n_combinations
    )
    if exhausted:
        # What runs now may yet be lost, and then has to be run again.
        return "wait" if n_running else "incomplete"
    return None


def failures_in_a_row(trials: Sequence[FrozenTrial], rules: Rules) -> int:
    """Failed trials of this session after its last finished one.

    Lost and interrupted trials say nothing about the settings and are passed over, except for one that has been lost
    with every worker that tried it.
    """
    count = 0
    for trial in reversed(trials):
        if trial.state in FINISHED:
            break
        count += _has_failed(trial, rules.session, rules.max_retries)
    return count


def tried(trials: Sequence[FrozenTrial], session: int, max_retries: int) -> set[str]:
    """Keys of the combinations that have been run, or are being run, or have failed in this session for good."""
    searched = [trial for trial in trials if CONTROL not in trial.user_attrs]
    return {combination_key(params_of(trial)) for trial in searched if _is_tried(trial, session, max_retries)}


def combination_key(params: Mapping[str, Any]) -> str:
    """The same for the same values; tells 1 from 1.0 and true."""
    return json.dumps(params, sort_keys=True)


def _lacking_controls(trials: Sequence[FrozenTrial], controls: Sequence[Control]) -> bool:
    """Whether a control has not finished."""
    if not controls:
        return False
    finished = {
        (trial.user_attrs[CONTROL], trial.user_attrs.get(REFERENCE))
        for trial in trials
        if trial.state in FINISHED and CONTROL in trial.user_attrs
    }
    return any((control.name, control.reference) not in finished for control in controls)


def _missing_control(trials: Sequence[FrozenTrial], controls: Sequence[Control]) -> Control | None:
    if not controls:
        return None
    present = {
        (trial.user_attrs[CONTROL], trial.user_attrs.get(REFERENCE))
        for trial in trials
        if trial.state != TrialState.FAIL and CONTROL in trial.user_attrs
    }
    return next((control for control in controls if (control.name, control.reference) not in present), None)


def _missing_combinations(trials: Sequence[FrozenTrial], rules: Rules) -> list[Mapping[str, Any]]:
    """Combinations of the grid that are neither done nor under way, nor have failed in this session."""
    assert rules.grid is not None
    gone = tried(trials, rules.session, rules.max_retries)
    return [chosen for chosen in rules.grid if combination_key(chosen) not in gone]


def _is_tried(trial: FrozenTrial, session: int, max_retries: int) -> bool:
    return trial.state != TrialState.FAIL or _has_failed(trial, session, max_retries)


def _has_failed(trial: FrozenTrial, session: int, max_retries: int) -> bool:
    """Whether the trial failed in this session: by itself, or with every worker that was given it."""
    if trial.state != TrialState.FAIL or trial.user_attrs.get(WORKER, {}).get(SESSION) != session:
        return False
    outcome = outcome_of(trial)
    given_up = outcome == "lost" and int(trial.user_attrs.get(ATTEMPT, 0)) >= max_retries
    return outcome.startswith("failed") or given_up


def _enqueue_next(
    study: Study,
    trials: Sequence[FrozenTrial],
    rules: Rules,
    is_warm: Callable[[Mapping[str, Any]], bool],
    draw_ahead: Callable[[int], Sequence[Mapping[str, Any]]],
) -> None:
    """Queue what has to come before the sampler's own: a missing control, whatever else is queued."""
    control = _missing_control(trials, rules.controls)
    if control is not None:
        attributes = {
            CONTROL: control.name,
            OVERRIDES: list(control.overrides),
            REFERENCE: control.reference,
            HELD: dict(control.held),
        }
        study.enqueue_trial({}, user_attrs=attributes)
    elif any(trial.state == TrialState.WAITING for trial in trials):
        return
    elif rules.grid is None:
        under_way = sum(trial.state in (*FINISHED, TrialState.RUNNING) for trial in trials)
        for chosen in draw_ahead(min(_MOST_AHEAD, rules.n_trials - under_way)):
            study.enqueue_trial(dict(chosen))
    else:
        missing = _missing_combinations(trials, rules)
        # What failed in an earlier session comes last: it must not use up every session's patience.
        failed = [combination_key(params_of(trial)) for trial in trials if trial.state == TrialState.FAIL]
        first = min(missing, key=lambda chosen: (failed.count(combination_key(chosen)), not is_warm(chosen)))
        study.enqueue_trial(dict(first))
