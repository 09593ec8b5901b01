"""From a picture of any size to the class of every pixel."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.inference.tiling import predict_strips
from fnmask.inference.trained import Trained
from fnmask.metrics.full_size import decide_resized

_BATCH = 8


class Segmenter:
    """Tells the class of every pixel, with a trained network.

    Args:
        trained: the network.
    """

    def __init__(self, trained: Trained) -> None:
        self._trained = trained

    def segment_whole(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Classes of an image that is resized to the size that the network was trained on, as its data set was.

        Args:
            image: RGB `(H, W, 3)`.

        Returns:
            Class ids `(H, W)`: logits are resized back, so that edges stay smooth, and then decided.
        """
        height, width = self._trained.image_size
        resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
        logits = self._trained.decision.apply(self._logits(resized[None])[0])
        return decide_resized(logits, (image.shape[0], image.shape[1]))

    def segment_tiles(self, image: NDArray[np.uint8], *, overlap: int, scale: float = 1.0) -> NDArray[np.uint8]:
        """Classes of an image that is cut into tiles of the size that the network was trained on.

        Args:
            image: RGB `(H, W, 3)`.
            overlap: px that neighboring tiles share at least.
            scale: of the image before it is cut, such as 0.5 where the network was trained on images of half the size.

        Returns:
            Class ids `(H, W)`.
        """
        height, width = image.shape[:2]
        if scale != 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        strips = predict_strips(image, self._logits, self._trained.image_size, overlap)
        mask = np.concatenate(
            [self._trained.decision.apply(strip).argmax(axis=-1).astype(np.uint8) for strip in strips]
        )
        if scale != 1:
            mask = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
        return mask

    def _logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits `(B, H, W, C)`, in batches of one length, for which the network is compiled once."""
        parts = []
        for first in range(0, len(images), _BATCH):
            batch = images[first : first + _BATCH].astype(np.float32)
            length = len(batch)
            if len(images) > _BATCH:
                batch = np.pad(batch, ((0, _BATCH - length), (0, 0), (0, 0), (0, 0)))
            parts.append(np.asarray(self._trained.model.predict_on_batch(batch))[:length])
        return np.concatenate(parts)
