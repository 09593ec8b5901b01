"""The Optuna study of a sweep: opened or found again, never mistaken for another, repaired after a crash."""

import fcntl
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from fnmask.binding import ConfigError
from fnmask.schema import StudyConfig

# User attributes of a trial; of a study, FINGERPRINT alone.
CONTROL = "fnmask:control"
OVERRIDES = "fnmask:overrides"
HELD = "fnmask:held"
REFERENCE = "fnmask:reference"
MATRIX = "fnmask:val_confusion"
OUTCOME = "fnmask:outcome"
REASON = "fnmask:reason"
RUN_ID = "fnmask:run_id"
FINGERPRINT = "fnmask:fingerprint"

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Control:
    """A trial that others are measured against.

    Attributes:
        name: `plain`, or another key of `study.controls`.
        overrides: all of them.
        reference: digest of what it shares with the trials that are measured against it.
        held: of the searched parameters, the values that it stands for.
    """

    name: str
    overrides: tuple[str, ...]
    reference: str
    held: Mapping[str, Any] = field(default_factory=dict)


class StudyBusyError(RuntimeError):
    """Another process is running this study."""


@contextmanager
def only_process(lock_file: Path, study_name: str) -> Iterator[None]:
    """Hold the study's lock: of two sweeps of one study the second is refused.

    Raises:
        StudyBusyError: another process holds it.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StudyBusyError(
                f"study.name: {study_name!r} is being run by process {file.read().strip() or 'unknown'}. "
                "Wait for it, or give study.name=ANOTHER."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def open_study(config: StudyConfig, *, name: str, storage: str, fingerprint: Mapping[str, Any]) -> Study:
    """Create the study, or load the one of that name.

    Args:
        config: directions and sampler.
        name: of the study.
        storage: Optuna storage URL.
        fingerprint: what every trial of the study has in common. A study begun with another one is refused, since
            Optuna itself would mix the two silently.

    Raises:
        ConfigError: the study of that name was begun with something else; lists the differences.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(config.directions.values()),
            load_if_exists=True,
        )
    except (ImportError, ValueError, SQLAlchemyError) as error:
        # The URL itself may hold a password, and so is not repeated.
        first_line = str(error).partition("\n")[0]
        raise ConfigError([f"study.storage: cannot be opened ({type(error).__name__}: {first_line})."]) from None
    study.sampler = build_sampler(config, n_begun=len(study.get_trials(deepcopy=False)))
    stored = study.user_attrs.get(FINGERPRINT)
    if stored is None:
        if study.get_trials(deepcopy=False) or len(study.directions) != len(config.directions):
            raise ConfigError([f"study.name: {name!r} is a study that fnmask did not begin. Give study.name=ANOTHER."])
        with _no_experimental_warnings():
            study.set_metric_names(list(config.directions))
        study.set_user_attr(FINGERPRINT, dict(fingerprint))
        return study
    differences = [
        f"  {key}: was {stored.get(key, 'absent')!r}, is {fingerprint.get(key, 'absent')!r}"
        for key in sorted({*stored, *fingerprint})
        if json.dumps(stored.get(key)) != json.dumps(fingerprint.get(key))
    ]
    if differences:
        advice = f"Give study.name=ANOTHER to begin a new study, or the old settings to go on with {name!r}."
        raise ConfigError([f"study.name: {name!r} was begun with other settings:", *differences, advice])
    return study


def build_sampler(config: StudyConfig, *, n_begun: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler by name. A grid is enqueued, so its sampler never has to choose.

    Args:
        config: its name and seed.
        n_begun: trials that the study has already. A sampler with the same seed would propose them again.
    """
    seed = config.seed + n_begun
    if config.sampler == "tpe":
        with _no_experimental_warnings():
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=8)
    return optuna.samplers.RandomSampler(seed=seed)


@contextmanager
def _no_experimental_warnings() -> Iterator[None]:
    """Optuna still warns of parts that have been there for years; the lock file pins their behavior."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def fail_lost_trials(study: Study) -> None:
    """Fail the trials that a killed process left running. Call with the study's lock held."""
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)


def outcome_of(trial: FrozenTrial) -> str:
    """How a trial ended. Its worker writes it down; one that could not was lost with its process."""
    if trial.state in (TrialState.RUNNING, TrialState.WAITING):
        return "running" if trial.state == TrialState.RUNNING else "queued"
    return str(trial.user_attrs.get(OUTCOME, "lost"))


def ask_next(
    study: Study,
    controls: Sequence[Control],
    grid: Sequence[Mapping[str, Any]] | None,
    tried: Sequence[Mapping[str, Any]],
) -> optuna.trial.Trial | None:
    """The trial to run now: a missing control, before anything that is measured against it; then the search's own.

    Args:
        study: the study.
        controls: all of them.
        grid: the combinations to run, or None when the sampler chooses.
        tried: combinations that this process has run, so that one that fails is not run for ever.

    Returns:
        The trial, or None when the grid is exhausted.
    """
    if study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
        # Enqueued by a process that was killed before it could ask.
        return study.ask()
    known = study.get_trials(deepcopy=False, states=[*FINISHED, TrialState.WAITING, TrialState.RUNNING])
    present = {(trial.user_attrs.get(CONTROL), trial.user_attrs.get(REFERENCE)) for trial in known}
    for control in controls:
        if (control.name, control.reference) not in present:
            attributes = {
                CONTROL: control.name,
                OVERRIDES: list(control.overrides),
                REFERENCE: control.reference,
                HELD: dict(control.held),
            }
            study.enqueue_trial({}, user_attrs=attributes)
            return study.ask()
    if grid is not None:
        done = [*(trial.params or trial.system_attrs.get("fixed_params", {}) for trial in known), *tried]
        missing = [chosen for chosen in grid if chosen not in done]
        if not missing:
            return None
        # What failed in an earlier call comes last: it must not use up every call's patience.
        failed = [trial.params for trial in study.get_trials(deepcopy=False, states=[TrialState.FAIL])]
        study.enqueue_trial(dict(min(missing, key=lambda chosen: failed.count(dict(chosen)))))
    return study.ask()


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that count against the budget."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def failures_in_a_row(study: Study, *, since: int = 0) -> int:
    """Failed trials after the last finished one, counted from trial number `since`: an earlier call's are forgiven.

    Lost and interrupted trials say nothing about the settings and are passed over.
    """
    count = 0
    for trial in reversed(study.get_trials(deepcopy=False)[since:]):
        if trial.state in FINISHED:
            break
        count += str(trial.user_attrs.get(OUTCOME, "")).startswith("failed")
    return count


def find_control_matrix(study: Study, reference: str) -> Any:
    """Validation confusion matrix of the finished plain control of a reference, or None."""
    for trial in finished(study):
        if trial.user_attrs.get(CONTROL) == "plain" and trial.user_attrs.get(REFERENCE) == reference:
            return trial.user_attrs[MATRIX]
    return None
