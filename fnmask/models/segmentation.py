"""Adapter to segmentation-models 1.0.1: four decoders on 32 encoders as Keras 3 models from images to logits.

The package takes the Keras modules that it builds with (`layers`, `models`, `utils`, `backend`) as keyword arguments.
The adapter hands it its own: layer names without the `/` that Keras 3 refuses (densenet), a download that says what to
do when it fails, and a `Model` that remembers the encoder. Nothing of the installed package is changed.
"""

import contextlib
import difflib
import io
import os
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Final

from annotated_types import Ge

from fnmask.models.encoders import DECODERS, ENCODERS, Decoder, Encoder, pixel_scale

# Encoders halve the resolution five times. PSPNet pools a map at 1/8 into 1, 2, 3 and 6 parts: 8 * 6.
_STRIDE_PX: Final = 32
_PSPNET_STRIDE_PX: Final = 48


def segmentation_model(
    *,
    num_classes: Annotated[int, Ge(2)],
    decoder: Decoder,
    encoder: Encoder,
    encoder_weights: str | None = None,
    freeze: bool = False,
    freeze_batch_norm: bool = False,
    input_size: tuple[int, int] | None = None,
) -> Any:
    """Builds a network of segmentation-models with logits out.

    Scaling of the pixels as the encoder expects it and padding to a multiple of the network's stride (32 px) happen
    inside; the logits are cropped back to the size of the images.

    Args:
        num_classes: number of classes C, at least 2.
        decoder: the part that turns features into a map.
        encoder: the part that extracts features.
        encoder_weights: None for random weights, `imagenet` to fetch pretrained ones once into the Keras cache, or the
            path of a .h5 or .weights.h5 file for the encoder without its classification top.
        freeze: keep the encoder's weights, except its batch norms, as they are.
        freeze_batch_norm: keep its batch norms as well, which then use the statistics that came with the weights, in
            training too; of use where those fit the new images. Needs `freeze`.
        input_size: largest `(height, width)` in px that the model will see. PSPNet needs it, since its pooling windows
            are fixed parts of it: smaller images are padded to it, so train it on whole frames. Others ignore it.

    Returns:
        A `keras.Model`: float32 images in [0, 255] `(B, H, W, 3)` -> float32 logits `(B, H, W, C)`, also under a
        half-precision policy.

    Raises:
        ValueError: unknown decoder or encoder, a PSPNet without `input_size`, batch norms frozen without the rest, or
            weights of another network.
        FileNotFoundError: the weights are missing and cannot be fetched.

    Source: https://github.com/qubvel/segmentation_models; PSPNet: Zhao et al. 2017; FPN: Kirillov et al. 2019;
        Linknet: Chaurasia and Culurciello 2017; U-Net: Ronneberger et al. 2015.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes={num_classes}: allowed are whole numbers from 2. Give a larger num_classes.")
    _check_choice("decoder", decoder, DECODERS)
    _check_choice("encoder", encoder, ENCODERS)
    if freeze_batch_norm and not freeze:
        raise ValueError("freeze_batch_norm=True freezes nothing without freeze=True. Give both, or neither.")

    import keras

    from fnmask.models.image_layers import CropLike, PadImages, ScalePixels

    padding = _build_padding(PadImages, decoder=decoder, input_size=input_size)
    network = _build_network(
        num_classes=num_classes,
        decoder=decoder,
        encoder=encoder,
        encoder_weights=encoder_weights,
        freeze=freeze,
        freeze_batch_norm=freeze_batch_norm,
        size=padding.size or (None, None),
    )
    images = keras.Input((None, None, 3), name="images")
    padded = padding(ScalePixels(pixel_scale(encoder), name="scale")(images))
    # The crop also turns the half-precision maps of a mixed policy into float32 logits.
    logits = CropLike(name="crop")(network(padded), images)
    return keras.Model(images, logits, name=f"{decoder}_{encoder}")


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        near = difflib.get_close_matches(value, allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name}={value!r} is not known.{hint} Allowed: {', '.join(allowed)}.")


def _build_padding(layer: Callable[..., Any], *, decoder: Decoder, input_size: tuple[int, int] | None) -> Any:
    """Builds the layer that brings images to a size that the decoder can take."""
    if decoder != "pspnet":
        return layer(multiple=_STRIDE_PX, name="pad")
    if input_size is None:
        raise ValueError(
            "decoder='pspnet' needs input_size=(height, width) in px, the largest image that the model will see: its "
            "pooling windows are fixed when it is built. Give input_size, or take unet, fpn or linknet."
        )
    if min(input_size) < 1:
        raise ValueError(f"input_size={input_size}: allowed are (height, width) in px from 1. Give the image size.")
    height, width = (side + -side % _PSPNET_STRIDE_PX for side in input_size)
    return layer(size=(height, width), name="pad")


def _build_network(
    *,
    num_classes: int,
    decoder: Decoder,
    encoder: Encoder,
    encoder_weights: str | None,
    freeze: bool,
    freeze_batch_norm: bool,
    size: tuple[int | None, int | None],
) -> Any:
    """Builds the package's own network, fills its encoder and freezes it."""
    from fnmask.models.weight_files import check_weight_file, load_weight_file

    from_file = encoder_weights not in (None, "imagenet")
    if encoder_weights is not None and from_file:
        check_weight_file(encoder_weights)
    modules = _KerasModules()
    with warnings.catch_warnings():
        # The MobileNets say that they take the weights trained at 224 px for an input of any size: as they should.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        network = _import_builder(decoder)(
            encoder,
            input_shape=(*size, 3),
            classes=num_classes,
            activation="linear",
            encoder_weights=None if from_file else encoder_weights,
            **modules.as_arguments(),
        )
    features = modules.models_built[0]
    if encoder_weights is not None and from_file:
        load_weight_file(features, encoder_weights, name=encoder)
    if freeze:
        _freeze(features, with_batch_norm=freeze_batch_norm)
    return network


