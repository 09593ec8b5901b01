"""A network cut where its frozen encoder ends: features that never change, and the head that is trained on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

# Of the frozen weights, those that the features are to spare.
_LEAST_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Cut:
    """A network in two parts, which share its layers and weights.

    Attributes:
        features: Keras model, images (B, H, W, 3) -> all that the head needs of them, (B, F).
        head: Keras model, (B, F) -> logits (B, H, W, C).
    """

    features: Any
    head: Any


def cut_at_frozen_encoder(model: Any, image_size: tuple[int, int]) -> Cut:
    """Cuts a network of `segmentation_model` behind the last frozen layers that see images through frozen layers only.

    A layer counts as frozen if it has no trainable weight and draws nothing at random, so that it gives the same for an
    image in every step. Layers without weights that follow the last frozen ones belong to the head.

    Args:
        model: the network.
        image_size: height and width of every image in px.

    Raises:
        ValueError: no layer with weights is frozen, or all are, or the graph cannot be cut; says which it is.
    """
    import keras

    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(networks) != 1:
        raise ValueError(f"{model.name} has no encoder of its own")
    network = networks[0]
    boundary = _find_boundary(network)
    prepare = keras.Model(model.input, model.get_layer("pad").output)
    images = keras.Input((*image_size, 3), name="images")
    maps = keras.tree.flatten(keras.Model(network.inputs, boundary)(prepare(images)))
    flat = [keras.layers.Flatten()(each) for each in maps]
    features = keras.Model(images, keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0], name="features")
    given = keras.Input((features.output_shape[-1],), name="features")
    logits = keras.Model(boundary, network.outputs)(_unflatten(given, [each.shape[1:] for each in maps]))
    height, width = image_size
    head = keras.Model(given, keras.tree.flatten(logits)[0][:, :height, :width, :], name="head")
    return Cut(features, head)


def _unflatten(flat: Any, shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    from keras.layers import Reshape

    parts, first = [], 0
    for shape in shapes:
        parts.append(Reshape(shape)(flat[:, first : first + prod(shape)]))
        first += prod(shape)
    return parts


def _find_boundary(network: Any) -> list[Any]:
    """What layers of the head take from frozen ones, in the order of the network."""
    import keras

    def inputs(operation: Any) -> list[Any]:
        is_input = isinstance(operation, keras.layers.InputLayer)
        return [] if is_input else keras.tree.flatten(operation.input)

    maker = {id(made): each for each in network.operations for made in keras.tree.flatten(each.output)}
    known = [*network.outputs, *(taken for each in network.operations for taken in inputs(each))]
    if any(id(tensor) not in maker for tensor in known):
        raise ValueError("a layer of the network is used more than once")
    still: set[Any] = set()
    for each in network.operations:  # in an order in which every layer follows what it takes
        if _is_still(each) and all(maker[id(taken)] in still for taken in inputs(each)):
            still.add(each)
    encoder = {each for each in still if getattr(each, "weights", None)}
    _check_share(network, encoder)
    for each in reversed(network.operations):
        if each in encoder:
            encoder |= {maker[id(taken)] for taken in inputs(each)}
    if all(maker[id(made)] in encoder for made in network.outputs):
        raise ValueError("all of the network is frozen, so that there is nothing to train")
    taken = [each for operation in network.operations if operation not in encoder for each in inputs(operation)]
    boundary = list({id(each): each for each in taken if maker[id(each)] in encoder}.values())
    if any(isinstance(maker[id(each)], keras.layers.InputLayer) for each in boundary):
        raise ValueError("a layer that is trained takes the images themselves")
    return boundary


def _check_share(network: Any, encoder: Collection[Any]) -> None:
    """Features that leave most of the frozen layers to every step would cost more than they save."""
    frozen = [each for each in network.layers if each.weights and not each.trainable_weights]
    if not encoder:
        raise ValueError("no layer of the network is frozen from the images on")
    share = sum(each.count_params() for each in encoder) / sum(each.count_params() for each in frozen)
    if share < _LEAST_SHARE:
        first = next(each for each in network.layers if not _is_still(each))
        raise ValueError(f"only {share:.0%} of its weights come before {first.name}, which changes from step to step")


def _is_still(operation: Any) -> bool:
    """Whether it gives the same in every step."""
    import keras

    if not isinstance(operation, keras.layers.Layer):
        return True
    moves = operation.trainable and isinstance(operation, keras.layers.BatchNormalization)
    # The states of generators are variables, but no weights.
    is_random = len(operation.variables) > len(operation.weights)
    return not (operation.trainable_weights or moves or is_random)
