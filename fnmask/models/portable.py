"""A trained network as a model of Keras' own layers alone, which loads wherever Keras does.

The layers around a network that pad to its stride and crop back work on any size of image; none of Keras' own does.
So the portable model is made for one size of image, for which they become plain padding and cropping.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from fnmask.models.image_layers import CropLike, PadImages, ScalePixels

# Those of this package, and Python of others, which Keras does not read back: slices, new axes, weighted sums.
_REWRITTEN = (ScalePixels, PadImages, CropLike, keras.layers.Lambda)


def build_portable(model: Any, image_size: tuple[int, int], logit_offsets: Sequence[float] = ()) -> Any:
    """Rebuild a model for one size of image; without a layer or function that only this package knows.

    Args:
        model: images `(B, H, W, 3)` -> logits `(B, H, W, C)`, as a backbone builds it, in float32.
        image_size: `(height, width)` in px.
        logit_offsets: C numbers that are added to the logits, as a decision rule says; none for argmax.

    Returns:
        A `keras.Model` with weights of its own: float32 images in [0, 255] `(B, height, width, 3)` -> float32 logits
        `(B, height, width, C)`, whose argmax is the decision.

    Raises:
        ValueError: the image does not fit a model that was built for smaller ones.
    """
    images = keras.Input((*image_size, 3), name="images")
    portable = keras.models.clone_model(
        model, input_tensors=images, clone_function=_clone_outer, call_function=_call_plain
    )
    portable.set_weights(model.get_weights())
    if any(logit_offsets):
        # Added to the logits: the equal of a threshold, in a layer that every format knows.
        logits = keras.layers.Rescaling(1.0, [float(offset) for offset in logit_offsets], name="decision")(
            portable.output
        )
        portable = keras.Model(images, logits, name=model.name)
    return portable


def _clone_outer(layer: Any) -> Any:
    """A clone, but for the layers whose work is written anew by `_call_plain`."""
    return layer if isinstance(layer, _REWRITTEN) else _clone(layer)


def _clone(layer: Any) -> Any:
    """The same layer with new weights, in Keras' own words."""
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=_clone_outer, call_function=_call_plain)
    config = _with_known_functions(layer.get_config())
    if type(layer).__name__ == "FixedDropout":
        # The efficientnet package names Keras' dropout anew; the repair that it once made is Keras' own by now.
        known = ("name", "trainable", "dtype", "rate", "seed", "noise_shape")
        return keras.layers.Dropout.from_config({key: config[key] for key in known if key in config})
    return type(layer).from_config(config)


def _with_known_functions(config: Any) -> Any:
    """`swish`, which the efficientnet package gives as a function of its own, by Keras' name."""
    if isinstance(config, dict):
        if config.get("class_name") == "function" and config.get("config") == "swish":
            return "silu"
        return {key: _with_known_functions(value) for key, value in config.items()}
    return config


def _call_plain(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """What a layer does, without the layers of this package."""
    if isinstance(layer, ScalePixels):
        (images,) = args
        scale, offset = layer.numbers
        images = ops.flip(images, axis=-1) if layer.flips_channels else images
        return keras.layers.Rescaling(list(scale), list(offset), name=layer.name)(images)
    if isinstance(layer, PadImages):
        (images,) = args
        (height, width), (_, tall, wide, _) = images.shape[1:3], layer.compute_output_shape(images.shape)
        if tall < height or wide < width:
            raise ValueError(
                f"image_size={height, width}, but this network was built for images of at most {tall, wide} px."
            )
        pads = ((0, tall - height), (0, wide - width))
        return keras.layers.ZeroPadding2D(pads, name=layer.name)(images) if any(map(any, pads)) else images
    if isinstance(layer, CropLike):
        maps, reference = args
        crops = tuple((0, whole - kept) for whole, kept in zip(maps.shape[1:3], reference.shape[1:3], strict=True))
        return keras.layers.Cropping2D(crops, name=layer.name)(maps) if any(map(any, crops)) else maps
    if isinstance(layer, keras.layers.Lambda):
        return layer.function(*args, **layer.arguments)
    return layer(*args, **kwargs)
