"""A multirun from the command line to its exit code: plan, study, worker, comparison."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from hydra.types import HydraContext
from omegaconf import DictConfig
from rich.console import Console

from fnmask.backend import load_backend
from fnmask.binding import ConfigError
from fnmask.cli import report_dir
from fnmask.config import digest
from fnmask.progress import SweepProgress
from fnmask.sweep.composer import Composer
from fnmask.sweep.plan import Plan, make_plan
from fnmask.sweep.study import StudyBusyError, fail_lost_trials, finished, only_process, open_study, outcome_of
from fnmask.tracking.lineage import lineage_tags

if TYPE_CHECKING:
    from fnmask.tracking.mlflow_store import MlflowStore

# Sweep outcome -> exit code. A refused one (code 2) trained nothing.
EXIT_CODES = {"finished": 0, "error": 1, "stopped": 3, "incomplete": 4, "interrupted": 130}
REFUSED = 2


def sweep(context: HydraContext, master: DictConfig, arguments: Sequence[str]) -> int:
    """Run a sweep, or finish the one that an earlier call of the same command began.

    Returns:
        The exit code.
    """
    console = Console()
    try:
        composer = Composer(context.config_loader, master)
        plan = make_plan(composer, arguments)
        if plan.study.dry_run:
            _say(console, describe_plan(plan))
            return 0
        lock = plan.base.root / "mlruns" / f".{plan.name}.lock"
        with only_process(lock, plan.name):
            return _run(plan, composer, context, console)
    except (ConfigError, StudyBusyError) as error:
        print(f"Nothing was trained.\n{error}", file=sys.stderr)
        return REFUSED


def describe_plan(plan: Plan) -> str:
    """The sweep in words."""
    lines = [f"sweep {plan.name}: {plan.n_trials} trials, {len(plan.controls)} of them controls"]
    lines += [f"  {key} = {text}" for key, text in plan.space.describe().items()]
    for control in plan.controls:
        own = [text for text in control.overrides if text not in plan.fixed]
        lines.append(f"  control {control.name}: {' '.join(own)}")
    return "\n".join(lines)


def _run(plan: Plan, composer: Composer, context: HydraContext, console: Console) -> int:
    storage = plan.study.storage or f"sqlite:///{plan.base.root / 'mlruns' / 'optuna.db'}"
    study = open_study(plan.study, name=plan.name, storage=storage, fingerprint=plan.fingerprint)
    # MLflow takes two seconds to load; a sweep that is refused answers without it.
    from fnmask.open_store import open_store

    store, parent_run_id = open_store(plan.base), None
    if store is not None:
        tags = lineage_tags(plan.base.root) | {"fnmask.fingerprint": digest(plan.fingerprint)}
        parent_run_id = store.open_sweep(study=plan.name, tags=tags, params=plan.fingerprint)
    fail_lost_trials(study)
    n_finished = len(finished(study))
    _say(console, describe_plan(plan))
    if n_finished:
        _say(console, f"{n_finished} of {plan.n_trials} trials were finished by an earlier call.")
    outcome = "error"
    try:
        if n_finished >= plan.n_trials:
            outcome = "finished"
        else:
            # Loaded only now that something will be trained.
            _say(console, load_backend())
            from fnmask.sweep.worker import Worker

            with SweepProgress(plan.n_trials, n_finished=n_finished, console=console) as progress:
                outcome = Worker(plan, composer, context, study, store, parent_run_id, progress).run()
    except KeyboardInterrupt:
        outcome = "interrupted"
    finally:
        fail_lost_trials(study)
        if store is not None and parent_run_id is not None:
            outcomes = {trial.number: outcome_of(trial) for trial in study.get_trials(deepcopy=False)}
            store.reconcile(parent_run_id, outcomes)
            store.close_sweep(parent_run_id, outcome)
    _report(plan, study, store, outcome, console)
    return EXIT_CODES[outcome]


def _report(plan: Plan, study: optuna.Study, store: "MlflowStore | None", outcome: str, console: Console) -> None:
    """The comparison, when there is something to compare; then how the sweep ended and what to type next."""
    if store is not None and finished(study):
        from fnmask.compare.comparison import write_comparison

        try:
            comparison = write_comparison(store, plan.name, report_dir(plan.base.root, plan.name))
        except (LookupError, OSError, ValueError) as error:
            _say(console, f"No comparison: {error}")
        else:
            # Already laid out: the console would wrap its lines again.
            print(comparison.table)
            _say(console, f"Report:  {comparison.report}\nBrowse:  mlflow ui")
    advice = "" if outcome == "finished" else " Run the same command again to finish what is missing."
    _say(console, f"Sweep {plan.name}: {outcome}, {len(finished(study))} of {plan.n_trials} trials.{advice}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
