"""What a frozen encoder makes of every image, computed once for each data set and kept on disk."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fnmask.data.arrays import SplitArrays
from fnmask.engine.disk import exclusively, make_room
from fnmask.engine.trail import package_versions
from fnmask.tracking.lineage import code_digest

_LOG = logging.getLogger(__name__)

_SUFFIX = ".npy"

# Images that are encoded at once.
_BATCH = 8


class FeatureStore:
    """Features of whole splits as files of one folder, for all workers that share it.

    Args:
        folder: made when the first features are kept.
        max_bytes: of all files together; those go first that were used longest ago.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def encode(
        self,
        encoder: keras.Model,
        splits: Mapping[str, SplitArrays],
        *,
        content: str,
        on_batch: Callable[[], None] = lambda: None,
    ) -> dict[str, SplitArrays]:
        """The splits with features (N, F) in the place of their images, computed or from an earlier call.

        One worker computes them while others wait.

        Args:
            encoder: images (B, H, W, 3) -> features (B, F), the same in every step.
            splits: by name.
            content: tells the images, and the encoder's layers, from others; its weights count by themselves.
            on_batch: called again and again; what it raises ends the computing.

        Raises:
            OSError: they cannot be kept, or are larger than they may be.
        """
        n_features = int(encoder.output_shape[-1])
        needed = 4 * n_features * sum(len(arrays.ids) for arrays in splits.values())
        if needed > self._max_bytes:
            raise OSError(f"features take {needed / 2**30:.1f} GiB, more than trainer.features_gib")
        encode = tf.function(lambda images: encoder(tf.cast(images, tf.float32), training=False), autograph=False)
        digest, given = _digest(encoder, content), {}
        for split, arrays in splits.items():
            path = self._folder / f"{hashlib.sha256(f'{digest} {split}'.encode()).hexdigest()[:32]}{_SUFFIX}"
            shape = (len(arrays.ids), n_features)
            features = _load(path, shape)
            if features is None:
                with exclusively(self._folder, path.name, on_batch):
                    features = _load(path, shape)  # whoever held the lock before has left it
                    if features is None:
                        _LOG.info("Features of %d images: %.0f MiB in %s", shape[0], needed / 2**20, self._folder)
                        make_room(self._folder, _SUFFIX, self._max_bytes - needed)
                        features = _compute(path, shape, encode, arrays, on_batch)
            given[split] = replace(arrays, images=features)
        return given


def _load(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    try:
        features: NDArray[np.float32] = np.load(path, mmap_mode="r")
        if features.shape != shape or features.dtype != np.float32:
            raise ValueError(f"{features.dtype} {features.shape} instead of float32 {shape}")
    except FileNotFoundError:
        return None
    except (ValueError, EOFError) as error:
        _LOG.warning("%s cannot be read (%s) and is computed again.", path, error)
        path.unlink(missing_ok=True)
        return None
    with suppress(OSError):  # of a folder that may only be read
        os.utime(path)
    return features


def _compute(
    path: Path,
    shape: tuple[int, int],
    encode: Callable[[NDArray[Any]], tf.Tensor],
    arrays: SplitArrays,
    on_batch: Callable[[], None],
) -> NDArray[np.float32]:
    """Make the file in one step, so that nobody ever sees half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        features = np.lib.format.open_memmap(name, mode="w+", dtype=np.float32, shape=shape)
        # A full disk has to show now: found while memory is written through to it, it would end the process.
        os.posix_fallocate(descriptor, 0, os.fstat(descriptor).st_size)
        for first in range(0, len(features), _BATCH):
            on_batch()
            images = arrays.images[first : first + _BATCH]
            whole = np.pad(images, [(0, _BATCH - len(images)), (0, 0), (0, 0), (0, 0)])
            features[first : first + _BATCH] = encode(whole).numpy()[: len(images)]
        features.flush()
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    kept: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return kept


def _digest(encoder: keras.Model, content: str) -> str:
    hashed = hashlib.sha256(json.dumps([content, code_digest(), package_versions()]).encode())
    for weight in encoder.weights:
        hashed.update(np.ascontiguousarray(weight.numpy()).data)
    return hashed.hexdigest()
