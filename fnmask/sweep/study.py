"""The Optuna study of a sweep: opened or found again, and never mistaken for another."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fnmask.binding import ConfigError
from fnmask.sweep.storage import quietly

# User attributes of a trial.
CONTROL = "fnmask:control"
OVERRIDES = "fnmask:overrides"
HELD = "fnmask:held"
REFERENCE = "fnmask:reference"
MATRICES = "fnmask:val_confusion"
OUTCOME = "fnmask:outcome"
REASON = "fnmask:reason"
RUN_ID = "fnmask:run_id"
LABEL = "fnmask:variant"
WORKER = "fnmask:worker"
SESSION = "fnmask:session"
RETRY_OF = "fnmask:retry_of"
ATTEMPT = "fnmask:attempt"
EPOCH = "fnmask:epoch"
CURVE = "fnmask:curve"
SEED_VALUES = "fnmask:seed_values"
# The ground that the trial stands on (`TrialConfig.ground`), then its loss and weighting as overrides.
SETTING = "fnmask:setting"

# User attributes of a study; SESSION is one too.
FINGERPRINT = "fnmask:fingerprint"
ARGUMENTS = "fnmask:arguments"
CONTROLS = "fnmask:controls"
BUDGET = "fnmask:n_trials"
PARENT_RUN_ID = "fnmask:parent_run_id"
STOP = "fnmask:stop"
# Epochs before every mask that the search can choose is at full strength.
FULL_EPOCHS = "fnmask:full_epochs"
# Where the sweep was begun last.
MACHINE = "fnmask:machine"

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Control:
    """A trial that others are measured against.

    Attributes:
        name: `plain`, or another key of `study.controls`, or `best_known`.
        overrides: all of them.
        reference: digest of what it shares with the trials that are measured against it.
        held: of the searched parameters, the values that it stands for.
    """

    name: str
    overrides: tuple[str, ...]
    reference: str
    held: Mapping[str, Any] = field(default_factory=dict)


def open_study(
    storage: optuna.storages.RDBStorage,
    *,
    name: str,
    directions: Mapping[str, Direction],
    fingerprint: Mapping[str, Any],
) -> Study:
    """Create the study, or load the one of that name.

    Args:
        storage: see `storage.open_storage`.
        name: of the study.
        directions: metric -> `maximize` or `minimize`.
        fingerprint: what every trial of the study has in common. A study begun with another one is refused, since
            Optuna itself would mix the two silently.

    Raises:
        ConfigError: the study of that name was begun with something else; lists the differences.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, directions=list(directions.values()), load_if_exists=True
    )
    stored = study.user_attrs.get(FINGERPRINT)
    if stored is None:
        foreign = [direction.name.lower() for direction in study.directions] != list(directions.values())
        if study.get_trials(deepcopy=False) or foreign:
            raise ConfigError([f"study.name: {name!r} is a study that fnmask did not begin. Give study.name=ANOTHER."])
        with quietly():
            study.set_metric_names(list(directions))
        study.set_user_attr(FINGERPRINT, dict(fingerprint))
        return study
    check_fingerprint(name, stored, fingerprint)
    return study


def check_fingerprint(name: str, stored: Mapping[str, Any], fingerprint: Mapping[str, Any]) -> None:
    """Refuse to mix two searches.

    Raises:
        ConfigError: they differ; lists every difference.
    """
    differences = [
        f"  {key}: was {stored.get(key, 'absent')!r}, is {fingerprint.get(key, 'absent')!r}"
        for key in sorted({*stored, *fingerprint})
        if json.dumps(stored.get(key)) != json.dumps(fingerprint.get(key))
    ]
    if differences:
        advice = f"Give study.name=ANOTHER to begin a new study, or the old settings to go on with {name!r}."
        raise ConfigError([f"study.name: {name!r} was begun with other settings:", *differences, advice])


def begin_session(study: Study, attributes: Mapping[str, Any]) -> int:
    """Write down what workers need to join this call of the sweep.

    Returns:
        Its number, from 1. What failed or was stopped in an earlier one is forgiven.
    """
    session = int(study.user_attrs.get(SESSION, 0)) + 1
    for key, value in {**attributes, SESSION: session}.items():
        study.set_user_attr(key, value)
    return session


def stop_session(study: Study, session: int) -> None:
    """Ask every worker of this call to leave after its running trial."""
    study.set_user_attr(STOP, session)


def settle_controls(study: Study, controls: Sequence[Control]) -> tuple[Control, ...]:
    """The study's controls: those that it was begun with, since what is best known changes while it goes on.

    Others that are asked for now, such as for a seed that was added, come after them.
    """
    written = study.user_attrs.get(CONTROLS)
    stored = settled_controls(written or ())
    known = {(control.name, control.reference) for control in stored}
    # A best known that came up later is no part of what this study was begun with.
    new = [c for c in controls if (c.name, c.reference) not in known and (written is None or c.name != "best_known")]
    return (*stored, *new)


def written_controls(controls: Sequence[Control]) -> list[dict[str, Any]]:
    """Controls as they are written down in a study."""
    return [vars(control) | {"held": dict(control.held)} for control in controls]


def settled_controls(entries: Sequence[Mapping[str, Any]]) -> tuple[Control, ...]:
    """Controls as they were written down in a study."""
    return tuple(Control(**{**entry, "overrides": tuple(entry["overrides"])}) for entry in entries)


def outcome_of(trial: FrozenTrial) -> str:
    """How a trial ended. Its worker writes it down; one that could not was lost with its process."""
    if trial.state in (TrialState.RUNNING, TrialState.WAITING):
        return "running" if trial.state == TrialState.RUNNING else "queued"
    if trial.state == TrialState.PRUNED:
        return "pruned"
    written = str(trial.user_attrs.get(OUTCOME, "lost"))
    # A worker that died between writing the outcome and telling Optuna leaves the word, but not the result.
    return "lost" if trial.state == TrialState.FAIL and written in ("complete", "infeasible", "pruned") else written


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that count against the budget."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def find_control_matrices(study: Study, reference: str) -> Any:
    """Validation confusion matrices, one for each seed, of the finished plain control of a reference, or None."""
    for trial in finished(study):
        if trial.user_attrs.get(CONTROL) == "plain" and trial.user_attrs.get(REFERENCE) == reference:
            return trial.user_attrs[MATRICES]
    return None
