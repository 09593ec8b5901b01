"""Kills workers of a dummy sweep at random moments, many times; prints what is left as JSON.

    python tests/faults/kill_points.py ROOT STORAGE N_TRIALS N_KILLS SEED

Everything is imported once; workers are forked, so that a life costs a fraction of a second. A ledger keeps the number
of every trial whose worker was told that the study has its result: none of them may be missing afterwards.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

# Three folders up is the checkout.
sys.path.insert(0, str(Path(__file__).parents[2]))

# Imported before any fork, and opening nothing.
from benchmarks.dummy import DummyTrial, begin_dummy, compose, words_of, work
from fnmask.sweep.begin import join
from fnmask.sweep.join import close_if_last
from fnmask.sweep.plan import make_plan
from fnmask.sweep.storage import open_storage, storage_url
from fnmask.sweep.study import outcome_of
from fnmask.sweep.worker import Worker

N_WORKERS = 2


def main() -> None:
    root, storage, n_trials, n_kills, seed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    words = words_of(root, storage, n_trials, **{"trainer.epochs": "1", "study.max_retries": "5"})
    run_forked(lambda: begin_dummy(words))
    chance = random.Random(seed)
    workers = {fork_worker(words, root, index) for index in range(N_WORKERS)}
    kills = lives = 0
    while workers:
        # From the middle of joining to some trials later.
        time.sleep(chance.uniform(0.1, 1.4))
        workers -= {pid for pid in workers if os.waitpid(pid, os.WNOHANG)[0]}
        if kills >= n_kills or not workers:
            continue
        at_once = min(chance.choice([1, 1, 1, len(workers)]), n_kills - kills)
        for pid in chance.sample(sorted(workers), at_once):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            workers.remove(pid)
            kills += 1
            lives += 1
            workers.add(fork_worker(words, root, N_WORKERS + lives))
    run_forked(lambda: print(json.dumps({"kills": kills, **look(words, root)})))


def fork_worker(words: list[str], root: Path, index: int) -> int:
    """A worker in a process of its own; returns its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with (root / "ledger").open("a", buffering=1) as ledger:
            keep_ledger(ledger)
            _, composer = compose(words)
            begun = join(make_plan(composer, words, with_options=False), composer)
            work(words, DummyTrial(), index=index, begun=begun)
            close_if_last(begun)
    finally:
        os._exit(0)


def keep_ledger(ledger) -> None:
    """Write down every trial that the study has taken as complete, once it has."""
    tell = Worker._tell

    def tell_and_note(self, trial, record, report):
        told = tell(self, trial, record, report)
        if told[0] == "complete":
            ledger.write(f"{trial.number}\n")
        return told

    Worker._tell = tell_and_note


def look(words: list[str], root: Path) -> dict[str, object]:
    """What Optuna and MLflow hold."""
    import optuna

    from fnmask.tracking.mlflow_store import MlflowStore

    _, composer = compose(words)
    plan = make_plan(composer, words, with_options=False)
    url = storage_url(plan.study.storage, plan.base.root)
    storage = open_storage(url, heartbeat_s=1, on_stale=lambda *_: None)
    trials = optuna.load_study(study_name=plan.name, storage=storage).get_trials(deepcopy=False)
    store = MlflowStore(root, "fnmask")
    parent = store.find_sweep(plan.name)
    runs = [[run.trial, run.run_id, run.status, run.tag("outcome")] for run in store.runs(parent.run_id)]
    return {
        "trials": [[trial.number, outcome_of(trial), trial.user_attrs, trial.params] for trial in trials],
        "runs": runs,
        "parent": [parent.status, parent.tag("outcome")],
        "ledger": [int(line) for line in (root / "ledger").read_text().split()],
    }


def run_forked(action) -> None:
    """In a process of its own: a connection that is open while a process forks serves neither of the two."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            action()
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        sys.exit("a forked step failed")


if __name__ == "__main__":
    main()
