"""The encoders of segmentation-models 1.0.1 by name, and the pixel scale that each was trained with."""

from typing import Final, Literal, get_args

Encoder = Literal[
    "densenet121",
    "densenet169",
    "densenet201",
    "efficientnetb0",
    "efficientnetb1",
    "efficientnetb2",
    "efficientnetb3",
    "efficientnetb4",
    "efficientnetb5",
    "efficientnetb6",
    "efficientnetb7",
    "inceptionresnetv2",
    "inceptionv3",
    "mobilenet",
    "mobilenetv2",
    "resnet101",
    "resnet152",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnext101",
    "resnext50",
    "senet154",
    "seresnet101",
    "seresnet152",
    "seresnet18",
    "seresnet34",
    "seresnet50",
    "seresnext101",
    "seresnext50",
    "vgg16",
    "vgg19",
]
Decoder = Literal["unet", "fpn", "linknet", "pspnet"]

ENCODERS: Final[tuple[Encoder, ...]] = get_args(Encoder)
DECODERS: Final[tuple[Decoder, ...]] = get_args(Decoder)

# These scale pixels themselves, by a batch norm on the input; the larger SE networks do not.
_SCALED_INSIDE: Final = ("resnet", "resnext", "seresnet18", "seresnet34")
_MINUS_ONE_TO_ONE: Final = ("inception", "mobilenet")


def pixel_scale(encoder: str) -> Literal["none", "caffe", "tf", "torch"]:
    """Names the scale of `fnmask.models.image_layers.ScalePixels` that the encoder's ImageNet weights expect.

    Source: the `preprocess_input` of each encoder in image-classifiers, efficientnet and keras-applications.
    """
    if encoder.startswith(_SCALED_INSIDE):
        return "none"
    if encoder.startswith(_MINUS_ONE_TO_ONE):
        return "tf"
    return "caffe" if encoder.startswith("vgg") else "torch"