def _freeze(encoder: Any, *, with_batch_norm: bool) -> None:
    """Freezes all but the batch norms, whose statistics should follow the new images: the package's own rule."""
    from keras.layers import BatchNormalization

    for layer in encoder.layers:
        layer.trainable = isinstance(layer, BatchNormalization) and not with_batch_norm


def _import_builder(decoder: Decoder) -> Callable[..., Any]:
    """Imports the package, which prints and reads `SM_FRAMEWORK` when imported, and returns the decoder's builder."""
    before = os.environ.get("SM_FRAMEWORK")
    os.environ["SM_FRAMEWORK"] = "tf.keras"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            # The functions behind segmentation_models.Unet and so on: the public ones overwrite the modules given.
            from segmentation_models.models import fpn, linknet, pspnet, unet
    finally:
        if before is None:
            del os.environ["SM_FRAMEWORK"]
        else:
            os.environ["SM_FRAMEWORK"] = before
    builders = {"unet": unet.Unet, "fpn": fpn.FPN, "linknet": linknet.Linknet, "pspnet": pspnet.PSPNet}
    builder: Callable[..., Any] = builders[decoder]
    return builder


class _KerasModules:
    """The Keras modules that the package builds one network with; lists the models built, the encoder first."""

    def __init__(self) -> None:
        self.models_built: list[Any] = []

    def as_arguments(self) -> dict[str, Any]:
        """Keyword arguments for a builder of the package."""
        # tf.keras rather than keras: only its `backend` still holds functions such as int_shape.
        from tensorflow import keras

        from fnmask.models.weight_files import download_weights

        # Every layer that an encoder names with a `/` ("conv1/conv"); weight files match layers by order, not by name.
        slashed = ("Conv2D", "BatchNormalization", "Activation")
        renamed = {name: _drop_slashes(getattr(keras.layers, name)) for name in slashed}
        return {
            "backend": keras.backend,
            "layers": SimpleNamespace(**{**vars(keras.layers), **renamed}),
            "models": SimpleNamespace(Model=self._build_model),
            "utils": SimpleNamespace(get_file=download_weights),
        }

    def _build_model(self, *args: Any, **kwargs: Any) -> Any:
        from keras import Model

        # Without a name of its own it would be called functional_7, by the number of models built before it.
        kwargs.setdefault("name", "network" if self.models_built else "encoder")
        self.models_built.append(Model(*args, **kwargs))
        return self.models_built[-1]


def _drop_slashes(layer_class: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps a layer class so that `/` in a layer's name becomes `_`."""

    def build(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        return layer_class(*args, name=None if name is None else name.replace("/", "_"), **kwargs)

    return build
