"""Keras layers that surround a network: scale the pixels of an image, pad it to a multiple, crop the logits back.

All three run in float32 under any dtype policy: pixel values and logits must not pass through half precision.
This module imports keras; builders import it inside their functions.
"""

from typing import Any, Final, Literal

import keras
from keras import ops

PixelScale = Literal["none", "caffe", "tf", "torch"]

# Names and numbers of keras_applications.imagenet_utils. Its own symbolic `preprocess_input` is not used: it caches the
# mean of the first mode that a process asks for and then applies it to every other mode.
_SCALE: Final[dict[PixelScale, tuple[float, ...]]] = {
    "none": (1.0, 1.0, 1.0),
    "caffe": (1.0, 1.0, 1.0),
    "tf": (1 / 127.5,) * 3,
    "torch": (1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
}
_OFFSET: Final[dict[PixelScale, tuple[float, ...]]] = {
    "none": (0.0, 0.0, 0.0),
    "caffe": (-103.939, -116.779, -123.68),
    "tf": (-1.0, -1.0, -1.0),
    "torch": (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
}


@keras.saving.register_keras_serializable(package="fnmask")
class ScalePixels(keras.layers.Layer):
    """Scales RGB pixels in [0, 255] as an ImageNet encoder expects them: `x * scale + offset`, per channel.

    Args:
        mode: `none` leaves pixels alone, `tf` maps to [-1, 1], `torch` subtracts the ImageNet mean and divides by its
            standard deviation, `caffe` turns RGB into BGR and subtracts the ImageNet mean.

    Call: float32 `(B, H, W, 3)` -> float32 `(B, H, W, 3)`.

    Source: `keras_applications.imagenet_utils.preprocess_input`.
    """

    def __init__(self, mode: PixelScale, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.mode = mode

    @property
    def numbers(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Scale and offset of each channel, after a flip."""
        return _SCALE[self.mode], _OFFSET[self.mode]

    @property
    def flips_channels(self) -> bool:
        """Whether RGB becomes BGR first."""
        return self.mode == "caffe"

    def call(self, images: Any) -> Any:
        """Returns the scaled images."""
        if self.flips_channels:
            images = ops.flip(images, axis=-1)
        scale, offset = (ops.convert_to_tensor(of, dtype=images.dtype) for of in self.numbers)
        return images * scale + offset

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns what the constructor takes."""
        return {**super().get_config(), "mode": self.mode}


@keras.saving.register_keras_serializable(package="fnmask")
class PadImages(keras.layers.Layer):
    """Pads images with zeros at the bottom and the right.

    Args:
        multiple: height and width become the next multiple of it, in px.
        size: `(height, width)` in px to pad to instead; a larger image is an error.

    Call: `(B, H, W, C)` -> `(B, H', W', C)` with `H' >= H`, `W' >= W`.

    Raises:
        ValueError: from the call, when an image is larger than `size`.
    """

    def __init__(self, multiple: int = 1, size: tuple[int, int] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.multiple = multiple
        self.size = None if size is None else (int(size[0]), int(size[1]))

    def call(self, images: Any) -> Any:
        """Returns the padded images."""
        height, width = ops.shape(images)[1:3]
        target_height, target_width = self._padded(height, width)
        self._check_fits(height, width)
        pads = [[0, 0], [0, target_height - height], [0, target_width - width], [0, 0]]
        padded = ops.pad(images, pads)
        # With sizes known only at run time the pad forgets even the number of channels, which convolutions need.
        return ops.reshape(padded, (ops.shape(images)[0], target_height, target_width, images.shape[-1]))

    def _padded(self, height: Any, width: Any) -> tuple[Any, Any]:
        if self.size is not None:
            return self.size
        return height + (-height) % self.multiple, width + (-width) % self.multiple

    def _check_fits(self, height: Any, width: Any) -> None:
        # A size known only at run time is left to the pad, which refuses negative amounts.
        if self.size is None or not (isinstance(height, int) and isinstance(width, int)):
            return
        if height > self.size[0] or width > self.size[1]:
            raise ValueError(
                f"An image of {height} x {width} px (height x width) reached a model built for at most "
                f"{self.size[0]} x {self.size[1]} px. Build the model with input_size=({height}, {width}) or larger."
            )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the padded shape; a size that is not known yet stays None."""
        batch, height, width, channels = input_shape
        if self.size is not None:
            return (batch, *self.size, channels)
        sides = [None if side is None else side + (-side) % self.multiple for side in (height, width)]
        return (batch, *sides, channels)

    def get_config(self) -> dict[str, Any]:
        """Returns what the constructor takes."""
        return {**super().get_config(), "multiple": self.multiple, "size": self.size}


@keras.saving.register_keras_serializable(package="fnmask")
class CropLike(keras.layers.Layer):
    """Crops maps at the bottom and the right to the height and width of a reference: undoes `PadImages`.

    Call: `(B, H', W', C)` and a reference `(B, H, W, _)` -> `(B, H, W, C)`.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def call(self, maps: Any, reference: Any) -> Any:
        """Returns the cropped maps."""
        height, width = ops.shape(reference)[1:3]
        return maps[:, :height, :width, :]

    def compute_output_shape(
        self, maps_shape: tuple[int | None, ...], reference_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `(B, H, W, C)`: sides of the reference, channels of the maps."""
        return (maps_shape[0], reference_shape[1], reference_shape[2], maps_shape[-1])
