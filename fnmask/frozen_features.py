"""Whether what a frozen encoder makes of an image is the same in every step, so that it can be computed once."""

from collections.abc import Mapping
from typing import Any

from fnmask.schema import AugmentationConfig, DatasetConfig, TrainerConfig


def why_not_cached(
    backbone: Mapping[str, Any], dataset: DatasetConfig, augmentation: AugmentationConfig, trainer: TrainerConfig
) -> str:
    """The first reason, with the key that it lies in; nothing if there is none."""
    reasons = {
        "backbone.freeze is false: the encoder changes with every step": not backbone.get("freeze"),
        "backbone.freeze_batch_norm is false: its batch norms see other images in every batch": (
            not backbone.get("freeze_batch_norm")
        ),
        f"dataset.flips is {dataset.flips}: a mirrored image has other features": dataset.flips != "none",
        "dataset.crop_size is set: every crop has other features": dataset.crop_size is not None,
        "augmentation changes images: every one has other features": augmentation.changes,
        f"trainer.precision is {trainer.precision}: features are kept in float32": trainer.precision != "float32",
        f"trainer.n_devices is {trainer.n_devices}: features are fed to one device": trainer.n_devices != 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
