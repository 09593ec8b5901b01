"""Losses that ignore the false negatives of a class, and sweeps over them.

`import fnmask` loads neither TensorFlow nor Keras: `fnmask.losses` and `fnmask.metrics` are imported when touched.
"""

from importlib import import_module
from typing import Any

__all__ = ["__version__", "losses", "metrics"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return globals().setdefault(name, version("fnmask"))
    if name in ("losses", "metrics"):
        return import_module(f"fnmask.{name}")
    raise AttributeError(f"module 'fnmask' has no attribute {name!r}")
