"""Batch normalization by TensorFlow's own operation, where Keras puts it together from a dozen small ones."""

from collections.abc import Iterator
from types import MethodType
from typing import Any

import keras
import tensorflow as tf

from fnmask.compiled import is_compiled_as_a_whole


def fuse_batch_norm(model: keras.Model) -> None:
    """Let the batch norms of a model compute the same in one operation each, forward and backward.

    The model stays what it is: its layers, weights and configuration are Keras' own. Equal to Keras' computation but
    for rounding. Left to Keras: what TensorFlow's operation does not offer (another axis than the last, renorm,
    synchronized statistics, masks, inputs that are not images), frozen layers in a training step, whose gradients the
    operation does not have everywhere, and steps compiled by XLA, which fuses by itself.

    Args:
        model: of any nesting; changed in place.
    """
    for layer in _layers(model):
        if type(layer) is keras.layers.BatchNormalization and not (layer.renorm or layer.synchronized):
            layer.call = MethodType(_call, layer)


def _layers(model: Any) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _call(self: keras.layers.BatchNormalization, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    is_images = len(inputs.shape) == 4 and self.axis in (3, -1)
    is_float32 = self.variable_dtype == "float32"
    is_fused = is_images and is_float32 and mask is None and not is_compiled_as_a_whole()
    if not is_fused or (training and not self.trainable):
        return keras.layers.BatchNormalization.call(self, inputs, training=training, mask=mask)
    mean, variance = (tf.convert_to_tensor(of) for of in (self.moving_mean, self.moving_variance))
    outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=tf.cast(inputs, tf.float32),  # as Keras does: half precision overflows here
        scale=tf.cast(self.gamma, tf.float32) if self.scale else tf.ones_like(mean),
        offset=tf.cast(self.beta, tf.float32) if self.center else tf.zeros_like(mean),
        mean=[] if training else mean,
        variance=[] if training else variance,
        epsilon=self.epsilon,
        is_training=bool(training),
    )
    if training:
        count = tf.cast(tf.size(inputs, out_type=tf.int64), tf.float32) / inputs.shape[-1]
        # The operation estimates the variance of all images there are, Keras takes that of the batch; of one value
        # there is no estimate.
        batch_variance = tf.math.multiply_no_nan(batch_variance, (count - 1) / count)
        for moving, of_batch in ((self.moving_mean, batch_mean), (self.moving_variance, batch_variance)):
            moving.assign(moving * self.momentum + of_batch * (1 - self.momentum))
    return tf.cast(outputs, self.compute_dtype)
