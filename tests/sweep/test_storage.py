"""Addresses of storages, and what to do while one does not answer."""

import logging
import sqlite3
import subprocess
import sys
import time
import warnings

import optuna
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError

from fnmask.binding import ConfigError
from fnmask.sweep.storage import open_storage, patiently, quietly, storage_url


def refusal(given, root):
    with pytest.raises(ConfigError) as caught:
        storage_url(given, root)
    (fault,) = caught.value.faults
    return fault


def open_it(address, root):
    return open_storage(storage_url(address, root), heartbeat_s=10, on_stale=lambda study, trial: None)


def test_without_an_address_it_is_the_project_s_own(tmp_path):
    url = storage_url(None, tmp_path)
    assert (url.get_backend_name(), url.database) == ("sqlite", str(tmp_path / "mlruns" / "optuna.db"))


@pytest.mark.parametrize("address", ["sqlite:///a.db", "postgresql+psycopg2://ann:s3cret@host/trials"])
def test_what_is_allowed(address, tmp_path):
    assert storage_url(address, tmp_path) == make_url(address)


@pytest.mark.parametrize(
    "address", ["ann:s3cret@host", "s3cret", "sqlite:s3cret", "postgresql://ann:s3cret@host:port/x"]
)
def test_what_is_no_address_is_refused_without_repeating_it(address, tmp_path):
    assert refusal(address, tmp_path) == (
        "study.storage: not an address. Allowed: sqlite:///FILE, postgresql+psycopg2://..."
    )


@pytest.mark.parametrize(
    "address", ["mysql://ann:s3cret@host/trials", "redis://:s3cret@localhost", "journal://s3cret", "oracle://s3cret"]
)
def test_another_database_is_refused_by_its_kind_alone(address, tmp_path):
    kind = address.partition(":")[0]
    assert refusal(address, tmp_path) == (
        f"study.storage: got '{kind}'. Allowed: sqlite:///FILE on one machine, postgresql+psycopg2://... beyond."
    )


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(address, tmp_path):
    told = "study.storage: a database in memory ends with its process. Give sqlite:///FILE."
    assert refusal(address, tmp_path) == told


@pytest.mark.parametrize("driver", ["postgresql+nothing", "postgresql+psycopg2"])
def test_a_server_that_cannot_be_reached_is_told_without_its_password(driver, tmp_path):
    with pytest.raises(ConfigError, match=r"^study\.storage: cannot be opened \(\w+: ") as caught:
        open_it(f"{driver}://ann:s3cret@127.0.0.1:1/trials", tmp_path)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None, "nor in a traceback"
    assert caught.value.__suppress_context__


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("no database, but longer than a header would be " * 40)
    with pytest.raises(ConfigError, match=r"^study\.storage: cannot be opened \(DatabaseError: file is not a database"):
        open_it(f"sqlite:///{tmp_path}/notes.txt", tmp_path)


def test_opening_makes_the_folder_and_the_tables(tmp_path):
    storage = open_it(f"sqlite:///{tmp_path}/new/folder/optuna.db", tmp_path)
    assert optuna.get_all_study_names(storage) == []
    assert storage.get_heartbeat_interval() == 10
    # One that misses nine of them is gone.
    assert storage.grace_period == 90


def test_optuna_says_nothing_below_a_warning(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.INFO)
    open_it(None, tmp_path)
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING


def test_quietly_hides_what_optuna_says_of_itself_alone():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quietly():
            warnings.warn("new", optuna.exceptions.ExperimentalWarning, stacklevel=1)
            warnings.warn("Heartbeat of storage is supposed to be used with Study.optimize.", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["something else"]


class Away:
    """A database whose folder is made at the third attempt."""

    def __init__(self, folder, *, there_at=3):
        self.engine = create_engine(f"sqlite:///{folder}/some.db")
        self.folder, self.there_at, self.attempts = folder, there_at, 0

    def ask(self):
        self.attempts += 1
        if self.attempts == self.there_at:
            self.folder.mkdir()
        with self.engine.connect() as connection:
            return connection.execute(text("select 7")).scalar()


def test_a_database_that_is_away_is_asked_again(tmp_path, caplog):
    away = Away(tmp_path / "later")
    assert patiently(away.ask) == 7
    assert away.attempts == 3
    told = "The study's storage does not answer (OperationalError); trying again."
    assert [record.getMessage() for record in caplog.records] == [told] * 2
    away.engine.dispose()


def test_but_not_for_ever(tmp_path):
    away = Away(tmp_path / "later")
    with pytest.raises(OperationalError):
        patiently(away.ask, patience_s=0.05)
    assert away.attempts == 2


def test_optuna_s_own_word_for_it_counts_as_well():
    answers = [sqlite3.OperationalError("database is locked"), None]

    def act():
        error = answers.pop(0)
        if error is not None:
            raise optuna.exceptions.StorageInternalError("no answer") from OperationalError("select 1", {}, error)
        return "done"

    assert patiently(act) == "done"


@pytest.mark.parametrize("error", [IntegrityError("insert", {}, sqlite3.IntegrityError("UNIQUE")), KeyError("x")])
def test_a_database_that_has_answered_is_not_asked_again(error):
    attempts = []

    def act():
        attempts.append(1)
        raise error

    with pytest.raises(type(error)):
        patiently(act)
    assert attempts == [1]


def test_a_study_outlives_a_database_that_is_away_for_a_moment(tmp_path):
    storage = open_it(f"sqlite:///{tmp_path}/here/optuna.db", tmp_path)
    study = optuna.create_study(storage=storage, study_name="study")
    (tmp_path / "here").rename(tmp_path / "away")
    storage.engine.dispose()

    class Returning:
        """Puts the database back once it has been missed."""

        def filter(self, record):
            if (tmp_path / "away").exists():
                (tmp_path / "away").rename(tmp_path / "here")
            return True

    log, returning = logging.getLogger("fnmask.sweep.storage"), Returning()
    log.addFilter(returning)
    try:
        study.set_user_attr("fnmask:stop", 3)
    finally:
        log.removeFilter(returning)
    assert not (tmp_path / "away").exists(), "it was missed"
    assert optuna.load_study(study_name="study", storage=storage).user_attrs == {"fnmask:stop": 3}


@pytest.mark.slow
def test_many_may_open_a_new_database_at_once(tmp_path):
    script = (
        "import sys, time\nfrom sqlalchemy.engine import make_url\nfrom fnmask.sweep.storage import open_storage\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "open_storage(make_url(sys.argv[1]), heartbeat_s=1, on_stale=lambda *_: None)\n"
    )
    command = [sys.executable, "-c", script, f"sqlite:///{tmp_path / 'new.db'}", str(time.time() + 8)]
    openers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [opener.communicate()[1] for opener in openers]
    assert [opener.returncode for opener in openers] == [0] * 4, said
