"""What trials share: loaded data and compiled steps, kept warm between them."""

import json
from dataclasses import dataclass

import keras

from fnmask.binding import ConfigError
from fnmask.config import TrialConfig
from fnmask.data.arrays import ClassCounts, SplitArrays, count_classes, load_split
from fnmask.data.label_noise import widen_class
from fnmask.engine import CompiledStep, Engine, Schedule
from fnmask.losses.build import build_loss
from fnmask.schema import OptimizerConfig


@dataclass(frozen=True)
class TrialData:
    """The three splits of a data set at the trial's size; `test` may be empty. `counts` are of the training labels."""

    train: SplitArrays
    val: SplitArrays
    test: SplitArrays
    counts: ClassCounts
    digest: str


class Workbench:
    """Hands a trial its data and its compiled step. One per process; not safe for threads."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._data: dict[str, TrialData] = {}

    def load(self, config: TrialConfig) -> TrialData:
        """Data of the config, read once while consecutive trials ask for the same."""
        key = json.dumps(config.resolved["dataset"], sort_keys=True)
        if key not in self._data:
            self._data = {key: _load(config)}
        return self._data[key]

    def prepare(self, config: TrialConfig, data: TrialData) -> CompiledStep:
        """A compiled step with the trial's initial weights and the trial's numbers."""
        num_classes = len(config.source.class_names)
        try:
            weights = config.weighting(counts=data.counts, class_names=config.source.class_names)
        except ValueError as error:  # such as a class without a training pixel
            raise ConfigError([f"weighting: {error}"]) from None
        loss = build_loss(config.loss, config.base, class_weights=weights, ignore_class=config.source.ignore_class)
        optimizer, resolved = config.optimizer, config.resolved
        # The learning rate is assigned at every step; what stays here is baked into the trace.
        structure = (
            json.dumps(resolved["backbone"], sort_keys=True),
            (config.dataset.train_size, config.dataset.image_size),
            config.trainer.batch_size,
            (optimizer.name, optimizer.weight_decay, optimizer.momentum),
        )
        return self._engine.prepare(
            structure,
            seed=config.seed,
            build_model=lambda: config.backbone(num_classes=num_classes, input_size=config.dataset.image_size),
            build_optimizer=lambda: build_optimizer(optimizer),
            loss=loss,
            targets=config.loss.targets,
            jit_compile=config.trainer.jit_compile,
        )

    def discard(self) -> None:
        """Forget the compiled steps: after a failure nothing half-done is reused."""
        self._engine.discard()


def build_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """The Keras optimizer of a checked config."""
    decay = config.weight_decay or None
    if config.name == "sgd":
        return keras.optimizers.SGD(config.learning_rate, momentum=config.momentum, weight_decay=decay)
    kind = keras.optimizers.AdamW if config.name == "adamw" else keras.optimizers.Adam
    return kind(config.learning_rate, weight_decay=decay)


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


def _load(config: TrialConfig) -> TrialData:
    source, dataset = config.source, config.dataset
    train, val, test = (load_split(source, split, image_size=dataset.image_size) for split in ("train", "val", "test"))
    if dataset.unreliable_class is not None and dataset.widen_px:
        labels = widen_class(train.labels, dataset.unreliable_class, dataset.widen_px, source.ignore_class)
        train = SplitArrays(train.ids, train.images, labels)
    counts = count_classes(train.labels, len(source.class_names), source.ignore_class)
    return TrialData(train, val, test, counts, source.digest())
