"""TensorFlow input: an endless, reproducible training stream and an evaluation pass with one batch shape.

`tf.data`'s own shuffle and the stateful random ops depend on the global seed and on what ran before. All randomness
here is a function of (seed, position in the stream) instead, so the same seed gives the same batches in any process,
with any number of threads.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from fnmask.data.arrays import SplitArrays

Flips = Literal["none", "horizontal", "both"]
_FLIPS: tuple[Flips, ...] = ("none", "horizontal", "both")

# Added to the seed, so that the order of images and their crops are drawn from different streams.
_ORDER, _CROP = 0, 1


def build_train_dataset(
    arrays: SplitArrays, *, batch_size: int, crop_size: tuple[int, int] | None, flips: Flips, seed: int
) -> tf.data.Dataset:
    """Build the endless stream of training batches.

    Every image comes once per pass, in a new order each pass; passes follow each other without a gap, so a batch
    may hold the end of one and the start of the next, and all batches have the same shape. Images and labels are
    cropped and flipped as one array, which keeps them together.

    Args:
        arrays: N images and labels.
        batch_size: B, at least 1; may exceed N.
        crop_size: Height and width of a random crop in pixels, or None for whole images.
        flips: "horizontal" mirrors left and right with probability 1/2, "both" also top and bottom.
        seed: The same seed gives the same stream, bit for bit, every time it is iterated from its start.

    Returns:
        Batches (images float32 (B, h, w, 3) in 0..255, labels int32 (B, h, w)).

    Raises:
        ValueError: A size or option is out of range, or the crop does not fit into the images.
    """
    count, height, width = arrays.labels.shape
    _check_batch(batch_size, count)
    if flips not in _FLIPS:
        raise ValueError(f"flips is {flips!r}; use one of {', '.join(_FLIPS)}.")
    crop_height, crop_width = crop_size or (height, width)
    if not (0 < crop_height <= height and 0 < crop_width <= width):
        raise ValueError(f"crop_size is {crop_size}, the images are {(height, width)}; use a crop that fits, or null.")
    data = _stack(arrays)

    def pass_order(number: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed=_key(seed, _ORDER, number))
        return tf.data.Dataset.from_tensor_slices(order)

    def draw(number: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        draws = tf.random.stateless_uniform([4, batch_size], seed=_key(seed, _CROP, number))
        rows = _places(draws[0], height, crop_height, draws[2] < 0.5 if flips == "both" else None)
        columns = _places(draws[1], width, crop_width, draws[3] < 0.5 if flips != "none" else None)
        batch = tf.gather(tf.gather(data, indices), rows, axis=1, batch_dims=1)
        batch = tf.gather(batch, columns, axis=2, batch_dims=1)
        return _split(batch)

    stream = tf.data.Dataset.counter().flat_map(pass_order).batch(batch_size, drop_remainder=True).enumerate()
    return stream.map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def build_eval_dataset(arrays: SplitArrays, *, batch_size: int, pad_label: int) -> tf.data.Dataset:
    """Build one pass over whole images in order.

    The last batch is filled up with black images whose every label is `pad_label`, so that a compiled step sees one
    shape only. Drop the surplus from per-image results with `[: len(arrays.ids)]`.

    Args:
        arrays: N images and labels.
        batch_size: B, at least 1.
        pad_label: Usually the void id: the label of the filling.

    Returns:
        ceil(N / B) batches (images float32 (B, H, W, 3) in 0..255, labels int32 (B, H, W)).

    Raises:
        ValueError: The batch size is below 1, or there are no images.
    """
    count = len(arrays.labels)
    _check_batch(batch_size, count)
    with tf.device("CPU:0"):
        images, labels = tf.constant(arrays.images), tf.constant(arrays.labels)

    def batch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = slice(number * batch_size, (number + 1) * batch_size)
        image = tf.cast(images[rows], tf.float32)
        label = tf.cast(labels[rows], tf.int32)
        missing = batch_size - tf.shape(label)[0]
        image = tf.pad(image, [[0, missing], [0, 0], [0, 0], [0, 0]])
        label = tf.pad(label, [[0, missing], [0, 0], [0, 0]], constant_values=pad_label)
        return tf.ensure_shape(image, (batch_size, *images.shape[1:])), tf.ensure_shape(
            label, (batch_size, *labels.shape[1:])
        )

    numbers = tf.data.Dataset.range(-(-count // batch_size), output_type=tf.int32)
    return numbers.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _stack(arrays: SplitArrays) -> tf.Tensor:
    """Put the labels behind the colors, (N, H, W, 4), in the memory of the host."""
    with tf.device("CPU:0"):
        return tf.constant(np.concatenate([arrays.images, arrays.labels[..., None]], axis=-1))


def _split(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.cast(batch[..., :3], tf.float32), tf.cast(batch[..., 3], tf.int32)


def _key(seed: int, use: int, number: tf.Tensor) -> tf.Tensor:
    """Make the seed of one draw: two numbers, as the stateless ops want."""
    return tf.random.fold_in(tf.constant([seed, use], tf.int64), number)


def _places(draws: tf.Tensor, length: int, crop: int, mirror: tf.Tensor | None) -> tf.Tensor:
    """Return which rows, or columns, each of B crops consists of, (B, crop), counted down where it is mirrored."""
    first = tf.cast(tf.floor(draws * (length - crop + 1)), tf.int32)
    steps = tf.range(crop)
    if mirror is not None:
        steps = tf.where(mirror[:, None], steps[::-1], steps)
    return first[:, None] + steps


def _check_batch(batch_size: int, count: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give at least 1.")
    if count < 1:
        raise ValueError("There are no images. Give the split at least one.")
