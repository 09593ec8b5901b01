"""Random changes of a training image and its labels alike, by OpenCV; what is drawn is a function of seed and place.

Geometry first, in one resampling:   x' = zoom R(angle) (x - center) + center, mirrored at the borders; images
                                     bilinearly, labels to the nearest pixel
Colors next, in one affine map:      rgb' = contrast (H(hue) S(saturation) rgb - 127.5) + 127.5 + 255 brightness
Then blur, then noise.

S mixes each pixel with its luma; H turns the plane across the gray axis. Both leave gray as it is.
"""

from dataclasses import astuple, dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Crops = Literal["uniform", "class_balanced", "grid"]

# Rec. 601, as in Pillow and OpenCV.
_LUMA = np.array([0.299, 0.587, 0.114])
_GRAY = np.array([1.0, 1.0, 1.0]) / np.sqrt(3)
_MIDDLE = 127.5

# Numbers between 0 and 1 that decide the change of one image, but for its noise.
N_DRAWS = 8


@dataclass(frozen=True)
class Augmentation:
    """How far images are changed; all zeros change nothing. The meaning of each is told in `conf/augmentation/`."""

    rotation_deg: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue_deg: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return any(astuple(self))


def augment(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], how: Augmentation, draws: NDArray[np.float64], noise_seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Change an image and its labels.

    Args:
        image: RGB `(H, W, 3)`.
        labels: `(H, W)`; no label is invented.
        how: how far.
        draws: `N_DRAWS` numbers in [0, 1); 1/2 everywhere changes nothing but by blur and noise.
        noise_seed: of the noise.

    Returns:
        New ones of the same shapes.
    """
    noisy, blurred = draws[6:]
    both_ways = 2 * draws - 1
    if how.rotation_deg or how.zoom:
        image, labels = _move(image, labels, how.rotation_deg * both_ways[0], (1 + how.zoom) ** both_ways[1])
    if how.brightness or how.contrast or how.saturation or how.hue_deg:
        image = _bytes(cv2.transform(image, _color_map(how, both_ways)))
    if how.blur_px and (sigma := how.blur_px * blurred) > 0.1:
        image = _bytes(cv2.GaussianBlur(image, (0, 0), sigma))
    if how.noise:
        drawn = np.random.default_rng(noise_seed).normal(0, 255 * how.noise * noisy, image.shape)
        image = _bytes(np.clip(np.rint(image + drawn), 0, 255))
    return image, labels


def _move(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], angle_deg: float, zoom: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Turned around the center and zoomed."""
    height, width = labels.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, zoom)
    size, border = (width, height), cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(np.ascontiguousarray(image), matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    told = cv2.warpAffine(np.ascontiguousarray(labels), matrix, size, flags=cv2.INTER_NEAREST, borderMode=border)
    return _bytes(moved), _bytes(told)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(values, np.uint8)


def _color_map(how: Augmentation, both_ways: NDArray[np.float64]) -> NDArray[np.float64]:
    """The `(3, 4)` matrix of all changes of color."""
    saturation, hue = 1 + how.saturation * both_ways[4], np.deg2rad(how.hue_deg * both_ways[5])
    contrast, brightness = 1 + how.contrast * both_ways[3], 255 * how.brightness * both_ways[2]
    saturate = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), _LUMA)
    across = np.cross(np.eye(3), _GRAY)
    # Rodrigues: a turn around the gray axis.
    turn = np.cos(hue) * np.eye(3) + np.sin(hue) * across + (1 - np.cos(hue)) * np.outer(_GRAY, _GRAY)
    linear = contrast * turn @ saturate
    return np.column_stack([linear, np.full(3, _MIDDLE * (1 - contrast) + brightness)])
