"""The locks of a study beside its SQLite database, between real processes."""

import subprocess
import sys
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy.engine import make_url

from fnmask.binding import ConfigError
from fnmask.sweep.locks import SAFE_SQLITE_WORKERS, StudyBusyError, StudyLocks
from fnmask.sweep.machine import this_process

# Holds the locks that it is told, until it is killed or told to go.
HOLD = """
import contextlib, sys
from sqlalchemy.engine import make_url
from fnmask.sweep.locks import StudyLocks
locks = StudyLocks(make_url(sys.argv[1]), "study")
with contextlib.ExitStack() as held:
    for kind in sys.argv[2:]:
        held.enter_context(getattr(locks, kind)())
    print("held", flush=True)
    sys.stdin.read()
"""

# Reads a number and writes back the next one: two at a time would lose some.
COUNT = """
import sys, time
from pathlib import Path
from sqlalchemy.engine import make_url
from fnmask.sweep.locks import StudyLocks
counter = Path(sys.argv[2])
for _ in range(25):
    with StudyLocks(make_url(sys.argv[1]), "study").claim():
        number = int(counter.read_text())
        time.sleep(0.001)
        counter.write_text(str(number + 1))
"""


@pytest.fixture
def url(tmp_path):
    return make_url(f"sqlite:///{tmp_path / 'mlruns' / 'optuna.db'}")


@pytest.fixture
def locks(url):
    return StudyLocks(url, "study")


@contextmanager
def holding(url, *kinds):
    """Another process that holds the locks."""
    words = [sys.executable, "-c", HOLD, str(url), *kinds]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def test_a_second_sweep_is_refused_and_told_by_whom(url, locks):
    with holding(url, "sweep") as other:
        told = (
            f"study.name: 'study' is being run by process {other.pid} on {this_process()['host']}. Wait for it, add a "
            "worker to it with 'fnmask worker --study study', or give study.name=ANOTHER."
        )
        with pytest.raises(StudyBusyError) as caught, locks.sweep():
            pass
        assert str(caught.value) == told
        # Being refused does not take the name away.
        with pytest.raises(StudyBusyError) as caught, locks.sweep():
            pass
        assert str(caught.value) == told
        with StudyLocks(url, "another").sweep(), locks.worker(), locks.claim():
            pass
        other.kill()
        other.wait()
        # A lock goes with the process that held it, however it ended.
        with locks.sweep():
            pass


def test_a_sweep_that_has_ended_gives_its_lock_back(url, locks):
    with pytest.raises(ZeroDivisionError), locks.sweep():
        raise ZeroDivisionError
    with holding(url, "sweep"), pytest.raises(StudyBusyError), locks.sweep():
        pass


def test_one_process_decides_at_a_time(url, tmp_path):
    StudyLocks(url, "study")
    counter = tmp_path / "counter"
    counter.write_text("0")
    words = [sys.executable, "-c", COUNT, str(url), str(counter)]
    processes = [subprocess.Popen(words) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert counter.read_text() == "75"


def test_a_claim_that_was_killed_blocks_nobody(url, locks):
    with holding(url, "claim") as other:
        other.kill()
        other.wait()
        with locks.claim():
            pass


def test_sqlite_has_so_many_places_for_workers_and_no_more(url, locks):
    assert SAFE_SQLITE_WORKERS == 8
    with holding(url, *["worker"] * 7) as other, ExitStack() as held:
        first = held.enter_context(ExitStack())
        first.enter_context(locks.worker())
        with pytest.raises(ConfigError) as caught, locks.worker():
            pass
        assert caught.value.faults == (
            "study.n_workers: got 9, but SQLite is safe for 8 at most, all on one machine. Beyond that use PostgreSQL: "
            "study.storage=postgresql+psycopg2://USER@HOST/DATABASE",
        )
        first.close()
        held.enter_context(locks.worker())
        # The places of a killed process are free again.
        other.kill()
        other.wait()
        for _ in range(7):
            held.enter_context(locks.worker())
        with pytest.raises(ConfigError), locks.worker():
            pass


def test_names_of_studies_are_names_of_files(url):
    with StudyLocks(url, "a b-1.2").sweep(), StudyLocks(url, "a b-1.3").sweep():
        pass
