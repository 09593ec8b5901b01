"""Losses under which chosen errors of a segmentation network cost less, or nothing.

The names below are imported when first used, so that the modules without a backend (the matrix, the variants, the
weightings, the schedule) can be read by the configuration check in a fraction of a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnmask.losses.callback import MaskSchedule
    from fnmask.losses.crossentropy import masked_crossentropy
    from fnmask.losses.error_matrix import error_weights
    from fnmask.losses.loss import MaskedCrossentropy
    from fnmask.losses.masks import pixel_weights
    from fnmask.losses.schedule import ramp
    from fnmask.losses.variants import LossSpec

__all__ = [
    "LossSpec",
    "MaskSchedule",
    "MaskedCrossentropy",
    "error_weights",
    "masked_crossentropy",
    "pixel_weights",
    "ramp",
]

_HOME = {
    "LossSpec": "variants",
    "MaskSchedule": "callback",
    "MaskedCrossentropy": "loss",
    "error_weights": "error_matrix",
    "masked_crossentropy": "crossentropy",
    "pixel_weights": "masks",
    "ramp": "schedule",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"fnmask.losses.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fnmask.losses' has no attribute {name!r}")
