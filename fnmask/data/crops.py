"""Where training crops are taken: anywhere, around a pixel of each class in turn, or side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def grid_firsts(length: int, crop: int) -> list[int]:
    """Where crops begin along a side, so that together they cover it, evenly overlapping where they must.

    Example:
        >>> grid_firsts(100, 40)
        [0, 30, 60]
    """
    count = -(-length // crop)
    return [round(place * (length - crop) / max(1, count - 1)) for place in range(count)]


class BalancedCrops:
    """Crops around a pixel of a class that is drawn with equal chances: rare classes are seen as often as common ones.

    Args:
        labels: `(N, H, W)`.
        num_classes: C; other labels are void.
        crop: height and width in px.

    Raises:
        ValueError: every pixel is void.
    """

    def __init__(self, labels: NDArray[np.uint8], num_classes: int, crop: Sequence[int]) -> None:
        self._labels, self._crop = labels, np.array(crop)
        counts = np.stack([np.bincount(own.ravel(), minlength=256)[:num_classes] for own in labels])
        # By class that occurs: its images, and how its pixels are spread over them.
        self._images = [np.flatnonzero(column) for column in counts.T if column.any()]
        self._classes = np.flatnonzero(counts.any(axis=0))
        if not self._classes.size:
            raise ValueError("crops is class_balanced, and no training image has a labeled pixel. Look at the masks.")
        self._until = [np.cumsum(counts[own, label]) for own, label in zip(self._images, self._classes, strict=True)]

    def draw(self, draws: NDArray[np.float64]) -> tuple[int, int, int]:
        """A crop.

        Args:
            draws: four numbers in [0, 1): class, pixel among those of the class, and row and column of the pixel in
                the crop.

        Returns:
            Image, first row and first column; the crop lies inside the image and holds the pixel.
        """
        place = int(draws[0] * len(self._classes))
        until = self._until[place]
        number = int(draws[1] * until[-1])
        among = int(np.searchsorted(until, number, side="right"))
        image = int(self._images[place][among])
        own = self._labels[image]
        before = int(until[among - 1]) if among else 0
        pixel = np.flatnonzero(own.ravel() == self._classes[place])[number - before]
        row, column = divmod(int(pixel), own.shape[1])
        firsts = np.array([row, column]) - (draws[2:4] * self._crop).astype(int)
        row, column = np.clip(firsts, 0, np.array(own.shape) - self._crop).tolist()
        return image, row, column
