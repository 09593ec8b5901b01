"""Losses under which chosen errors of a segmentation network cost less, or nothing.

The names below are imported when first used, so that the modules without a backend (the matrix, the variants, the
weightings, the schedule) can be read by the configuration check in a fraction of a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnmask.losses.build import build_loss
    from fnmask.losses.callback import MaskSchedule
    from fnmask.losses.error_matrix import error_weights
    from fnmask.losses.label_losses import ExpectedCost, LabelSetCrossentropy, RelabelCrossentropy
    from fnmask.losses.pixel_losses import MaskedCrossentropy, MaskedFocalCrossentropy, MaskedGeneralizedCrossentropy
    from fnmask.losses.region_losses import (
        MaskedDice,
        MaskedFocalTversky,
        MaskedJaccard,
        MaskedLovaszSoftmax,
        MaskedTversky,
    )
    from fnmask.losses.schedule import RecallGate, ramp
    from fnmask.losses.spec import BaseSpec, LossSpec
    from fnmask.losses.weighted_sum import WeightedSum

__all__ = [
    "BaseSpec",
    "ExpectedCost",
    "LabelSetCrossentropy",
    "LossSpec",
    "MaskSchedule",
    "MaskedCrossentropy",
    "MaskedDice",
    "MaskedFocalCrossentropy",
    "MaskedFocalTversky",
    "MaskedGeneralizedCrossentropy",
    "MaskedJaccard",
    "MaskedLovaszSoftmax",
    "MaskedTversky",
    "RecallGate",
    "RelabelCrossentropy",
    "WeightedSum",
    "build_loss",
    "error_weights",
    "ramp",
]

_HOME = {
    "BaseSpec": "spec",
    "ExpectedCost": "label_losses",
    "LabelSetCrossentropy": "label_losses",
    "LossSpec": "spec",
    "MaskSchedule": "callback",
    "MaskedCrossentropy": "pixel_losses",
    "MaskedDice": "region_losses",
    "MaskedFocalCrossentropy": "pixel_losses",
    "MaskedFocalTversky": "region_losses",
    "MaskedGeneralizedCrossentropy": "pixel_losses",
    "MaskedJaccard": "region_losses",
    "MaskedLovaszSoftmax": "region_losses",
    "MaskedTversky": "region_losses",
    "RecallGate": "schedule",
    "RelabelCrossentropy": "label_losses",
    "WeightedSum": "weighted_sum",
    "build_loss": "build",
    "error_weights": "error_matrix",
    "ramp": "schedule",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"fnmask.losses.{_HOME[name]}"), name)
    raise AttributeError(f"module 'fnmask.losses' has no attribute {name!r}")
