"""Sweeps in processes of their own, and what they leave in Optuna and MLflow."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import optuna
from composing import SMALL

from fnmask.sweep.study import ATTEMPT, RETRY_OF, RUN_ID, outcome_of
from fnmask.tracking.mlflow_store import MlflowStore

CHECKOUT = Path(__file__).parent.parent
TRAIN = CHECKOUT / "train.py"
JOBLIB = ("hydra/launcher=joblib", "study.n_workers=2")

# Two controls and three combinations, of trials long enough to be stopped in an epoch.
QUICKSTART = ("+sweeps=quickstart", "seed=0", "trainer.epochs=60", "study.heartbeat_s=1")
BUDGET = 5


def sqlite(root):
    return f"sqlite:///{root / 'mlruns' / 'optuna.db'}"


def environment(**changes):
    """Of a sweep: no tracking server of somebody else's, and no greetings of TensorFlow."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3"} | changes


def train_command(root, *words, storage=None):
    """A sweep of small trials."""
    place = [f"root={root}", *([f"study.storage='{storage}'"] if storage else [])]
    return [sys.executable, str(TRAIN), "--multirun", *place, *SMALL, *words]


STARTED: list["Running"] = []


def kill_what_is_left():
    """Of all that this process has started; a failing test must not leave workers behind."""
    for running in STARTED:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait()
    STARTED.clear()


class Running:
    """A command in the background, in a group of processes of its own, with its output in a file."""

    def __init__(self, command, folder, **changes):
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"log{time.monotonic_ns()}"
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment(**changes),
                start_new_session=True,
            )
        STARTED.append(self)

    @property
    def text(self):
        return self.log.read_text()

    def wait_for(self, text, *, times=1, timeout_s=180):
        """Until the output holds the text so many times."""
        deadline_s = time.monotonic() + timeout_s
        while self.text.count(text) < times:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline_s, self.text
            time.sleep(0.05)

    def end(self, timeout_s=400):
        """The exit code."""
        return self.process.wait(timeout_s)

    def send(self, number):
        """A signal to the process alone."""
        self.process.send_signal(number)

    def press_ctrl_c(self):
        """As a terminal does: to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def children(self):
        """Workers that joblib has started, oldest first."""
        listed = subprocess.run(
            ["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
        return [int(pid) for pid, parent, args in rows if int(parent) == self.process.pid and "LokyProcess" in args]

    def kill_all(self):
        """kill -9 of the process and of everything that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def run_sweep(root, *words, storage=None, **changes):
    """A sweep to its end; returns exit code and output."""
    running = Running(train_command(root, *words, storage=storage), root, **changes)
    return running.end(), running.text


def load_trials(name, storage):
    """Of a study at an address; no connection is left behind, since tests ask until something has happened."""
    opened = optuna.storages.RDBStorage(storage)
    try:
        return optuna.load_study(study_name=name, storage=opened).get_trials(deepcopy=False)
    finally:
        opened.remove_session()
        opened.engine.dispose()


def check_books(root, name, storage, *, budget):
    """Optuna and MLflow tell the same story, and the budget is exact; returns how many trials ended how."""
    trials = load_trials(name, storage)
    outcomes = Counter(outcome_of(trial) for trial in trials)
    finished = {trial.number: trial for trial in trials if outcome_of(trial) in ("complete", "infeasible", "pruned")}
    assert len(finished) == budget, outcomes
    assert not set(outcomes) & {"running", "queued"}, outcomes
    # A trial that was run again counts once.
    first = Counter(trial.user_attrs.get(RETRY_OF, number) for number, trial in finished.items())
    assert set(first.values()) == {1}
    assert all(trial.user_attrs.get(ATTEMPT, 0) <= 5 for trial in trials)
    store = MlflowStore(root, "fnmask")
    parent = store.find_sweep(name)
    runs = store.runs(parent.run_id)
    assert {run.status for run in runs} <= {"FINISHED", "FAILED", "KILLED"}
    counted = {run.run_id: run.trial for run in runs if run.status == "FINISHED"}
    assert counted == {trial.user_attrs[RUN_ID]: number for number, trial in finished.items()}
    assert (parent.status, parent.tag("outcome")) == ("FINISHED", "finished")
    return outcomes
