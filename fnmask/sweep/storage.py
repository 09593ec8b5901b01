"""The Optuna storage of a sweep: which address serves whom, and what to do while it does not answer."""

import functools
import inspect
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)

from fnmask.binding import ConfigError

_LOG = logging.getLogger(__name__)

# A worker is dead when it has missed this many heartbeats: generous, since a live one that is declared dead loses its
# trial.
_MISSED_HEARTBEATS = 9
# How long a database may be away, such as while PostgreSQL is restarted, before its user gives up.
PATIENCE_S = 180.0
# Seconds in which another process that makes a new database's tables will be done.
_MAKING_TABLES_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

Done = TypeVar("Done")

# What a database raises that is away, or that cannot do what it is asked.
STORAGE_ERRORS = (StorageInternalError, SQLAlchemyError)


def storage_url(given: str | None, root: Path) -> URL:
    """The address of a study's storage.

    Args:
        given: `study.storage`; None for the SQLite database of the project.
        root: project root.

    Raises:
        ConfigError: no address, or one of a database that is neither SQLite nor PostgreSQL.
    """
    try:
        url = make_url(given or f"sqlite:///{root / 'mlruns' / 'optuna.db'}")
    except (ArgumentError, ValueError):
        # The text may hold a password, and so is not repeated.
        raise ConfigError(
            ["study.storage: not an address. Allowed: sqlite:///FILE, postgresql+psycopg2://..."]
        ) from None
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        fault = (
            f"study.storage: got {backend!r}. Allowed: sqlite:///FILE on one machine, postgresql+psycopg2://... beyond."
        )
        raise ConfigError([fault])
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError(["study.storage: a database in memory ends with its process. Give sqlite:///FILE."])
    return url


class PatientStorage(optuna.storages.RDBStorage):
    """Optuna's storage, which waits for a database that is away instead of failing the trial that has something to say.

    Doing twice what the database may have done before its answer was lost is harmless: a running trial that was made
    twice is found without a worker's mark, and one that was told twice has been told. But a trial that was queued twice
    would be run twice: that is left to those who can look whether it was.
    """


def _waiting(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wait(self: PatientStorage, *given: Any, **named: Any) -> Any:
        template = method.__name__.endswith("create_new_trial") and (named.get("template_trial") or given[1:2])
        if template and template != (None,):
            return method(self, *given, **named)
        return patiently(lambda: method(self, *given, **named))

    return wait


for _name, _method in vars(optuna.storages.RDBStorage).items():
    # All that reads or writes in a transaction of its own, but for the signs of life: another one will follow.
    inside = _name.endswith(("_without_commit", "_prepared_new_trial"))
    if re.match(r"_?(get|set|create)_", _name) and not inside and inspect.isfunction(_method):
        setattr(PatientStorage, _name, _waiting(_method))


def open_storage(
    url: URL, *, heartbeat_s: int, on_stale: Callable[[optuna.Study, FrozenTrial], None]
) -> optuna.storages.RDBStorage:
    """Open the storage, making its tables when there are none.

    Args:
        url: see `storage_url`.
        heartbeat_s: seconds between two signs of life of a running trial.
        on_stale: called with every trial that was failed since its worker gave none for long.

    Raises:
        ConfigError: it cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).resolve().parent.mkdir(parents=True, exist_ok=True)
        engine: dict[str, Any] = {"connect_args": {"timeout": 60}}
    else:
        # Two connections for each worker: the trial's and the heartbeat's.
        engine = {"pool_size": 2, "max_overflow": 1, "pool_pre_ping": True}
    deadline_s = time.monotonic() + _MAKING_TABLES_S
    while True:
        try:
            with quietly():
                return PatientStorage(
                    url.render_as_string(hide_password=False),
                    engine_kwargs=engine,
                    heartbeat_interval=heartbeat_s,
                    grace_period=_MISSED_HEARTBEATS * heartbeat_s,
                    heartbeat_stale_trial_callback=on_stale,
                )
        except (ImportError, ValueError, RuntimeError, SQLAlchemyError) as error:
            # The driver's own words, without the address, which may hold a password.
            told = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            # Another process is making the tables at this moment.
            others = isinstance(error, IntegrityError) or "already exists" in told
            if others and time.monotonic() < deadline_s:
                time.sleep(_FIRST_PAUSE_S)
                continue
            raise ConfigError([f"study.storage: cannot be opened ({type(error).__name__}: {told})."]) from None


@contextmanager
def quietly() -> Iterator[None]:
    """Optuna warns of parts that have been experimental for years; the lock file pins what they do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Heartbeats outside of `Study.optimize` are ours to send.
        warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used")
        yield


def patiently(action: Callable[[], Done], *, patience_s: float = PATIENCE_S) -> Done:
    """Do it, again and again while the database is away. The action must be one that may be done twice.

    Raises:
        StorageInternalError, DBAPIError: it is still away after `patience_s` seconds, or has taken offense.
    """
    pause_s, deadline_s = _FIRST_PAUSE_S, time.monotonic() + patience_s
    while True:
        try:
            return action()
        except (StorageInternalError, DBAPIError, PendingRollbackError) as error:
            # Optuna wraps what goes wrong at a commit, and nothing else.
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            # Optuna asks again in a transaction that was cut off, of which SQLAlchemy then complains.
            away = isinstance(cause, OperationalError | InterfaceError | PendingRollbackError)
            away = away and "disk is full" not in str(cause)
            if not away or time.monotonic() > deadline_s:
                raise
            _LOG.warning("The study's storage does not answer (%s); trying again.", type(cause).__name__)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
