"""From a checked config to what the engine takes: the optimizer, and which loss counts when."""

import keras

from fnmask.binding import ConfigError
from fnmask.config import TrialConfig
from fnmask.data.arrays import ClassCounts
from fnmask.engine.schedule import Course, Schedule
from fnmask.losses.build import AnyLoss, build_loss
from fnmask.losses.spec import LossSpec
from fnmask.schema import OptimizerConfig


def build_optimizer(config: OptimizerConfig, accumulate_batches: int = 1) -> keras.optimizers.Optimizer:
    """The Keras optimizer of a checked config, which moves the weights once for so many batches."""
    decay, several = config.weight_decay or None, accumulate_batches > 1
    shared = {"weight_decay": decay, "gradient_accumulation_steps": accumulate_batches if several else None}
    if config.name == "sgd":
        return keras.optimizers.SGD(config.learning_rate, momentum=config.momentum, **shared)
    # Keras' AdamW refuses to be without a decay, and is Adam then.
    kind = keras.optimizers.AdamW if config.name == "adamw" and decay else keras.optimizers.Adam
    return kind(config.learning_rate, **shared)


def build_course(config: TrialConfig, counts: ClassCounts, steps_per_epoch: int) -> Course:
    """Which loss counts when.

    Raises:
        ConfigError: the class weights cannot be had from this data.
    """
    try:
        weights = config.weighting(counts=counts, class_names=config.source.class_names)
    except ValueError as error:  # such as a class without a training pixel
        raise ConfigError([f"weighting: {error}"]) from None

    def build(spec: LossSpec) -> AnyLoss:
        return build_loss(spec, config.base, class_weights=weights, ignore_class=config.source.ignore_class)

    unmasked = config.loss.unmasked
    plain = build(unmasked)
    loss = plain if config.loss.is_unmasked else build(config.loss)
    return Course(build_schedule(config, steps_per_epoch), loss, plain)


def build_schedule(config: TrialConfig, steps_per_epoch: int) -> Schedule:
    """Durations of the config, which count in epochs, as optimizer steps."""
    timing = config.loss.timing
    return Schedule(
        steps=config.trainer.epochs * steps_per_epoch,
        learning_rate=config.optimizer.learning_rate,
        cosine=config.optimizer.schedule == "cosine",
        warmup_steps=round(timing.warmup_epochs * steps_per_epoch),
        ramp_steps=round(timing.ramp_epochs * steps_per_epoch),
        ramp_shape=timing.ramp_shape,
    )
