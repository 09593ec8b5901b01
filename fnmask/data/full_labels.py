"""Labels at the resolution of their files, for an evaluation that is not made of resized ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class FullLabels:
    """Labels of N images, each of its own size, end to end.

    Args:
        values: class ids or void, uint8 `(sum of H * W,)`.
        sizes: heights and widths in px, int64 `(N, 2)`.
    """

    def __init__(self, values: NDArray[np.uint8], sizes: NDArray[np.int64]) -> None:
        self.values, self.sizes = values, sizes
        self._ends = np.cumsum(sizes.prod(axis=1)).tolist()

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Labels of one image, `(H, W)`."""
        height, width = self.sizes[index].tolist()
        end = self._ends[index]
        return self.values[end - height * width : end].reshape(height, width)


def join_labels(parts: Sequence[NDArray[np.uint8]]) -> FullLabels:
    """Labels `(H, W)` of one image after the other."""
    sizes = np.array([part.shape for part in parts], np.int64).reshape(-1, 2)
    return FullLabels(np.concatenate([part.ravel() for part in parts] or [np.empty(0, np.uint8)]), sizes)
