"""The server of `tests/postgres.py` keeps an Optuna study over a restart, at the same address."""

import gc
import time
from contextlib import closing

import optuna
import pytest
from optuna.storages import RDBStorage
from postgres import MAX_CONNECTIONS, missing_packages, running_postgres
from sweeping import load_trials

if missing_packages():
    pytest.skip(f"not installed: {', '.join(missing_packages())}", allow_module_level=True)

import psycopg2

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_study_outlives_a_restart(server, mode):
    url = server.url(f"study_{mode}")
    before = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    study = optuna.create_study(storage=before, study_name="kept")
    study.optimize(lambda trial: trial.suggest_float("alpha", 0, 1), n_trials=2)
    values = [trial.value for trial in study.trials]

    server.restart(mode)

    assert server.url(f"study_{mode}") == url
    after = RDBStorage(url)
    assert [trial.value for trial in optuna.load_study(storage=after, study_name="kept").trials] == values
    study.optimize(lambda trial: trial.suggest_float("alpha", 0, 1), n_trials=1)
    assert len(study.trials) == 3
    for storage in (before, after):
        storage.remove_session()
        storage.engine.dispose()


@pytest.fixture
def rarely_collected():
    """Python collects cycles seldom in a process that holds much, as one that has loaded TensorFlow."""
    gc.disable()
    yield
    gc.enable()


def test_asking_for_trials_leaves_no_connection(server, rarely_collected):
    url = server.url("asked")
    with pytest.raises(KeyError):
        load_trials("sweep", url)
    storage = RDBStorage(url)
    study = optuna.create_study(storage=storage, study_name="sweep")
    assert [load_trials("sweep", url) for _ in range(3)] == 3 * [study.trials]
    storage.remove_session()
    storage.engine.dispose()

    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as asking, asking.cursor() as cursor:
        # The server ends a connection a moment after its client has closed it.
        deadline_s = time.monotonic() + 10
        left = None
        while left != 1 and time.monotonic() < deadline_s:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'asked'")
            (left,) = cursor.fetchone()
            asking.rollback()
    assert left == 1


def test_a_restart_cuts_off_its_clients(server):
    address = server.url("clients").replace("+psycopg2", "")
    client = psycopg2.connect(address)
    cursor = client.cursor()
    cursor.execute("SHOW max_connections")
    assert cursor.fetchone() == (str(MAX_CONNECTIONS),)

    server.restart()

    with pytest.raises(psycopg2.OperationalError):
        cursor.execute("SELECT 1")
    client.close()


def test_a_stopped_server_refuses_and_can_be_started(server):
    address = server.url("stopped").replace("+psycopg2", "")
    server.stop()
    server.stop()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        psycopg2.connect(address)
    server.start()
    psycopg2.connect(address).close()


def test_a_server_restarts_in_a_folder_that_was_closed_to_its_user(tmp_path):
    with running_postgres(tmp_path / "server") as server:
        tmp_path.chmod(0o700)
        server.restart()
        assert server.url("open")
        tmp_path.chmod(0o700)
