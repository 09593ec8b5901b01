"""Steps that trials share, taken once: trainings after a number of steps, kept on disk under what determined them.

The branches of a sweep are those of a stage tree (Shin et al., "Hippo", PVLDB 15(5), 2022): trials that agree up to a
step go on from the same file.
"""

import functools
import json
import logging
import math
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from fnmask.engine.disk import exclusively, make_room
from fnmask.engine.readings import Epoch, EpochTraining, Evaluation
from fnmask.engine.state import State

_LOG = logging.getLogger(__name__)

_SUFFIX = ".steps"

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
        self._writer = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def find(self, keys: Mapping[int, str]) -> Prefix | None:
        """The longest one that there is, of keys by their number of steps."""
        self.flush()
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
            make_room(self._folder, _SUFFIX, self._max_bytes)
        except (OSError, MemoryError) as error:
            _LOG.warning("The first %d steps could not be kept for other trials: %s", prefix.state.steps, error)

    def save_later(self, key: str, prefix: Prefix) -> None:
        """The same, while the caller goes on."""
        self._last = self._writer.submit(self.save, key, prefix)

    def flush(self) -> None:
        """Wait for what is still being saved."""
        if self._last is not None and (error := self._last.exception()) is not None:
            _LOG.warning("Steps could not be kept for other trials: %r", error)
        self._last = None

    @contextmanager
    def computing(self, key: str, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the right to compute a prefix; waits while another worker does.

        Args:
            key: of the prefix.
            wait: called again and again meanwhile; what it raises ends the waiting.
        """
        with ExitStack() as held:
            try:
                held.enter_context(exclusively(self._folder, key, wait))
            except OSError as error:
                _LOG.warning("Steps cannot be shared (%s); they are taken here.", error)
            yield

    def _load(self, key: str) -> Prefix | None:
        path = self._path(key)
        try:
            found = _read(path)
        except FileNotFoundError:
            return None
        except OSError as error:  # which may pass
            _LOG.warning("%s cannot be read (%s); its steps are taken again.", path, error)
            return None
        except (ValueError, LookupError, TypeError) as error:
            _LOG.warning("%s cannot be read (%s) and is removed; its steps are taken again.", path, error)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):  # of a folder that may only be read
            os.utime(path)
        return found

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"


def _write(prefix: Prefix, file: IO[bytes]) -> None:
    """A line that says what there is, and the bytes of all arrays one after the other."""
    state, arrays = prefix.state, []
    for part in _STATE:
        arrays += getattr(state, part)
    for epoch in prefix.epochs:
        arrays += [epoch.training.removed, epoch.training.labelled, epoch.evaluation.matrices]
    pieces = [np.ascontiguousarray(array).data for array in arrays]
    about = {
        "steps": state.steps,
        "lengths": [len(getattr(state, part)) for part in _STATE],
        "epochs": [[epoch.training.loss, epoch.evaluation.loss_base] for epoch in prefix.epochs],
        "arrays": [[array.dtype.str, array.shape] for array in arrays],
        "crc32": functools.reduce(lambda so_far, piece: zlib.crc32(piece, so_far), pieces, 0),
    }
    file.write(json.dumps(about).encode() + b"\n")
    for piece in pieces:
        file.write(piece)


def _read(path: Path) -> Prefix:
    with path.open("rb") as file:
        about = json.loads(file.readline())
        content = np.fromfile(file, np.uint8)
    arrays, place = [], 0
    for kind, shape in about["arrays"]:
        end = place + np.dtype(kind).itemsize * math.prod(shape)
        arrays.append(content[place:end].view(kind).reshape(shape))
        place = end
    if place != len(content) or zlib.crc32(content.data) != about["crc32"]:
        raise ValueError("damaged")
    remaining = iter(arrays)
    parts = [tuple(islice(remaining, length)) for length in about["lengths"]]
    epochs = []
    for loss, loss_base in about["epochs"]:
        # Copies: these are kept for long, and would hold the whole content.
        removed, labelled, matrices = (array.copy() for array in islice(remaining, 3))
        epochs.append(Epoch(EpochTraining(loss, removed, labelled), Evaluation(matrices, loss_base)))
    return Prefix(State(about["steps"], *parts), tuple(epochs))
