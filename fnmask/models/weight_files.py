"""Pretrained encoder weights: the download that may fail, and the file that may not fit.

This module imports keras; builders import it inside their functions.
"""

import contextlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras


def download_weights(
    fname: str, origin: str, cache_subdir: str = "models", file_hash: str | None = None, md5_hash: str | None = None
) -> str:
    """Fetches a weight file into the Keras cache, or finds it there. Stands in for `keras.utils.get_file`.

    Args:
        fname: name of the file in the cache.
        origin: URL of the file.
        cache_subdir: folder below the Keras cache, which is `$KERAS_HOME` or `~/.keras`.
        file_hash: expected MD5 or SHA-256; a cached file with another hash is fetched again.
        md5_hash: expected MD5, an older spelling of `file_hash`.

    Returns:
        Path of the file.

    Raises:
        FileNotFoundError: the file is not in the cache and cannot be fetched; says where to put it by hand.
    """
    cache = _cache_folder()
    path = cache / cache_subdir / fname
    expected_hash = file_hash or md5_hash
    try:
        fetched = keras.utils.get_file(
            fname, origin, cache_subdir=cache_subdir, file_hash=expected_hash, cache_dir=str(cache)
        )
    except Exception as error:  # get_file raises bare Exception when the network fails
        raise FileNotFoundError(
            f"The pretrained weights cannot be fetched: {error}\n"
            f"Fetch {origin} on a machine with a network and put it at {path}, or set backbone.encoder_weights to the "
            "path of the file, or to null to start from random weights."
        ) from error
    return str(fetched)


def _cache_folder() -> Path:
    """The folder that Keras keeps downloads in; handed to Keras, so that the path in an error is the path used."""
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    with contextlib.suppress(OSError):
        home.mkdir(parents=True, exist_ok=True)
    return home if os.access(home, os.W_OK) else Path(tempfile.gettempdir()) / ".keras"


def check_weight_file(path: str) -> None:
    """Checks that a weight file can be read by Keras, before a network is built.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the name does not end in .h5.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"encoder_weights={path!r}: no such file (looked for {Path(path).absolute()}). "
            "Allowed are null, 'imagenet', or the path of a .h5 or .weights.h5 file."
        )
    if not path.endswith(".h5"):
        raise ValueError(
            f"encoder_weights={path!r}: Keras reads weights from files that end in .h5 or .weights.h5. "
            "Save them with `encoder.save_weights('name.weights.h5')`."
        )


def load_weight_file(encoder: Any, path: str, *, name: str) -> None:
    """Loads weights without the classification top into an encoder.

    Args:
        encoder: the Keras model to fill.
        path: a file that passed `check_weight_file`.
        name: name of the encoder, for the error text.

    Raises:
        ValueError: the file holds weights of another network, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            # Keras only warns when a part of the network is not in the file, and leaves it random.
            warnings.simplefilter("error", UserWarning)
            encoder.load_weights(path)
    except (ValueError, KeyError, OSError, UserWarning) as error:
        raise ValueError(
            f"encoder_weights={path!r} does not fit encoder {name}: {error}\n"
            f"Give a file saved from a {name} without its classification top (names of such files end in no_top or "
            "notop), or another encoder."
        ) from error
