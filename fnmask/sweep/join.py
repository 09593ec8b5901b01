"""Be a worker of a sweep that has begun, in a process of its own."""

from contextlib import suppress

from hydra.types import HydraContext

from fnmask.backend import load_backend
from fnmask.result import Bench, RunTrial
from fnmask.sweep.begin import Begun
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.locks import StudyBusyError


def train_here(begun: Begun, context: HydraContext, *, interruption: Interruption, index: int = 0) -> str:
    """Train trials in this process until there is nothing left to run.

    Returns:
        How the sweep, or this worker, has ended: `finished`, `stopped`, `incomplete` or `interrupted`.

    Raises:
        ConfigError: the storage cannot take another worker.
    """
    # Loaded only now that something will be trained.
    load_backend()
    from fnmask.trial import run_trial
    from fnmask.workbench import Workbench

    return run_worker(begun, context, run_trial, Workbench(), interruption=interruption, index=index)


def run_worker(
    begun: Begun,
    context: HydraContext,
    run_trial: RunTrial,
    workbench: Bench,
    *,
    interruption: Interruption,
    index: int = 0,
) -> str:
    """The same, with anything that runs a trial.

    Args:
        begun: the sweep.
        context: Hydra's.
        run_trial: trains one trial.
        workbench: what is kept from trial to trial.
        interruption: how this process is asked to stop.
        index: of this worker, from 0.
    """
    from fnmask.sweep.worker import Worker

    with begun.locks.worker():
        worker = Worker(begun, context, run_trial, workbench, interruption, index)
        try:
            return worker.run()
        except KeyboardInterrupt:
            return "interrupted"


def close_if_last(begun: Begun) -> None:
    """Close the run of a sweep that nobody watches, when its last trial has been run."""
    verdict = begun.verdict()
    if verdict in ("finished", "stopped", "incomplete"):
        # Where it is held, somebody watches, and will close it.
        with suppress(StudyBusyError), begun.locks.sweep():
            begun.close(verdict)
