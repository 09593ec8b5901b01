"""Plans made of the real `conf/` and `sweeps/`, empty studies, and workers on them whose trainings are made up."""

import json
import subprocess
import sys

import optuna
import pytest
from claiming import with_storage
from hydra._internal.callbacks import Callbacks
from hydra.types import HydraContext, RunMode
from made_up import Bench, Killed, Training
from remembering import RememberingLoader

from fnmask.binding import ConfigError
from fnmask.sweep.begin import begin
from fnmask.sweep.composer import Composer
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import run_worker
from fnmask.sweep.plan import make_plan
from fnmask.sweep.plugin import register
from fnmask.sweep.recovery import requeue_lost
from fnmask.sweep.storage import open_storage, storage_url
from fnmask.sweep.study import open_study
from fnmask.sweep.worker import Worker
from fnmask.train import register_resolvers


@pytest.fixture(scope="session")
def loader():
    register_resolvers()
    register()
    return RememberingLoader()


@pytest.fixture(scope="session")
def composer(loader):
    """A function from the words of a command line to what composes its trials."""
    return lambda *words: Composer(loader, loader.load_configuration("config", list(words), RunMode.MULTIRUN))


@pytest.fixture(scope="session")
def plan(composer):
    """A function from the words of a command line to its plan."""
    return lambda *words: make_plan(composer(*words), words)


@pytest.fixture(scope="session")
def faults(plan):
    def from_words(*words):
        with pytest.raises(ConfigError) as caught:
            plan(*words)
        return caught.value.faults

    return from_words


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database with Optuna's tables: making them takes longer than a test."""
    path = tmp_path_factory.mktemp("empty") / "optuna.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}").remove_session()
    return path.read_bytes()


@pytest.fixture
def database(tmp_path, empty_database):
    """File of a database without a study."""
    path = tmp_path / "optuna.db"
    path.write_bytes(empty_database)
    return path


@pytest.fixture
def reopen(database):
    """A function that opens the study `study` as a new process would, with nothing cached."""

    def open_again(*, directions=None, fingerprint=None, max_retries=2):
        storage = open_storage(
            storage_url(f"sqlite:///{database}", database.parent),
            heartbeat_s=10,
            on_stale=lambda study, trial: requeue_lost(study, trial, max_retries),
        )
        directions = directions or {"val/miou": "maximize"}
        return open_study(storage, name="study", directions=directions, fingerprint=fingerprint or {}), storage

    return open_again


@pytest.fixture(scope="session")
def dead_process():
    """A process of this machine that has ended."""
    code = "import json; from fnmask.sweep.machine import this_process; print(json.dumps(this_process()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def begin_sweep(tmp_path, monkeypatch, empty_mlflow, empty_database, composer, loader):
    """A function from the words of a command line to the sweep that it begins, or takes up."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "optuna.db").write_bytes(empty_database)
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)

    def from_words(*words):
        words = (f"root={tmp_path}", "trainer.epochs=2", *words)
        composing = composer(*words, "hydra/job_logging=none", "hydra/hydra_logging=none")
        return begin(make_plan(composing, words, with_options=False), composing, words)

    return from_words


@pytest.fixture
def context(loader):
    return HydraContext(config_loader=loader, callbacks=Callbacks())


@pytest.fixture
def work(context):
    """A function that is a worker of the sweep until it is over; returns how it ended."""

    def run(begun, learn=lambda config, epoch: 8, *, training=None, index=0):
        with Interruption() as interruption:
            return run_worker(
                begun, context, training or Training(learn), Bench(), interruption=interruption, index=index
            )

    return run


@pytest.fixture
def die(context, dead_process):
    """A function that is a worker until it is killed."""

    def run(begun, learn=lambda config, epoch: 8):
        with Interruption() as interruption, pytest.raises(Killed):
            Worker(begun, context, Training(learn), Bench(), interruption, 0, dead_process).run()

    return run


@pytest.fixture
def study(reopen):
    """An empty study that carries its storage."""
    return with_storage(*reopen())


@pytest.fixture
def again(reopen):
    """A function that opens the study as a new process would."""
    return lambda: with_storage(*reopen())
