"""Locks of a study, held in its storage's own way: files beside an SQLite database, advisory locks in PostgreSQL.

All of them end with the process that holds them, however it ends.
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from fnmask.binding import ConfigError
from fnmask.sweep.machine import describe_process, this_process
from fnmask.sweep.storage import patiently

# SQLite locks the whole database for every write: beyond this many workers they mostly wait for each other.
SAFE_SQLITE_WORKERS = 8


class StudyBusyError(RuntimeError):
    """Another process is running this study."""


class StudyLocks:
    """The locks of one study.

    Args:
        url: of the Optuna storage: SQLite or PostgreSQL.
        study_name: of the study.
    """

    def __init__(self, url: URL, study_name: str) -> None:
        self._study_name = study_name
        self._database: Path | None = None
        if url.get_backend_name() == "sqlite":
            self._database = Path(str(url.database)).resolve()
            self._database.parent.mkdir(parents=True, exist_ok=True)
        else:
            # A lock lives as long as its connection; a pooled one might hold it on after it is done.
            self._engine: Engine = create_engine(url, poolclass=NullPool)

    @contextmanager
    def sweep(self) -> Iterator[None]:
        """Hold the right to begin, watch and close the sweep.

        Raises:
            StudyBusyError: another process holds it.
        """
        if self._database is not None:
            with self._open("sweep") as file:
                if not _try_lock(file):
                    raise self._busy(describe_process(_read_holder(file)))
                _write_holder(file)
                yield
            return
        with self._engine.connect() as connection:
            held = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key("sweep")}).scalar()
            if not held:
                raise self._busy("another process")
            # Ends the transaction, not the lock: an open transaction would keep the server from cleaning up.
            connection.commit()
            try:
                yield
            finally:
                _unlock(connection, self._key("sweep"))

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Hold the right to decide which trial comes next; waits for it."""
        if self._database is not None:
            with self._open("claim") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            return
        connection = patiently(self._take_claim)
        try:
            yield
        finally:
            # Ends the transaction, and the lock with it. Where the connection was lost the lock was lost as well; what
            # was decided meanwhile stands, and is checked when the trial is marked.
            with suppress(SQLAlchemyError):
                connection.close()

    def _take_claim(self) -> Connection:
        connection = self._engine.connect()
        try:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._key("claim")})
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Hold one of the places for workers; PostgreSQL has as many as it has connections.

        Raises:
            ConfigError: SQLite has no place left.
        """
        if self._database is None:
            yield
            return
        for place in range(SAFE_SQLITE_WORKERS):
            with self._open(f"worker{place}") as file:
                if _try_lock(file):
                    _write_holder(file)
                    yield
                    return
        raise ConfigError([too_many_workers(SAFE_SQLITE_WORKERS + 1)])

    def _open(self, kind: str) -> IO[str]:
        assert self._database is not None
        # Names that differ only in what a file's name cannot hold must not share a lock.
        readable = re.sub(r"[^\w.-]+", "_", self._study_name)
        digest = hashlib.sha256(self._study_name.encode()).hexdigest()[:8]
        return (self._database.parent / f".{self._database.stem}.{readable}-{digest}.{kind}.lock").open("a+")

    def _key(self, kind: str) -> int:
        """A number of 64 bits, as PostgreSQL wants it."""
        digest = hashlib.sha256(f"fnmask:{kind}:{self._study_name}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def _busy(self, holder: str) -> StudyBusyError:
        return StudyBusyError(
            f"study.name: {self._study_name!r} is being run by {holder}. Wait for it, add a worker to it with "
            f"'fnmask worker --study {self._study_name}', or give study.name=ANOTHER."
        )


def too_many_workers(n_workers: int) -> str:
    """What to say to more workers than SQLite serves."""
    return (
        f"study.n_workers: got {n_workers}, but SQLite is safe for {SAFE_SQLITE_WORKERS} at most, all on one machine. "
        "Beyond that use PostgreSQL: study.storage=postgresql+psycopg2://USER@HOST/DATABASE"
    )


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(file: IO[str]) -> None:
    file.truncate(0)
    file.write(json.dumps(this_process()))
    file.flush()


def _read_holder(file: IO[str]) -> dict[str, str | int]:
    file.seek(0)
    try:
        holder: dict[str, str | int] = json.loads(file.read())
    except ValueError:
        return {}
    return holder


def _unlock(connection: Connection, key: int) -> None:
    # With a lost connection the lock is gone as well.
    with suppress(SQLAlchemyError):
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        connection.commit()
