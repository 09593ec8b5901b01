"""Load TensorFlow without its page of greetings, and say in one line what it runs on."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def load_backend() -> str:
    """Import TensorFlow and start its devices.

    Returns:
        What it runs on, such as `TensorFlow 2.21.0 on 2 CPU cores, no GPU`.
    """
    with stderr_kept(), _without("sklearn"):
        import keras  # noqa: F401
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros(())  # starts the devices, whose messages would otherwise fall into the progress display
    where = ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus)
    return f"TensorFlow {tf.__version__} on {where or f'{os.cpu_count()} CPU cores, no GPU'}"


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Import within as if the package were not installed.

    Keras loads scikit-learn, for most of a second, to offer wrappers for it that nothing here uses.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(package, None)


@contextmanager
def stderr_kept() -> Iterator[None]:
    """Hold back the process' standard error; print it after all when the block fails.

    TensorFlow's native libraries write there before any of their log levels is read.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)
