"""A multirun from the command line to its exit code: plan, study, workers, comparison."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from hydra.types import HydraContext
from omegaconf import DictConfig
from optuna.trial import TrialState
from rich.console import Console
from sqlalchemy.engine import URL

from fnmask.backend import load_backend
from fnmask.binding import ConfigError
from fnmask.checked import describe_warnings, require_checked
from fnmask.project import browse_text, report_dir
from fnmask.sweep.begin import Begun, begin, best_known_controls
from fnmask.sweep.composer import Composer
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import train_here
from fnmask.sweep.launch import IN_PROCESS, WorkerJob, check_workers, launch_workers, launcher_name
from fnmask.sweep.locks import StudyBusyError, StudyLocks
from fnmask.sweep.machine import is_local
from fnmask.sweep.monitor import SweepMonitor
from fnmask.sweep.open_study import load_study, open_study_storage
from fnmask.sweep.plan import Plan, make_plan
from fnmask.sweep.storage import STORAGE_ERRORS, storage_url
from fnmask.sweep.study import SESSION, STOP, WORKER, Control, finished, stop_session
from fnmask.sweep.wording import describe_plan
from fnmask.tracking.passwords import hide_passwords

# Sweep outcome -> exit code. A refused one (code 2) trained nothing.
EXIT_CODES = {"finished": 0, "error": 1, "stopped": 3, "incomplete": 4, "interrupted": 130}
REFUSED = 2

# Launches in a row that bring no trial to an end, before the sweep is left incomplete.
_FRUITLESS_LAUNCHES = 3
_LOOK_AGAIN_S = 1.0
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
        report = require_checked(
            plan.base, on_check=lambda n_images: _say(console, f"Checking the data set: {n_images} images")
        )
        _say(console, describe_warnings(report).rstrip() or f"Data: {report.summary()}.")
        if url.get_backend_name() != "sqlite":
            open_study_storage(plan)  # says what is wrong with a server, before the first lock is asked of it
        with StudyLocks(url, plan.name).sweep():
            begun = begin(plan, composer, arguments)
            return _Call(begun, context, master, tuple(arguments), console).run()
    except (ConfigError, StudyBusyError) as error:
        print(f"Nothing was trained.\n{error}", file=sys.stderr)
        return REFUSED


def _dry_run(plan: Plan, composer: Composer, url: URL, console: Console) -> int:
    known: tuple[Control, ...] = ()
    # Looking must not make a database.
    if url.get_backend_name() != "sqlite" or Path(str(url.database)).is_file():
        known = best_known_controls(plan, composer, open_study_storage(plan))
    _say(console, describe_plan(plan, (*plan.controls, *known)))
    from fnmask.sweep.probe import describe_estimate, probe

    n_trials = plan.budget(len(plan.controls) + len(known))
    _say(console, describe_estimate(probe(plan), n_trials * plan.study.seeds, n_workers=max(1, plan.study.n_workers)))
    return 0


@dataclass
class _Call:
    """One call of a sweep that has begun: its workers, its display, its end."""

    begun: Begun
    context: HydraContext
    master: DictConfig
    arguments: tuple[str, ...]
    console: Console

    def run(self) -> int:
        begun, n_trials = self.begun, self.begun.rules.n_trials
        n_finished = len(finished(begun.study))
        _say(self.console, describe_plan(begun.plan, begun.rules.controls, n_trials=n_trials))
        if n_finished:
            _say(self.console, f"{n_finished} of {n_trials} trials were finished by an earlier call.")
        # What a killed call left open.
        begun.close(None)
        outcome = "error"
        try:
            outcome = "finished" if n_finished >= n_trials else self._drive()
        except KeyboardInterrupt:
            outcome = "interrupted"
        except STORAGE_ERRORS as error:
            told = str(error.__cause__ or error).partition("\n")[0]
            print(f"The study's storage gave up: {told}\nRun the same command again once it is back.", file=sys.stderr)
            return EXIT_CODES["error"]
        except BaseException:
            self._close(outcome)
            raise
        self._close(outcome)
        self._report(outcome)
        return EXIT_CODES[outcome]

    def _drive(self) -> str:
        """Have the trials run, watching; returns how the sweep ended."""
        study = self.begun.plan.study
        in_process = launcher_name(self.master) == IN_PROCESS and study.n_workers == 1
        if in_process:
            # Before the display begins.
            _say(self.console, load_backend())
        # The display looks from a thread of its own, with a connection of its own.
        watched = load_study(open_study_storage(self.begun.plan), self.begun.plan.name)
        with Interruption("The running trial" if in_process else "Running trials") as interruption:
            monitor = SweepMonitor(
                watched,
                directions=study.directions,
                n_trials=self.begun.rules.n_trials,
                console=self.console,
                on_look=lambda: self._pass_on(interruption, watched),
            )
            with monitor:
                if in_process:
                    return train_here(self.begun, self.context, interruption=interruption)
                if study.n_workers == 0:
                    return self._watch(interruption)
                with interruption.raising():
                    return self._launch(interruption)

    def _watch(self, interruption: Interruption) -> str:
        """Wait for workers elsewhere."""
        storage = hide_passwords({"url": self.begun.url.render_as_string(hide_password=False)})["url"]
        _say(self.console, f"Start workers with: fnmask worker --study {self.begun.plan.name} --storage '{storage}'")
        while not interruption.is_requested:
            verdict = self.begun.verdict()
            if verdict not in (None, "wait"):
                return str(verdict)
            interruption.wait(_LOOK_AGAIN_S)
        return "interrupted"

    def _launch(self, interruption: Interruption) -> str:
        """Start workers, and again while some of them die but trials get done."""
        name, n_workers = self.begun.plan.name, self.begun.plan.study.n_workers
        # Jobs of a cluster have cores and devices of their own.
        n_here = 1 if "Slurm" in launcher_name(self.master) else n_workers
        job = WorkerJob(self.context, self.master, self.arguments, name, n_workers, n_here)
        fruitless = 0
        while fruitless < _FRUITLESS_LAUNCHES:
            n_finished = len(finished(self.begun.study))
            try:
                launch_workers(job)
            except Exception as error:  # each launcher has its own word for a dead worker
                told = str(error).strip().partition("\n")[0]
                _say(self.console, f"A worker died ({type(error).__name__}: {told})")
            self._part()
            verdict = self.begun.verdict()
            if verdict not in (None, "wait"):
                return str(verdict)
            if interruption.is_requested:
                return "interrupted"
            fruitless = fruitless + 1 if len(finished(self.begun.study)) == n_finished else 0
        return "incomplete"

    def _pass_on(self, interruption: Interruption, study: optuna.Study) -> None:
        """Tell workers in other processes to leave after their running trial. Those that are only watched go on."""
        if interruption.is_pressed and self.begun.plan.study.n_workers:
            attributes = study.user_attrs
            if attributes.get(STOP) != attributes[SESSION]:
                stop_session(study, attributes[SESSION])

    def _part(self) -> None:
        """Queue what this call's own workers left, once they are gone."""
        deadline_s = time.monotonic() + _PARTING_S
        while True:
            self.begun.recover()
            running = self.begun.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
            if (
                not any(is_local(trial.user_attrs.get(WORKER, {})) for trial in running)
                or time.monotonic() > deadline_s
            ):
                return
            time.sleep(0.2)

    def _close(self, outcome: str) -> None:
        """Leave nothing open that has ended."""
        if self.begun.plan.study.n_workers:
            self._part()
            self.begun.close(outcome)
        else:
            self.begun.close(None if outcome == "interrupted" else outcome)

    def _report(self, outcome: str) -> None:
        """The comparison, when there is something to compare; then how the sweep ended and what to type next."""
        begun, n_finished = self.begun, len(finished(self.begun.study))
        if begun.store is not None and begun.parent_run_id is not None and n_finished:
            from fnmask.compare.comparison import write_comparison

            folder = report_dir(begun.plan.base.root, begun.plan.name)
            try:
                comparison = write_comparison(begun.store, [begun.parent_run_id], folder)
            except Exception as error:  # the sweep has ended as it has, whatever becomes of its page
                _say(self.console, f"No comparison: {error}")
            else:
                # Already laid out: the console would wrap its lines again.
                print(comparison.table)
                _say(self.console, f"Report:  {comparison.report}\n{browse_text(comparison.view_link)}")
        told = f"Sweep {begun.plan.name}: {outcome}, {n_finished} of {begun.rules.n_trials} trials."
        advice = "" if outcome == "finished" else " Run the same command again to finish what is missing."
        _say(self.console, told + advice)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
