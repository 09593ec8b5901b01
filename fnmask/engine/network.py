"""A network with its optimizer and the functions that are compiled for it; every number is a variable of theirs."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fnmask.compiled import compiled_as_a_whole
from fnmask.data.full_labels import FullLabels
from fnmask.data.pipeline import Batch
from fnmask.engine.batch_norm import fuse_batch_norm
from fnmask.engine.readings import EpochTraining, Evaluation, NonFiniteLoss
from fnmask.engine.schedule import Course
from fnmask.engine.state import Arrays, State, read, write
from fnmask.losses.build import AnyLoss
from fnmask.losses.pixel_losses import MaskedCrossentropy
from fnmask.metrics.full_size import full_size_matrices
from fnmask.metrics.streaming import confusion_matrix_per_image
from fnmask.models.frozen import Cut

# Compiled training steps that a network keeps: one for each loss structure, the least recently used out first.
_MOST_STEPS = 8

# Steps that are timed after the one that compiles.
_TIMED_STEPS = 3


class Network:
    """A model with its optimizer. Its functions are traced once, for images of one size and batches of one length.

    Args:
        model: images (B, H, W, 3) -> logits (B, H, W, C).
        optimizer: takes the steps; may scale the loss, or add up the gradients of several batches.
        num_classes: C.
        ignore_class: the label that marks void pixels, or None.
        strategy: the devices that share every batch, for which the model was built; default the one there is.
        cut: the model in two parts.

    Attributes:
        encoder: makes features of images (B, H, W, 3), with a cut; else None.
        takes_features: features are given for the images, everywhere.
        weight_decay: a variable, of an optimizer that was given one above 0.
        jit_compile: compile training steps with XLA from now on.
        steps_done: of the training that is under way.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        num_classes: int,
        ignore_class: int | None,
        strategy: tf.distribute.Strategy | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.encoder: keras.Model | None = cut.features if cut else None
        self._head: keras.Model | None = cut.head if cut else None
        self.takes_features = cut is not None
        fuse_batch_norm(model)
        optimizer.build(model.trainable_variables)
        self.weight_decay = tf.Variable(0.0, trainable=False)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if inner.weight_decay:
            # Keras keeps a plain number, which would be part of the trace.
            inner.weight_decay = self.weight_decay
        self.jit_compile, self.steps_done = False, 0
        self._num_classes, self._ignore_class = num_classes, ignore_class
        self._strategy = strategy or tf.distribute.get_strategy()
        if self._strategy.num_replicas_in_sync == 1:
            # Keras adds up the gradients of one device too, by a function that TensorFlow keeps for as long as the
            # process lives, with the graph of the step around it.
            inner._all_reduce_sum_gradients = list
        self._base_loss = MaskedCrossentropy(num_classes, ignore_class=ignore_class)
        # Of the epoch: the losses; and of the pixels of each label, the last one for all that is no class, the weight
        # that the mask removed and the weight that there was.
        shapes: list[tuple[int, ...]] = [(), (num_classes + 1,), (num_classes + 1,)]
        self._sums = [tf.Variable(tf.zeros(shape), trainable=False) for shape in shapes]
        self._steps: OrderedDict[tuple[object, ...], _Step] = OrderedDict()
        self._evaluate = tf.function(self._evaluate_eagerly, autograph=False)
        self._predict = tf.function(self._predict_eagerly, autograph=False)
        self._new_optimizer, self._no_sums = read(optimizer.variables), read(self._sums)

    def begin(self, weights: Arrays) -> None:
        """Begin a training: with these values of `model.variables`, and a new optimizer."""
        self.restore(State(0, weights, self._new_optimizer, self._no_sums))

    def capture(self) -> State:
        """All that the training holds now."""
        return State(self.steps_done, *map(read, (self.model.variables, self.optimizer.variables, self._sums)))

    def restore(self, state: State) -> None:
        """Go on from a state of a training with this network."""
        write(self.model.variables, state.model)
        write(self.optimizer.variables, state.optimizer)
        write(self._sums, state.sums)
        self.steps_done = state.steps

    def train(self, batches: Iterator[Any], course: Course, *, until: int, masked: bool = True) -> None:
        """Take steps, up to a number of them since the training began, without a host synchronization.

        Args:
            batches: images and labels of the steps from now on.
            course: which loss counts at which step.
            until: steps of the training that are done in the end.
            masked: False takes every step without the mask.
        """
        counted: tuple[AnyLoss | None, float] = (None, 0.0)
        for number in range(self.steps_done, until):
            loss, share = course.at(number, masked=masked)
            step = self._step(loss)
            if loss is not counted[0]:
                step.loss.assign_from(loss)
            if (loss, share) != counted:
                step.loss.assign(ramp=share)
                counted = loss, share
            self.optimizer.learning_rate.assign(course.schedule.learning_rate_at(number))
            step.take(*map(self._share, next(batches)))
            self.steps_done = number + 1

    def end_epoch(self, steps: int) -> EpochTraining:
        """The readings of an epoch of so many steps, whose sums start anew.

        Raises:
            NonFiniteLoss: the mean loss of the epoch is NaN or infinite.
        """
        loss, removed, labelled = read(self._sums)
        write(self._sums, self._no_sums)
        if not math.isfinite(loss):
            done = self.steps_done
            raise NonFiniteLoss(f"train/loss became {float(loss)} between steps {done - steps} and {done}.")
        return EpochTraining(float(loss) / steps, removed[:-1], labelled[:-1])

    def evaluate(
        self, batches: Any, n_images: int, kept: Sequence[int] = (), full_labels: FullLabels | None = None
    ) -> Evaluation:
        """Confusion matrices of the first `n_images` images; what pads the last batch beyond them is dropped.

        Args:
            batches: images and labels.
            n_images: that count.
            kept: the images, in order, whose predicted classes are wanted too.
            full_labels: of those images, of any size: the matrices are of these, and of logits resized to them.
        """
        told, class_ids, full, first = [], [], [], 0
        for images, labels in batches:
            per_image, loss, predicted, logits = self._evaluate(images, labels)
            told.append((per_image, loss))
            if full_labels is not None:
                own = [full_labels[index] for index in range(first, min(n_images, first + len(labels)))]
                full.append(
                    full_size_matrices(
                        own, np.asarray(logits), num_classes=self._num_classes, ignore_class=self._ignore_class
                    )
                )
            wanted = [index - first for index in kept if first <= index < first + len(labels)]
            # Of the others the device keeps them.
            class_ids += [np.asarray(predicted)[wanted]] if wanted else []
            first += len(labels)
        matrices = np.concatenate(full or [np.asarray(per_image, np.int64) for per_image, _ in told])
        pixels = [int(np.sum(per_image)) for per_image, _ in told]
        loss_sum = sum(float(loss) * count for (_, loss), count in zip(told, pixels, strict=True))
        return Evaluation(
            matrices[:n_images],
            loss_sum / sum(pixels) if any(pixels) else math.nan,
            np.concatenate(class_ids) if class_ids else None,
        )

    def logits(self, batches: Any, n_images: int) -> Iterator[NDArray[np.float32]]:
        """Logits (B, H, W, C) of batch after batch; what pads the last one beyond the first `n_images` is dropped."""
        for images, _ in batches:
            logits = np.asarray(self._predict(images))[:n_images]
            n_images -= len(logits)
            yield logits

    def predict(self, batches: Any, n_images: int) -> NDArray[np.int32]:
        """Predicted class ids (N, H, W)."""
        told = [logits.argmax(axis=-1).astype(np.int32) for logits in self.logits(batches, n_images)]
        return np.concatenate(told)

    def time_step(self, batch: Batch, loss: AnyLoss) -> float:
        """Seconds of a training step that is compiled already, the fastest of a few; leaves the training as it was."""
        state, shares, times_s = self.capture(), tuple(map(self._share, batch)), []
        step = self._step(loss)
        for _ in range(1 + _TIMED_STEPS):
            begin_s = time.perf_counter()
            step.take(*shares)
            read(self._sums)  # waits for the device
            times_s.append(time.perf_counter() - begin_s)
        self.restore(state)
        return min(times_s[1:])

    def _step(self, loss: AnyLoss) -> "_Step":
        """The compiled step of losses of this structure, with the numbers of the one that it was last taken for."""
        key = (self.jit_compile, self.takes_features, *loss.structure)
        if key not in self._steps:
            while len(self._steps) >= _MOST_STEPS:
                self._steps.popitem(last=False)
            self._steps[key] = self._compile(type(loss).from_config(loss.get_config()))
        self._steps.move_to_end(key)
        return self._steps[key]

    def _compile(self, loss: AnyLoss) -> "_Step":
        """A function of images and labels alone; everything else that it reads and writes is a variable."""
        jit_compile = self.jit_compile

        def on_one(images: Any, labels: Any) -> Any:
            with compiled_as_a_whole() if jit_compile else nullcontext():
                return self._step_eagerly(loss, images, labels)

        on_device = tf.function(on_one, autograph=False, jit_compile=jit_compile or None)

        def take(images: Any, labels: Any) -> None:
            told = self._strategy.run(on_device, args=(images, labels))
            for variable, added in zip(self._sums, told, strict=True):
                variable.assign_add(self._strategy.reduce(tf.distribute.ReduceOp.SUM, added, axis=None))

        return _Step(loss, tf.function(take, autograph=False))

    def _step_eagerly(self, loss: AnyLoss, images: Any, labels: Any) -> tuple[Any, Any, Any]:
        """One step on one device with its share of the batch; what it adds to the sums."""
        images, labels = _cast(images, labels)
        with tf.GradientTape() as tape:
            logits = self._logits(images, training=True)
        value, direction = loss.value_and_gradient(labels, logits)
        # The optimizer adds up the gradients of the devices.
        n_devices = self._strategy.num_replicas_in_sync
        scaled = self.optimizer.scale_loss(tf.cast(direction, tf.float32) / n_devices)
        direction = tf.cast(scaled, logits.dtype)
        gradients = tape.gradient(logits, self.model.trainable_variables, output_gradients=direction)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        known = tf.where(labels < self._num_classes, labels, self._num_classes)
        removed = 1.0 - loss.pixel_weights(labels, logits)
        removed, labelled = (
            tf.math.unsorted_segment_sum(of, known, self._num_classes + 1) for of in (removed, tf.ones_like(removed))
        )
        return value / n_devices, removed, labelled

    def _logits(self, images: Any, *, training: bool) -> Any:
        model = self._head if self._head is not None and self.takes_features else self.model
        return model(images, training=training)

    def _share(self, values: NDArray[Any]) -> Any:
        """One part of a batch for each device."""
        count = self._strategy.num_replicas_in_sync
        if count == 1:
            return values
        parts = np.split(values, count)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    def _predict_eagerly(self, images: Any) -> Any:
        return tf.cast(self._logits(tf.cast(images, tf.float32), training=False), tf.float32)

    def _evaluate_eagerly(self, images: Any, labels: Any) -> tuple[Any, Any, Any, Any]:
        images, labels = _cast(images, labels)
        logits = self._logits(images, training=False)
        matrices = confusion_matrix_per_image(labels, logits, self._num_classes, self._ignore_class)
        class_ids = tf.cast(tf.argmax(logits, axis=-1), tf.uint8)
        return matrices, self._base_loss.value_and_gradient(labels, logits)[0], class_ids, logits


@dataclass(frozen=True)
class _Step:
    """A compiled training step: takes images and labels, and leaves all that it computes in variables."""

    loss: AnyLoss
    take: Callable[[Any, Any], None]


def _cast(images: Any, labels: Any) -> tuple[Any, Any]:
    """Images and labels travel as bytes."""
    return tf.cast(images, tf.float32), tf.cast(labels, tf.int32)
