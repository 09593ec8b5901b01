"""A small U-Net of the project's own: for demos, tests and minutes of training on a CPU."""

from typing import Annotated, Any

from annotated_types import Ge, Le

# Batch statistics follow the weights within tens of steps: runs here last hundreds of them, 0.99 is made for many more.
_BATCH_NORM_MOMENTUM = 0.9


def tiny(
    *,
    num_classes: Annotated[int, Ge(2)],
    width: Annotated[int, Ge(1)] = 16,
    depth: Annotated[int, Ge(1), Le(6)] = 3,
    input_size: tuple[int, int] | None = None,
) -> Any:
    """Builds a small U-Net with batch norm, about 0.4 M parameters at the default width and depth.

    Level `i` of the encoder has `width * 2**i` channels at 1 / 2**i of the resolution; `depth` is the number of times
    that the resolution is halved. The decoder upsamples by nearest neighbor and joins the encoder's maps.
    Images are scaled to [-1, 1] and padded to a multiple of `2**depth` inside the model; the logits are cropped back.

    Args:
        num_classes: number of classes C, at least 2.
        width: channels at full resolution, at least 1.
        depth: number of halvings, 1 to 6.
        input_size: taken so that every backbone is built by the same call; images of any size work.

    Returns:
        A `keras.Model`: float32 images in [0, 255] `(B, H, W, 3)` -> float32 logits `(B, H, W, C)`, also under a
        half-precision policy.

    Raises:
        ValueError: `num_classes`, `width` or `depth` is out of range.

    Source: Ronneberger, Fischer, Brox, "U-Net", 2015, with padded convolutions and batch norm.

    Example:
        >>> tiny(num_classes=5).output_shape
        (None, None, None, 5)
    """
    del input_size
    _check_at_least("num_classes", num_classes, 2)
    _check_at_least("width", width, 1)
    _check_at_least("depth", depth, 1)
    if depth > 6:
        raise ValueError(f"depth={depth}: allowed are 1 to 6 halvings. Give a smaller depth.")

    import keras

    from fnmask.models.image_layers import CropLike, PadImages, ScalePixels

    images = keras.Input((None, None, 3), name="images")
    x = PadImages(2**depth, name="pad")(ScalePixels("tf", name="scale")(images))
    skips = []
    for level in range(depth):
        x = _block(x, width * 2**level, n_convs=2, name=f"down{level}")
        skips.append(x)
        x = keras.layers.MaxPooling2D(name=f"down{level}_pool")(x)
    x = _block(x, width * 2**depth, n_convs=2, name="bottom")
    for level in reversed(range(depth)):
        x = keras.layers.UpSampling2D(name=f"up{level}_double")(x)
        x = keras.layers.Concatenate(name=f"up{level}_join")([skips[level], x])
        x = _block(x, width * 2**level, n_convs=1, name=f"up{level}")
    # float32 whatever the policy: a half-precision logit loses the digits that the loss needs.
    logits = keras.layers.Conv2D(num_classes, 1, dtype="float32", name="logits")(x)
    return keras.Model(images, CropLike(name="crop")(logits, images), name="tiny")


def _block(x: Any, channels: int, *, n_convs: int, name: str) -> Any:
    """Convolutions of 3 x 3 px, each followed by batch norm and ReLU."""
    from keras import layers

    for index in range(n_convs):
        part = f"{name}_{index}"
        x = layers.Conv2D(
            channels, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{part}_conv"
        )(x)
        x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, name=f"{part}_norm")(x)
        x = layers.ReLU(name=f"{part}_relu")(x)
    return x


def _check_at_least(name: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise ValueError(f"{name}={value}: allowed are whole numbers from {minimum}. Give a larger {name}.")
