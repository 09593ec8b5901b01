"""The best setting that earlier studies of a storage have found, to be run as a control of the next one."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from fnmask.sweep.dominance import to_scores
from fnmask.sweep.study import CONTROL, FINGERPRINT, SETTING, outcome_of

# Newest studies of the storage that are looked at.
_STUDIES = 50


def find_best_known(
    storage: optuna.storages.RDBStorage, *, directions: Mapping[str, str], but: str
) -> dict[str, list[str]]:
    """For each network and data set, loss and weighting of the best trial of all studies with these directions.

    The first direction decides. Trials that break a constraint of their study, and controls, do not count: a search
    whose best trial is a control has found nothing.

    Args:
        storage: holds the studies.
        directions: metric -> `maximize` or `minimize`.
        but: name of the study that is not looked at.

    Returns:
        `TrialConfig.ground` -> overrides.
    """
    best: dict[str, tuple[float, list[str]]] = {}
    for name in optuna.get_all_study_names(storage)[-_STUDIES:]:
        if name == but:
            continue
        study = optuna.load_study(study_name=name, storage=storage)
        if _is_like(study, directions):
            for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
                _keep_better(best, trial, directions)
    return {ground: setting for ground, (_, setting) in best.items() if setting}


def _is_like(study: Study, directions: Mapping[str, str]) -> bool:
    fingerprint = study.user_attrs.get(FINGERPRINT, {})
    found: Sequence[tuple[str, str]] = list(fingerprint.get("directions", {}).items())
    return found == list(directions.items())


def _keep_better(best: dict[str, tuple[float, list[str]]], trial: FrozenTrial, directions: Mapping[str, str]) -> None:
    if SETTING not in trial.user_attrs or outcome_of(trial) != "complete":
        return
    ground, *setting = trial.user_attrs[SETTING]
    score = to_scores(trial.values, directions)[0]
    if ground not in best or score > best[ground][0]:
        best[ground] = (score, [] if CONTROL in trial.user_attrs else setting)
