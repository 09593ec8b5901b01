"""A network with an encoder of two convolutions that is frozen, and a head that takes what both of them make."""

import keras

from fnmask.models.image_layers import CropLike, PadImages, ScalePixels


def build(*, frozen=("first", "first_norm", "second"), dropout=False):
    """The layers of these names are frozen; padded and cropped as the real networks are."""
    given = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, strides=2, padding="same", name="first")(given)
    first = keras.layers.ReLU()(keras.layers.BatchNormalization(name="first_norm")(first))
    second = keras.layers.Dropout(0.5)(first) if dropout else first
    second = keras.layers.ReLU()(keras.layers.Conv2D(5, 3, strides=2, padding="same", name="second")(second))
    joined = keras.layers.Concatenate()([keras.layers.UpSampling2D()(second), first])
    head = keras.layers.BatchNormalization(name="head_norm")(
        keras.layers.Conv2D(6, 3, padding="same", name="head")(joined)
    )
    network = keras.Model(given, keras.layers.Conv2D(3, 1, name="logits")(keras.layers.UpSampling2D()(head)))
    for name in frozen:
        network.get_layer(name).trainable = False
    images = keras.Input((None, None, 3), name="images")
    padded = PadImages(4, name="pad")(ScalePixels("tf", name="scale")(images))
    return keras.Model(images, CropLike(name="crop")(network(padded), images))
