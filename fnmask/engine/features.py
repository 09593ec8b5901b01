"""What a frozen encoder makes of every image, computed once for each data set and kept on disk."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fnmask.data.arrays import SplitArrays

_LOG = logging.getLogger(__name__)

# Images that are encoded at once.
_BATCH = 8


class FeatureStore:
    """Features of whole splits as files of one folder, for all workers that share it.

    Args:
        folder: made when the first features are kept; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def encode(self, encoder: keras.Model, arrays: SplitArrays, *, content: str) -> SplitArrays:
        """The split with features (N, F) in the place of its images, computed or from an earlier call.

        Several workers may call this at the same time. Where the files cannot be written the features stay in memory.

        Args:
            encoder: images (B, H, W, 3) -> features (B, F), the same in every step.
            arrays: the split.
            content: tells the images, and the encoder's layers, from others; its weights count by themselves.
        """
        if not arrays.ids:
            return arrays
        key = _digest(encoder, content)[:32]
        place = self._folder / f"{key}.npy" if self._folder else None
        if place is not None and place.is_file():
            return SplitArrays(arrays.ids, np.load(place, mmap_mode="r"), arrays.labels)
        shape = (len(arrays.ids), int(encoder.output_shape[-1]))
        if place is not None:
            _LOG.info("Features of %d images: %.0f MiB in %s", shape[0], 4 * shape[0] * shape[1] / 2**20, place.parent)
            try:
                return SplitArrays(arrays.ids, _keep(place, encoder, arrays, shape), arrays.labels)
            except OSError as error:
                _LOG.warning("Features stay in memory, since %s cannot be written: %s", place, error)
        features = np.empty(shape, np.float32)
        _fill(features, encoder, arrays)
        return SplitArrays(arrays.ids, features, arrays.labels)


def _keep(place: Path, encoder: keras.Model, arrays: SplitArrays, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Make the file in one step, so that nobody ever sees half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(place.parent).free < 4 * shape[0] * shape[1]:
        raise OSError("the disk has not enough space")  # a mapped file that does not fit would end the process
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".tmp")
    os.close(descriptor)
    try:
        features = np.lib.format.open_memmap(name, mode="w+", dtype=np.float32, shape=shape)
        _fill(features, encoder, arrays)
        features.flush()
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    kept: NDArray[np.float32] = np.load(place, mmap_mode="r")
    return kept


def _fill(features: NDArray[np.float32], encoder: keras.Model, arrays: SplitArrays) -> None:
    encode = tf.function(lambda images: encoder(tf.cast(images, tf.float32), training=False), autograph=False)
    for first in range(0, len(features), _BATCH):
        images = arrays.images[first : first + _BATCH]
        missing = _BATCH - len(images)
        whole = np.pad(images, [(0, missing), (0, 0), (0, 0), (0, 0)])
        features[first : first + _BATCH] = encode(whole).numpy()[: len(images)]


def _digest(encoder: keras.Model, content: str) -> str:
    hashed = hashlib.sha256(json.dumps([content, version("tensorflow"), version("keras")]).encode())
    for weight in encoder.weights:
        hashed.update(np.ascontiguousarray(weight.numpy()).data)
    return hashed.hexdigest()
