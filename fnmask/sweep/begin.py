"""A sweep that has begun: study, stores and rules, for the sweeper that begins it and the workers that join it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from sqlalchemy.engine import URL

from fnmask.config import digest
from fnmask.sweep.best_known import find_best_known
from fnmask.sweep.claims import Rules, Verdict, judge
from fnmask.sweep.composer import Composer
from fnmask.sweep.controls import make_best_known
from fnmask.sweep.locks import StudyLocks
from fnmask.sweep.machine import this_process
from fnmask.sweep.open_study import check_machine, load_study, open_study_storage
from fnmask.sweep.plan import Plan
from fnmask.sweep.recovery import recover
from fnmask.sweep.storage import storage_url
from fnmask.sweep.study import (
    ARGUMENTS,
    BUDGET,
    CONTROLS,
    FINGERPRINT,
    FULL_EPOCHS,
    MACHINE,
    PARENT_RUN_ID,
    RUN_ID,
    SESSION,
    STOP,
    Control,
    begin_session,
    check_fingerprint,
    open_study,
    outcome_of,
    settle_controls,
    settled_controls,
    written_controls,
)
from fnmask.sweep.wording import describe_plan, runs_view
from fnmask.tracking.lineage import lineage_tags

if TYPE_CHECKING:
    from fnmask.tracking.mlflow_store import MlflowStore


@dataclass(frozen=True)
class Begun:
    """A sweep that has begun.

    Attributes:
        plan: the checked sweep.
        composer: composes its trials.
        url: of the Optuna storage.
        storage: opened.
        locks: of the study.
        study: loaded.
        store: tracking store, or None.
        parent_run_id: of the sweep in the store.
        rules: when it is over.
    """

    plan: Plan
    composer: Composer
    url: URL
    storage: optuna.storages.RDBStorage
    locks: StudyLocks
    study: optuna.Study
    store: "MlflowStore | None"
    parent_run_id: str | None
    rules: Rules

    def recover(self) -> None:
        """Queue again what dead workers left."""
        with self.locks.claim():
            recover(self.study, self.rules.max_retries)

    def verdict(self) -> Verdict | None:
        """How the sweep has ended, as far as it has; None: there are trials to run."""
        self.recover()
        attributes = self.study.user_attrs
        stopped = attributes.get(STOP) == attributes[SESSION]
        return judge(self.study.get_trials(deepcopy=False), self.rules, stopped=stopped)

    def close(self, outcome: str | None) -> None:
        """Close every run that has ended, and with an outcome the sweep's own."""
        if self.store is None or self.parent_run_id is None:
            return
        trials = self.study.get_trials(deepcopy=False)
        self.store.reconcile(
            self.parent_run_id,
            {trial.number: outcome_of(trial) for trial in trials},
            {trial.number: str(trial.user_attrs.get(RUN_ID, "")) for trial in trials},
        )
        if outcome is not None:
            self.store.close_sweep(self.parent_run_id, outcome)


def begin(plan: Plan, composer: Composer, arguments: Sequence[str]) -> Begun:
    """Begin a sweep, or another call of one. Hold `StudyLocks.sweep`.

    Args:
        plan: the checked sweep.
        composer: composes its trials.
        arguments: the command line's overrides, for workers elsewhere.

    Raises:
        ConfigError: the study was begun with other settings, or is at work on another machine.
    """
    # MLflow takes two seconds to load; a plan that is refused is answered without it.
    from fnmask.open_store import open_store

    url = storage_url(plan.study.storage, plan.base.root)
    locks, storage = StudyLocks(url, plan.name), open_study_storage(plan)
    study = open_study(storage, name=plan.name, directions=plan.study.directions, fingerprint=plan.fingerprint)
    check_machine(study, locks, plan, beginning=True)
    controls = settle_controls(study, (*plan.controls, *best_known_controls(plan, composer, storage)))
    n_trials = plan.budget(len(controls))
    # Before the workers start: of several that make MLflow's tables at once all but one would crash.
    store = open_store(plan.base)
    parent_run_id = None
    if store is not None:
        parent_run_id = store.open_sweep(
            study=plan.name,
            run_id=study.user_attrs.get(PARENT_RUN_ID),
            tags=lineage_tags(plan.base.root) | {"fnmask.fingerprint": digest(plan.fingerprint)},
            params=plan.fingerprint,
            description=describe_plan(plan, controls, n_trials=n_trials),
            view=runs_view(plan),
        )
    begin_session(
        study,
        {
            # Not the address of the storage, which may hold a password.
            ARGUMENTS: [text for text in arguments if not text.lstrip("+~").startswith("study.storage")],
            CONTROLS: written_controls(controls),
            BUDGET: n_trials,
            FULL_EPOCHS: plan.full_epochs,
            PARENT_RUN_ID: parent_run_id,
            MACHINE: this_process(),
        },
    )
    return Begun(plan, composer, url, storage, locks, study, store, parent_run_id, rules_of(plan, study))


def join(plan: Plan, composer: Composer) -> Begun:
    """Join a sweep that has begun.

    Raises:
        ConfigError: there is none of that name, it was begun with other settings, or it is at work on another machine.
    """
    from fnmask.open_store import open_store

    url = storage_url(plan.study.storage, plan.base.root)
    locks, storage = StudyLocks(url, plan.name), open_study_storage(plan)
    study = load_study(storage, plan.name)
    attributes = study.user_attrs
    check_fingerprint(plan.name, attributes[FINGERPRINT], plan.fingerprint)
    check_machine(study, locks, plan)
    store, rules = open_store(plan.base), rules_of(plan, study)
    return Begun(plan, composer, url, storage, locks, study, store, attributes[PARENT_RUN_ID], rules)


def best_known_controls(plan: Plan, composer: Composer, storage: optuna.storages.RDBStorage) -> tuple[Control, ...]:
    """The best settings of earlier studies, as far as the budget has room for them."""
    if not plan.study.best_known:
        return ()
    settings = find_best_known(storage, directions=plan.study.directions, but=plan.name)
    found = make_best_known(composer, plan.space, plan.fixed, settings)
    # Where the budget is given, the search must have something of it.
    n_controls = len(plan.controls) + len(found)
    return found if plan.study.n_trials is None or plan.study.n_trials > n_controls else ()


def rules_of(plan: Plan, study: optuna.Study) -> Rules:
    """When the sweep is over, by its plan and by what its study was begun with."""
    attributes = study.user_attrs
    return Rules(
        n_trials=attributes[BUDGET],
        controls=settled_controls(attributes.get(CONTROLS, ())),
        grid=plan.grid,
        n_combinations=plan.n_combinations,
        max_failures=plan.study.max_failures,
        max_retries=plan.study.max_retries,
        session=attributes[SESSION],
    )
