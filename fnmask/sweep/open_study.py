"""The study of a plan: opened in its storage, and refused where it is at work on another machine."""

import math
from datetime import datetime

import optuna

from fnmask.binding import ConfigError
from fnmask.sweep.locks import StudyLocks
from fnmask.sweep.machine import describe_process, is_local, this_process
from fnmask.sweep.plan import Plan
from fnmask.sweep.recovery import recover, requeue_lost
from fnmask.sweep.storage import open_storage, storage_url
from fnmask.sweep.study import MACHINE, SESSION

# Seconds without a finished trial after which a study of another machine may be taken over.
_LEFT_ALONE_S = 600.0


def open_study_storage(plan: Plan) -> optuna.storages.RDBStorage:
    """The storage of a plan's study, whose lost trials are queued to be run again."""
    return open_storage(
        storage_url(plan.study.storage, plan.base.root),
        heartbeat_s=plan.study.heartbeat_s,
        on_stale=lambda study, trial: requeue_lost(study, trial, plan.study.max_retries),
    )


def load_study(storage: optuna.storages.RDBStorage, name: str) -> optuna.Study:
    """A study that a sweep has begun.

    Raises:
        ConfigError: there is none of that name; lists those that there are.
    """
    names = optuna.get_all_study_names(storage)
    if name not in names:
        listed = ", ".join(names) or "none"
        raise ConfigError(
            [f"study.name: there is no study {name!r}. There are: {listed}. Begin one with train.py --multirun."]
        )
    study = optuna.load_study(study_name=name, storage=storage)
    if SESSION not in study.user_attrs:
        fault = f"study.name: {name!r} is a study that no sweep has begun. Start train.py --multirun first."
        raise ConfigError([fault])
    return study


def check_machine(study: optuna.Study, locks: StudyLocks, plan: Plan, *, beginning: bool = False) -> None:
    """Queue again what dead workers left; refuse an SQLite study that is at work on another machine.

    Args:
        study: the study.
        locks: its locks.
        plan: the sweep.
        beginning: the sweep is begun here, perhaps since the project has moved: a study that was long left alone may be
            taken over. A worker only joins where the sweep was begun.

    Raises:
        ConfigError: says who uses it, and what to use instead.
    """

    with locks.claim():
        recover(study, plan.study.max_retries)
    here = this_process()
    owner = study.user_attrs.get(MACHINE, here)
    if storage_url(plan.study.storage, plan.base.root).get_backend_name() != "sqlite":
        return
    if is_local(owner) or owner.get("host") == here["host"]:
        return
    trials = study.get_trials(deepcopy=False)
    running = any(trial.state == optuna.trial.TrialState.RUNNING for trial in trials)
    # Optuna writes naive local times.
    now = datetime.now()
    ages_s = [(now - trial.datetime_complete).total_seconds() for trial in trials if trial.datetime_complete]
    if not beginning or running or min(ages_s, default=math.inf) < _LEFT_ALONE_S:
        raise ConfigError(
            [
                f"study.storage: the study is at work by {describe_process(owner)}, and SQLite is for one machine. Use "
                "PostgreSQL: study.storage=postgresql+psycopg2://USER@HOST/DATABASE"
            ]
        )
