"""Steps that trials share, taken once: trainings after a number of steps, kept on disk under what determined them.

The branches of a sweep are those of a stage tree (Shin et al., "Hippo", PVLDB 15(5), 2022): trials that agree up to a
step go on from the same file.
"""

import fcntl
import logging
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from fnmask.engine.network import Epoch, EpochTraining, Evaluation
from fnmask.engine.state import State

_LOG = logging.getLogger(__name__)

# Seconds between two looks at a prefix that another worker is computing.
_LOOK_AGAIN_S = 0.2

_STATE = ("model", "optimizer", "sums")


@dataclass(frozen=True, eq=False)
class Prefix:
    """A training after a number of steps.

    Attributes:
        state: to go on from.
        epochs: that were completed on the way.
    """

    state: State
    epochs: tuple[Epoch, ...]


class PrefixStore:
    """Prefixes as files of one folder, for all workers that share it.

    Args:
        folder: made when the first prefix is saved.
        max_bytes: of all files together; those go first that were used longest ago.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def find(self, keys: Mapping[int, str]) -> Prefix | None:
        """The longest one that there is, of keys by their number of steps."""
        for steps in sorted(keys, reverse=True):
            found = self._load(keys[steps])
            if found is not None:
                return found
        return None

    def save(self, key: str, prefix: Prefix) -> None:
        """Keep a prefix. One that cannot be kept, as on a full disk, costs nobody a trial: it is logged."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", suffix=".tmp", delete=False) as file:
                try:
                    _write(prefix, file)
                    file.close()
                    # In one step: no other worker ever sees half a file.
                    os.replace(file.name, self._path(key))
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            self._shrink()
        except OSError as error:
            _LOG.warning("The first %d steps could not be kept for other trials: %s", prefix.state.steps, error)

    @contextmanager
    def computing(self, key: str, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the right to compute a prefix; waits while another worker does.

        Args:
            key: of the prefix.
            wait: called again and again meanwhile; what it raises ends the waiting.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # A few files serve all prefixes. They are locked, never removed.
            lock = (self._folder / f".{key[:2]}.lock").open("a")
        except OSError as error:
            _LOG.warning("Steps cannot be shared (%s); they are taken here.", error)
            yield
            return
        with lock as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    wait()
                    time.sleep(_LOOK_AGAIN_S)
            yield

    def _load(self, key: str) -> Prefix | None:
        path = self._path(key)
        try:
            found = _read(path)
            os.utime(path)
            return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s cannot be read (%s) and is removed; its steps are taken again.", path, error)
            with suppress(OSError):
                path.unlink()
            return None

    def _shrink(self) -> None:
        """Remove what was used longest ago, until the rest is small enough."""
        files = []
        for path in self._folder.glob("*.npz"):
            with suppress(FileNotFoundError):  # removed by another worker
                files.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"


def _write(prefix: Prefix, file: IO[bytes]) -> None:
    arrays: dict[str, Any] = {"steps": prefix.state.steps}
    for part in _STATE:
        arrays |= {f"{part}/{place}": value for place, value in enumerate(getattr(prefix.state, part))}
    for place, epoch in enumerate(prefix.epochs):
        arrays |= {f"{name}/{place}": value for name, value in (vars(epoch.training) | vars(epoch.evaluation)).items()}
    np.savez(file, **arrays)


def _read(path: Path) -> Prefix:
    # Given a path, NumPy leaves the file of a broken archive open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:

        def part(name: str) -> tuple[Any, ...]:
            count = sum(key.startswith(f"{name}/") for key in arrays.files)
            return tuple(arrays[f"{name}/{place}"] for place in range(count))

        of_epochs = zip(*(part(name) for name in ("loss", "removed", "labelled", "matrices", "loss_base")), strict=True)
        epochs = tuple(
            Epoch(EpochTraining(float(loss), removed, labelled), Evaluation(matrices, float(loss_base)))
            for loss, removed, labelled, matrices, loss_base in of_epochs
        )
        return Prefix(State(int(arrays["steps"]), *map(part, _STATE)), epochs)
