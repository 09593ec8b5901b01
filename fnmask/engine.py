"""The compiled step, and its reuse across trials: compile once, sweep many.

A trial's structure (network, shapes, optimizer class, loss structure) needs a trace; everything else is a value that
is assigned. `Engine.prepare` hands out a warm `CompiledStep` of the structure asked for, reset to what a fresh process
with that seed would hold.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fnmask.losses.build import AnyLoss
from fnmask.losses.pixel_losses import MaskedCrossentropy
from fnmask.losses.schedule import RampShape, ramp
from fnmask.metrics.streaming import confusion_matrix_per_image


class NonFiniteLoss(ArithmeticError):
    """The training loss left the numbers: the trial cannot go on."""


@dataclass(frozen=True)
class Schedule:
    """What changes from step to step; durations in optimizer steps."""

    steps: int
    learning_rate: float
    cosine: bool
    warmup_steps: int
    ramp_steps: int
    ramp_shape: RampShape = "linear"

    def learning_rate_at(self, step: int) -> float:
        """Constant, or half a cosine from the full rate at step 0 to 0 after the last step."""
        if not self.cosine:
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def ramp_at(self, step: int) -> float:
        """Strength of the mask in [0, 1]."""
        return ramp(step, warmup_steps=self.warmup_steps, ramp_steps=self.ramp_steps, shape=self.ramp_shape)


@dataclass(frozen=True)
class EpochTraining:
    """Training-mode readings of one epoch.

    Attributes:
        loss: mean of the steps' losses.
        masked_fraction: share of the weight of the targets' pixels that the mask removed, at most 1; below 0 where it
            adds weight, and 0 for a mask of false positives, whose pixels bear other labels.
        ramp: strength of the mask in the last step, in [0, 1].
    """

    loss: float
    masked_fraction: float
    ramp: float


@dataclass(frozen=True)
class Evaluation:
    """Inference-mode readings of one split.

    Attributes:
        matrices: int64 (N, C, C), one confusion matrix per image, indexed [true, predicted].
        loss_base: plain unmasked cross-entropy in nats per valid pixel.
    """

    matrices: NDArray[np.int64]
    loss_base: float


class CompiledStep:
    """One network with its loss and optimizer, traced once; its numbers are variables."""

    def __init__(
        self,
        model: keras.Model,
        loss: AnyLoss,
        optimizer: keras.optimizers.Optimizer,
        *,
        targets: Sequence[int],
        jit_compile: bool,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        optimizer.build(model.trainable_variables)
        self._base_loss = MaskedCrossentropy(loss.num_classes, ignore_class=loss.ignore_class)
        # 1 for the classes whose masked fraction is counted; a last 0 for every label that is no class.
        self._is_target = tf.Variable(_indicator(targets, loss.num_classes), trainable=False)
        self._sums = [tf.Variable(0.0, trainable=False) for _ in range(3)]
        # A step is a function of (images, labels) alone; everything else it reads is a variable.
        self._train = tf.function(self._train_eagerly, autograph=False, jit_compile=jit_compile)
        self._evaluate = tf.function(self._evaluate_eagerly, autograph=False)
        self._predict = tf.function(self._predict_eagerly, autograph=False)
        self._fresh_optimizer = [variable.numpy() for variable in optimizer.variables]

    def reset(self, model: keras.Model, loss: AnyLoss, targets: Sequence[int]) -> None:
        """Take over the freshly initialized weights and the values of another trial of the same structure."""
        for variable, fresh in zip(self.model.variables, model.variables, strict=True):
            variable.assign(fresh)
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self.loss.assign_from(loss)
        self._is_target.assign(_indicator(targets, loss.num_classes))

    def train_epoch(
        self, batches: Iterator[Any], schedule: Schedule, *, steps: int, masked: bool = True
    ) -> EpochTraining:
        """Take `steps` optimizer steps, with the schedule's mask or without any. One host synchronization, at the end.

        Raises:
            NonFiniteLoss: the mean loss of the epoch is NaN or infinite.
        """
        for variable in self._sums:
            variable.assign(0.0)
        first = int(self.optimizer.iterations.numpy())
        for step in range(first, first + steps):
            self.optimizer.learning_rate.assign(schedule.learning_rate_at(step))
            self.loss.assign(ramp=schedule.ramp_at(step) if masked else 0.0)
            images, labels = next(batches)
            self._train(images, labels)
        loss, removed, labelled = (float(variable.numpy()) for variable in self._sums)
        if not math.isfinite(loss):
            raise NonFiniteLoss(f"train/loss became {loss} between steps {first} and {first + steps}.")
        strength = schedule.ramp_at(first + steps - 1) if masked else 0.0
        return EpochTraining(loss / steps, removed / labelled if labelled else 0.0, strength)

    def evaluate(self, batches: Any, n_images: int) -> Evaluation:
        """Confusion matrices of the first `n_images` images; what pads the last batch beyond them is dropped."""
        matrices, loss_sum, pixels = [], 0.0, 0
        for images, labels in batches:
            per_image, loss = self._evaluate(images, labels)
            matrices.append(np.asarray(per_image, np.int64))
            valid = int(matrices[-1].sum())
            loss_sum, pixels = loss_sum + float(loss) * valid, pixels + valid
        return Evaluation(np.concatenate(matrices)[:n_images], loss_sum / pixels if pixels else math.nan)

    def predict(self, batches: Any, n_images: int) -> NDArray[np.int32]:
        """Predicted class ids (N, H, W)."""
        return np.concatenate([np.asarray(self._predict(images)) for images, _ in batches])[:n_images]

    def _train_eagerly(self, images: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = self.loss(labels, logits)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        labelled = tf.gather(self._is_target, tf.where(labels < self.loss.num_classes, labels, self.loss.num_classes))
        removed = labelled * (1.0 - self.loss.pixel_weights(labels, logits))
        for variable, value in zip(self._sums, (loss, tf.reduce_sum(removed), tf.reduce_sum(labelled)), strict=True):
            variable.assign_add(value)

    def _predict_eagerly(self, images: Any) -> Any:
        return tf.argmax(self.model(images, training=False), axis=-1, output_type=tf.int32)

    def _evaluate_eagerly(self, images: Any, labels: Any) -> tuple[Any, Any]:
        logits = self.model(images, training=False)
        matrices = confusion_matrix_per_image(labels, logits, self.loss.num_classes, self.loss.ignore_class)
        return matrices, self._base_loss(labels, logits)


class Engine:
    """A bounded cache of compiled steps, least recently used out first."""

    def __init__(self, capacity: int = 3) -> None:
        self._steps: OrderedDict[object, CompiledStep] = OrderedDict()
        self._capacity = capacity

    def prepare(
        self,
        key: object,
        *,
        seed: int,
        build_model: Callable[[], keras.Model],
        build_optimizer: Callable[[], keras.optimizers.Optimizer],
        loss: AnyLoss,
        targets: Sequence[int],
        jit_compile: bool,
    ) -> CompiledStep:
        """A compiled step of this structure, in the state that a fresh process with this seed has.

        Args:
            key: everything outside the loss that changes the trace.
            seed: of the initial weights.
            build_model: builds the network; called for every trial, since its initial weights are the trial's.
            build_optimizer: called once per structure.
            loss: carries the structure and the values of the trial.
            targets: classes whose masked fraction is counted.
            jit_compile: compile the training step with XLA.
        """
        keras.utils.set_random_seed(seed)
        model = build_model()
        key = (key, loss.structure, jit_compile)
        if key in self._steps:
            self._steps.move_to_end(key)
            self._steps[key].reset(model, loss, targets)
            return self._steps[key]
        while len(self._steps) >= self._capacity:
            self._steps.popitem(last=False)
        step = CompiledStep(model, loss, build_optimizer(), targets=targets, jit_compile=jit_compile)
        self._steps[key] = step
        return step

    def discard(self) -> None:
        """Forget every compiled step: after a failure nothing half-done is reused."""
        self._steps.clear()


def _indicator(targets: Sequence[int], num_classes: int) -> NDArray[np.float32]:
    indicator = np.zeros(num_classes + 1, np.float32)
    indicator[list(targets)] = 1
    return indicator
