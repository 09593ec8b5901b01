"""A multirun from the command line to its exit code: plan, study, workers, comparison."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.trial import TrialState
from rich.console import Console
from sqlalchemy.engine import URL

from fnmask.backend import load_backend
from fnmask.binding import ConfigError
from fnmask.cli import report_dir
from fnmask.config import digest
from fnmask.sweep.best_known import find_best_known
from fnmask.sweep.claims import judge, recover
from fnmask.sweep.composer import Composer
from fnmask.sweep.controls import make_best_known
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import check_machine, load_study, open_study_storage, reconcile, rules_of
from fnmask.sweep.launch import IN_PROCESS, WorkerJob, check_workers, launch_workers, launcher_name
from fnmask.sweep.locks import StudyBusyError, StudyLocks
from fnmask.sweep.machine import is_local
from fnmask.sweep.monitor import SweepMonitor
from fnmask.sweep.plan import Plan, make_plan
from fnmask.sweep.storage import patiently, storage_url
from fnmask.sweep.study import (
    SESSION,
    STOP,
    WORKER,
    Control,
    begin_session,
    finished,
    open_study,
    settle_controls,
    stop_session,
)
from fnmask.sweep.wording import describe_plan
from fnmask.tracking.lineage import lineage_tags

if TYPE_CHECKING:
    from fnmask.tracking.mlflow_store import MlflowStore

# Sweep outcome -> exit code. A refused one (code 2) trained nothing.
EXIT_CODES = {"finished": 0, "error": 1, "stopped": 3, "incomplete": 4, "interrupted": 130}
REFUSED = 2

# Launches in a row that bring no trial to an end, before the sweep is left incomplete.
_FRUITLESS_LAUNCHES = 3
# Seconds that killed workers are given to be gone.
_PARTING_S = 10.0


def sweep(context: HydraContext, master: DictConfig, arguments: Sequence[str]) -> int:
    """Run a sweep, or finish the one that an earlier call of the same command began.

    Returns:
        The exit code.
    """
    console = Console()
    try:
        composer = Composer(context.config_loader, master)
        plan = make_plan(composer, arguments)
        url = storage_url(plan.study.storage, plan.base.root)
        check_workers(master, plan.study.n_workers, url.get_backend_name())
        if plan.study.dry_run:
            return _dry_run(plan, composer, url, console)
        with StudyLocks(url, plan.name).sweep():
            return _Sweep(plan, composer, context, master, tuple(arguments), url, console).run()
    except (ConfigError, StudyBusyError) as error:
        print(f"Nothing was trained.\n{error}", file=sys.stderr)
        return REFUSED


def _dry_run(plan: Plan, composer: Composer, url: URL, console: Console) -> int:
    known: tuple[Control, ...] = ()
    # Looking must not make a database.
    if url.get_backend_name() != "sqlite" or StudyLocks.exists(url):
        known = _best_known(plan, composer, open_study_storage(plan))
    _say(console, describe_plan(plan, known))
    from fnmask.sweep.probe import describe_estimate, probe

    _say(console, describe_estimate(plan, probe(plan), n_controls=len(plan.controls) + len(known)))
    return 0


def _best_known(plan: Plan, composer: Composer, storage: optuna.storages.RDBStorage) -> tuple[Control, ...]:
    if not plan.study.best_known:
        return ()
    settings = find_best_known(storage, directions=plan.study.directions, but=plan.name)
    found = make_best_known(composer, plan.space, plan.fixed, settings)
    # Where a budget was given it stays, and the search must have something of it.
    return found if plan.n_trials - len(plan.controls) > len(found) else ()


@dataclass
class _Sweep:
    """One call of a sweep that has not been refused."""

    plan: Plan
    composer: Composer
    context: HydraContext
    master: DictConfig
    arguments: tuple[str, ...]
    url: URL
    console: Console

    def run(self) -> int:
        plan = self.plan
        self.locks = StudyLocks(self.url, plan.name)
        self.storage = open_study_storage(plan)
        self.study = open_study(
            self.storage, name=plan.name, directions=plan.study.directions, fingerprint=plan.fingerprint
        )
        check_machine(self.study, self.locks, plan)
        self.store, self.parent_run_id = self._open_store()
        known = _best_known(plan, self.composer, self.storage)
        controls = settle_controls(self.study, (*plan.controls, *known))
        self.n_trials = plan.n_trials
        if plan.study.n_trials is None:  # a whole grid
            self.n_trials += len(controls) - len(plan.controls)
        self.session = begin_session(
            self.study, arguments=_shareable(self.arguments), n_trials=self.n_trials, parent_run_id=self.parent_run_id
        )
        self.rules = rules_of(plan, self.study)
        n_finished = len(finished(self.study))
        _say(self.console, describe_plan(plan, [control for control in controls if control.name == "best_known"]))
        if n_finished:
            _say(self.console, f"{n_finished} of {self.n_trials} trials were finished by an earlier call.")
        outcome = "error"
        try:
            outcome = "finished" if n_finished >= self.n_trials else self._drive()
        except KeyboardInterrupt:
            outcome = "interrupted"
        finally:
            self._close(outcome)
        self._report(outcome)
        return EXIT_CODES[outcome]

    def _open_store(self) -> "tuple[MlflowStore | None, str | None]":
        # MLflow takes two seconds to load; a sweep that is refused answers without it.
        from fnmask.open_store import open_store

        store = open_store(self.plan.base)
        if store is None:
            return None, None
        tags = lineage_tags(self.plan.base.root) | {"fnmask.fingerprint": digest(self.plan.fingerprint)}
        return store, store.open_sweep(study=self.plan.name, tags=tags, params=self.plan.fingerprint)

    def _drive(self) -> str:
        """Have the trials run, watching; returns how the sweep ended."""
        in_process = launcher_name(self.master) == IN_PROCESS and self.plan.study.n_workers == 1
        if in_process:
            # Loaded only now that something will be trained, and before the display begins.
            _say(self.console, load_backend())
        watched = load_study(open_study_storage(self.plan), self.plan.name)
        with Interruption("The running trial" if in_process else "Running trials") as interruption:
            monitor = SweepMonitor(
                watched,
                directions=self.plan.study.directions,
                n_trials=self.n_trials,
                console=self.console,
                on_look=lambda: self._pass_on(interruption, watched),
            )
            # Jobs of a launcher write to this terminal themselves.
            with monitor:
                if in_process:
                    return self._work(interruption)
                if self.plan.study.n_workers == 0:
                    return self._watch(interruption)
                with interruption.cutting():
                    return self._launch(interruption)

    def _work(self, interruption: Interruption) -> str:
        """Be the one worker."""
        from fnmask.sweep.worker import Worker
        from fnmask.trial import run_trial
        from fnmask.workbench import Workbench

        worker = Worker(
            plan=self.plan,
            composer=self.composer,
            context=self.context,
            study=self.study,
            storage=self.storage,
            locks=self.locks,
            rules=self.rules,
            store=self.store,
            parent_run_id=self.parent_run_id,
            run_trial=run_trial,
            workbench=Workbench(),
            interruption=interruption,
        )
        with self.locks.worker():
            return worker.run()

    def _watch(self, interruption: Interruption) -> str:
        """Wait for workers elsewhere."""
        _say(
            self.console,
            f"Waiting for workers. Start one with: fnmask worker --study {self.plan.name} --storage "
            f"'{self.url.render_as_string(hide_password=True)}'",
        )
        while not interruption.is_requested:
            verdict = self._verdict()
            if verdict not in (None, "wait"):
                return str(verdict)
            interruption.wait(1.0)
        return "interrupted"

    def _launch(self, interruption: Interruption) -> str:
        """Start workers, and again while some of them die but trials get done."""
        job = WorkerJob(self.context, self.master, self.arguments, self.plan.name, self.plan.study.n_workers)
        fruitless = 0
        while fruitless < _FRUITLESS_LAUNCHES:
            n_finished = len(finished(self.study))
            try:
                launch_workers(job)
            except Exception as error:  # each launcher has its own word for a dead worker
                _say(
                    self.console, f"A worker died ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]})"
                )
            self._part()
            verdict = self._verdict()
            if verdict not in (None, "wait"):
                return str(verdict)
            if interruption.is_requested:
                return "interrupted"
            fruitless = fruitless + 1 if len(finished(self.study)) == n_finished else 0
        return "incomplete"

    def _pass_on(self, interruption: Interruption, study: optuna.Study) -> None:
        """Tell workers in other processes to leave after their running trial. Those that are only watched go on."""
        if interruption.is_requested and self.plan.study.n_workers and study.user_attrs.get(STOP) != self.session:
            stop_session(study, self.session)

    def _verdict(self) -> str | None:
        def look() -> str | None:
            with self.locks.claim():
                recover(self.study, self.rules.max_retries)
            attributes = self.study.user_attrs
            return judge(
                self.study.get_trials(deepcopy=False), self.rules, stopped=attributes.get(STOP) == attributes[SESSION]
            )

        return patiently(look)

    def _part(self) -> None:
        """Queue what this call's own workers left, once they are gone."""
        deadline_s = time.monotonic() + _PARTING_S
        while True:
            with self.locks.claim():
                recover(self.study, self.rules.max_retries)
            running = self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
            if not any(is_local(trial.user_attrs[WORKER]) for trial in running) or time.monotonic() > deadline_s:
                return
            time.sleep(0.2)

    def _close(self, outcome: str) -> None:
        """Leave nothing open that has ended."""
        watched_only = self.plan.study.n_workers == 0
        if not watched_only:
            patiently(self._part)
        if self.store is not None and self.parent_run_id is not None:
            reconcile(self.study, self.store, self.parent_run_id)
            if not (watched_only and outcome == "interrupted"):
                self.store.close_sweep(self.parent_run_id, outcome)

    def _report(self, outcome: str) -> None:
        """The comparison, when there is something to compare; then how the sweep ended and what to type next."""
        if self.store is not None and self.parent_run_id is not None and finished(self.study):
            from fnmask.compare.comparison import write_comparison

            try:
                comparison = write_comparison(
                    self.store, self.parent_run_id, report_dir(self.plan.base.root, self.plan.name)
                )
            except (LookupError, OSError, ValueError) as error:
                _say(self.console, f"No comparison: {error}")
            else:
                # Already laid out: the console would wrap its lines again.
                print(comparison.table)
                _say(self.console, f"Report:  {comparison.report}\nBrowse:  mlflow ui")
        told = f"Sweep {self.plan.name}: {outcome}, {len(finished(self.study))} of {self.n_trials} trials."
        advice = "" if outcome == "finished" else " Run the same command again to finish what is missing."
        _say(self.console, told + advice)


def _shareable(arguments: Sequence[str]) -> list[str]:
    """Overrides that a worker elsewhere repeats: all but the address of the storage, which may hold a password."""
    return [text for text in arguments if not text.lstrip("+~").startswith("study.storage")]


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
