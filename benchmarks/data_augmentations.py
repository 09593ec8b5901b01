"""Augmentation of a batch in memory, labels alike: ours, and the same by albumentations and by Keras' layers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# As `conf/augmentation/light.yaml` says.
ROTATION_DEG, ZOOM, BRIGHTNESS, CONTRAST, SATURATION, HUE_DEG = 10, 0.15, 0.1, 0.15, 0.15, 5


def make_augmentations(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Mapping[str, Callable[[], Any]]:
    """Every contestant by name; a call changes the whole batch.

    Args:
        images: `(B, H, W, 3)`.
        labels: `(B, H, W)`.
    """
    return {
        "keras": _keras(images, labels),
        "albumentations": _albumentations(images, labels),
        "ours": _ours(images, labels),
    }


def _ours(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Callable[[], Any]:
    from fnmask.data.augment import N_DRAWS, Augmentation, augment

    how = Augmentation(
        rotation_deg=ROTATION_DEG, zoom=ZOOM, brightness=BRIGHTNESS, contrast=CONTRAST, saturation=SATURATION,
        hue_deg=HUE_DEG,
    )  # fmt: skip
    generator = np.random.default_rng(0)

    def change() -> Any:
        draws = generator.random((len(images), N_DRAWS))
        return [augment(*own, how, draw, 0) for *own, draw in zip(images, labels, draws, strict=True)]

    return change


def _albumentations(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Callable[[], Any]:
    import albumentations
    import cv2

    jitter = albumentations.ColorJitter(
        brightness=(1 - BRIGHTNESS, 1 + BRIGHTNESS), contrast=(1 - CONTRAST, 1 + CONTRAST),
        saturation=(1 - SATURATION, 1 + SATURATION), hue=(-HUE_DEG / 360, HUE_DEG / 360), p=1,
    )  # fmt: skip
    affine = albumentations.Affine(
        rotate=(-ROTATION_DEG, ROTATION_DEG), scale=(1 - ZOOM, 1 + ZOOM), border_mode=cv2.BORDER_REFLECT_101, p=1
    )
    both = albumentations.Compose([affine, jitter])
    return lambda: [both(image=image, mask=mask) for image, mask in zip(images, labels, strict=True)]


def _keras(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Callable[[], Any]:
    """In `tf.data`, as Keras' guides do it: compiled, for the whole batch."""
    import tensorflow as tf
    from keras import layers

    value_range = (0, 255)
    chain = [
        layers.RandomRotation(ROTATION_DEG / 360, fill_mode="reflect"),
        layers.RandomZoom((-ZOOM, ZOOM), fill_mode="reflect"),
        layers.RandomBrightness(BRIGHTNESS, value_range=value_range),
        layers.RandomContrast(CONTRAST, value_range=value_range),
        layers.RandomSaturation((0.5 - SATURATION / 2, 0.5 + SATURATION / 2), value_range=value_range),
        layers.RandomHue(HUE_DEG / 360, value_range=value_range),
    ]

    def change(batch: dict[str, Any]) -> dict[str, Any]:
        for layer in chain:
            batch = layer(batch, training=True)
        return batch

    given = {"images": images.astype(np.float32), "segmentation_masks": labels[..., None].astype(np.float32)}
    batches = iter(tf.data.Dataset.from_tensors(given).repeat().map(change))
    return lambda: next(batches)
