"""Join a sweep that has begun, as one of its workers."""

import optuna
from hydra.types import HydraContext

from fnmask.backend import load_backend
from fnmask.binding import ConfigError
from fnmask.sweep.claims import Rules, judge, recover, requeue_lost
from fnmask.sweep.composer import Composer
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.locks import StudyBusyError, StudyLocks
from fnmask.sweep.machine import describe_process, is_local, this_process
from fnmask.sweep.plan import Plan
from fnmask.sweep.storage import open_storage, patiently, storage_url
from fnmask.sweep.study import (
    BUDGET,
    CONTROLS,
    FINGERPRINT,
    PARENT_RUN_ID,
    RUN_ID,
    SESSION,
    STOP,
    WORKER,
    check_fingerprint,
    outcome_of,
    settled_controls,
)
from fnmask.tracking.mlflow_store import MlflowStore


def join_sweep(plan: Plan, composer: Composer, context: HydraContext, *, study_name: str, index: int) -> str:
    """Run trials of a study that a sweep has prepared, until there is nothing left to run.

    Args:
        plan: made from the sweep's own overrides.
        composer: composes the trials.
        context: Hydra's.
        study_name: of the sweep.
        index: of this worker, from 0.

    Returns:
        How the sweep, or this worker, has ended: `finished`, `stopped`, `incomplete` or `interrupted`.

    Raises:
        ConfigError: the study is another one than the plan says, or it cannot take another worker.
    """
    url = storage_url(plan.study.storage, plan.base.root)
    locks = StudyLocks(url, study_name)
    storage = open_study_storage(plan)
    study = load_study(storage, study_name)
    check_fingerprint(study_name, study.user_attrs[FINGERPRINT], plan.fingerprint)
    with locks.worker(), Interruption() as interruption:
        check_machine(study, locks, plan)
        # Loaded only now that something will be trained.
        load_backend()
        from fnmask.open_store import open_store
        from fnmask.sweep.worker import Worker
        from fnmask.trial import run_trial
        from fnmask.workbench import Workbench

        store = open_store(plan.base)
        rules = rules_of(plan, study)
        worker = Worker(
            plan=plan,
            composer=composer,
            context=context,
            study=study,
            storage=storage,
            locks=locks,
            rules=rules,
            store=store,
            parent_run_id=study.user_attrs[PARENT_RUN_ID],
            run_trial=run_trial,
            workbench=Workbench(),
            interruption=interruption,
            index=index,
        )
        try:
            verdict: str = worker.run()
        except KeyboardInterrupt:
            verdict = "interrupted"
    _close_if_last(study, locks, rules, store)
    return verdict


def open_study_storage(plan: Plan) -> optuna.storages.RDBStorage:
    """The storage of a plan's study, whose lost trials are queued to be run again."""
    url = storage_url(plan.study.storage, plan.base.root)
    return open_storage(
        url,
        heartbeat_s=plan.study.heartbeat_s,
        on_stale=lambda study, trial: requeue_lost(study, trial, plan.study.max_retries),
    )


def load_study(storage: optuna.storages.RDBStorage, name: str) -> optuna.Study:
    """A study that a sweep has begun.

    Raises:
        ConfigError: there is none of that name; lists those that there are.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = ", ".join(optuna.get_all_study_names(storage)) or "none"
        raise ConfigError(
            [f"study.name: there is no study {name!r}. There are: {names}. Begin one with train.py --multirun."]
        ) from None
    if SESSION not in study.user_attrs:
        raise ConfigError(
            [f"study.name: {name!r} is a study that no sweep has begun. Start train.py --multirun first."]
        )
    return study


def rules_of(plan: Plan, study: optuna.Study) -> Rules:
    """When the sweep is over, by its plan and by what its study was begun with."""
    return Rules(
        n_trials=study.user_attrs[BUDGET],
        controls=settled_controls(study.user_attrs.get(CONTROLS, ())),
        grid=plan.grid,
        n_combinations=plan.n_combinations,
        max_failures=plan.study.max_failures,
        max_retries=plan.study.max_retries,
        session=study.user_attrs[SESSION],
    )


def check_machine(study: optuna.Study, locks: StudyLocks, plan: Plan) -> None:
    """Queue again what dead workers left; refuse an SQLite study that lives on another machine.

    Raises:
        ConfigError: says who uses it, and what to use instead.
    """

    def look() -> list[optuna.trial.FrozenTrial]:
        with locks.claim():
            recover(study, plan.study.max_retries)
        return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])

    running = patiently(look)
    if storage_url(plan.study.storage, plan.base.root).get_backend_name() != "sqlite":
        return
    here = this_process()
    for trial in running:
        process = trial.user_attrs.get(WORKER, here)
        if not is_local(process) and process.get("host") != here["host"]:
            raise ConfigError(
                [
                    f"study.storage: trial {trial.number} is being run by {describe_process(process)}, and SQLite is "
                    "for one machine. Use PostgreSQL: study.storage=postgresql+psycopg2://USER@HOST/DATABASE"
                ]
            )


def reconcile(study: optuna.Study, store: MlflowStore, parent_run_id: str) -> None:
    """Close in the store what the study says has ended."""
    trials = study.get_trials(deepcopy=False)
    store.reconcile(
        parent_run_id,
        {trial.number: outcome_of(trial) for trial in trials},
        {trial.number: str(trial.user_attrs.get(RUN_ID, "")) for trial in trials},
    )


def _close_if_last(study: optuna.Study, locks: StudyLocks, rules: Rules, store: MlflowStore | None) -> None:
    """Close the run of a sweep that nobody watches, when this worker has run its last trial."""
    attributes = study.user_attrs
    verdict = judge(study.get_trials(deepcopy=False), rules, stopped=attributes.get(STOP) == attributes.get(SESSION))
    if store is None or verdict in (None, "wait", "interrupted"):
        return
    try:
        with locks.sweep():
            reconcile(study, store, attributes[PARENT_RUN_ID])
            store.close_sweep(attributes[PARENT_RUN_ID], str(verdict))
    except StudyBusyError:
        pass  # the sweep is watched, and will be closed
