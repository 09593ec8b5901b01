"""Signs of life of a running trial, so that others notice when its worker is gone."""

import logging
import threading
from types import TracebackType

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

_LOG = logging.getLogger(__name__)


class Heartbeat:
    """Gives one every so many seconds, from a thread, while the block runs.

    Args:
        storage: takes them.
        trial_id: the storage's own id of the trial.
        interval_s: seconds in between.
    """

    def __init__(self, storage: optuna.storages.RDBStorage, trial_id: int, interval_s: float) -> None:
        self._storage, self._trial_id, self._interval_s = storage, trial_id, interval_s
        self._done = threading.Event()
        # A daemon: it must not keep a process alive that is being torn down.
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=self._interval_s)

    def _beat(self) -> None:
        while not self._done.wait(self._interval_s):
            try:
                self._storage.record_heartbeat(self._trial_id)
            except (StorageInternalError, SQLAlchemyError) as error:
                # The database is away; the next sign may get through before the trial counts as lost.
                _LOG.debug("A heartbeat was not taken: %s", type(error).__name__)
