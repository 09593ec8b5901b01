"""What trials share: loaded data and compiled steps, kept warm between them."""

import functools
import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from fnmask.binding import ConfigError
from fnmask.checked import require_checked
from fnmask.config import TrialConfig
from fnmask.course import build_optimizer
from fnmask.data.arrays import ClassCounts, SplitArrays, count_classes, load_full_labels, load_split, no_images
from fnmask.data.cached import load_cached, load_cached_labels
from fnmask.data.label_noise import Classes
from fnmask.data.pipeline import TrainStream
from fnmask.data.source import SPLITS, Split
from fnmask.engine.cache import Engine, Structure, TooFewDevicesError
from fnmask.engine.features import FeatureStore
from fnmask.engine.jit import settle_jit
from fnmask.engine.network import Network
from fnmask.engine.prefixes import PrefixStore
from fnmask.engine.schedule import Course
from fnmask.engine.trail import Trail
from fnmask.engine.training import Training
from fnmask.frozen_features import why_not_cached
from fnmask.models.frozen import Cut, cut_at_frozen_encoder
from fnmask.schema import DatasetConfig
from fnmask.tracking.lineage import code_digest

_LOG = logging.getLogger(__name__)

# Data sets, or ways to disturb the labels of one, that are kept at hand.
_MOST_DATA = 4

# Settings of the trainer that change what a step computes.
_SHAPE_STEPS = ("batch_size", "accumulate_batches", "precision", "n_devices", "deterministic")


@dataclass(frozen=True)
class TrialData:
    """The three splits of a data set at the trial's size; `test` may be empty.

    `counts` are of the training labels, of whose pixels `spoiled_frac` were changed on purpose.
    """

    train: SplitArrays
    val: SplitArrays
    test: SplitArrays
    counts: ClassCounts
    digest: str
    spoiled_frac: float = 0.0


class Workbench:
    """Hands a trial its data and its network. One per process; not safe for threads.

    Args:
        keeps: leave decoded data, shared steps and verdicts on XLA in the project's `mlruns/`, for later trials.
    """

    def __init__(self, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._engine = Engine()
        self._data: OrderedDict[str, TrialData] = OrderedDict()
        self._prefixes: dict[tuple[Path, int], PrefixStore] = {}

    def load(self, config: TrialConfig) -> TrialData:
        """Data of the config, the most recently used kept at hand.

        Raises:
            ConfigError: the set has errors.
        """
        settings = [config.resolved["dataset"], config.resolved["label_noise"], config.trainer.eval_resolution]
        key = json.dumps(settings, sort_keys=True)
        if key not in self._data:
            while len(self._data) >= _MOST_DATA:
                self._data.popitem(last=False)
            self._data[key] = _load(config, keeps=self._keeps)
        self._data.move_to_end(key)
        return self._data[key]

    def prepare(self, config: TrialConfig) -> Network:
        """A network with the trial's initial weights, before its first step.

        Raises:
            ConfigError: there are fewer devices than it asks for.
        """
        num_classes, optimizer, trainer = len(config.source.class_names), config.optimizer, config.trainer
        if trainer.deterministic:
            # For the whole process, and for good.
            tf.config.experimental.enable_op_determinism()
        wants_features = _wants_features(config)
        structure = Structure(
            # Learning rate and weight decay are assigned.
            key=json.dumps(
                [
                    *(_backbone(config), config.dataset.train_size, config.dataset.image_size),
                    *(trainer.batch_size, trainer.eval_batch_size, trainer.accumulate_batches, trainer.deterministic),
                    *(optimizer.name, optimizer.weight_decay > 0, optimizer.momentum),
                    wants_features,
                ],
                sort_keys=True,
            ),
            build_model=lambda: config.backbone(num_classes=num_classes, input_size=config.dataset.image_size),
            build_optimizer=lambda: build_optimizer(optimizer, trainer.accumulate_batches),
            num_classes=num_classes,
            ignore_class=config.source.ignore_class,
            precision=trainer.precision,
            n_devices=trainer.n_devices,
            cut=functools.partial(_cut, config) if wants_features else None,
        )
        try:
            network = self._engine.prepare(structure, seed=config.seed)
        except TooFewDevicesError as error:
            raise ConfigError([f"trainer.n_devices: {error}"]) from None
        network.weight_decay.assign(optimizer.weight_decay)
        return network

    def encode(self, config: TrialConfig, data: TrialData, network: Network, on_batch: Callable[[], None]) -> TrialData:
        """What the network takes for the images: themselves, or the features of its frozen encoder.

        Args:
            config: of the trial.
            data: its images.
            network: its network.
            on_batch: called before every batch that is encoded; what it raises ends the encoding.

        Raises:
            ConfigError: features are demanded, and cannot be kept.
        """
        network.takes_features = False
        if network.encoder is None or not self._keeps:
            return data
        needed = [split for split in SPLITS if getattr(data, split).ids and (split != "test" or config.trainer.test)]
        store = FeatureStore(config.root / "mlruns" / ".features", int(config.trainer.features_gib * 2**30))
        content = json.dumps([data.digest, config.dataset.image_size, _backbone(config)], default=str)
        images: dict[str, SplitArrays] = {split: getattr(data, split) for split in needed}
        try:
            features = store.encode(network.encoder, images, content=content, on_batch=on_batch)
        except OSError as error:
            _refuse_features(config, str(error))
            return data
        network.takes_features = True
        return replace(data, **features)  # type: ignore[arg-type]

    def settle_jit(self, config: TrialConfig, network: Network, course: Course, stream: TrainStream) -> None:
        """Whether this network's steps are compiled with XLA: as configured, or as measured on its first batch."""
        network.jit_compile = config.trainer.jit_compile is True
        if config.trainer.jit_compile != "auto":
            return

        def time_step(jit_compile: bool) -> float:
            network.jit_compile = jit_compile
            return network.time_step(stream.batch(0), course.unmasked)

        trainer = config.trainer
        structure = [
            *(config.resolved["backbone"], config.dataset.train_size, course.unmasked.structure, config.optimizer.name),
            *(trainer.batch_size, trainer.accumulate_batches, trainer.precision, trainer.n_devices),
            *(network.takes_features, code_digest()),
        ]
        folder = config.root / "mlruns" / ".jit" if self._keeps else None
        verdict = settle_jit(folder, json.dumps(structure, sort_keys=True), time_step)
        network.jit_compile = verdict.jit_compile

    def share(self, config: TrialConfig, network: Network, training: Training, course: Course) -> None:
        """Let a training go on from the steps that another one has taken, and leave its own to others."""
        trainer, steps_per_epoch = config.trainer, training.steps_per_epoch
        if not (self._keeps and trainer.share_steps):
            return
        whole, unmasked = course.schedule.steps, course.unmasked_steps
        # What comes after the unmasked steps is decided by more than the course where a gate may take the mask off, and
        # has lost the weights of its best epoch where those are asked for.
        is_given = config.loss.timing.recall_off is None and trainer.select == "last"
        longest = whole if is_given else unmasked if unmasked < whole else 0
        stops = {unmasked, *range(steps_per_epoch, whole + 1, steps_per_epoch)}
        ground = {
            "seed": config.seed,
            "backbone": _backbone(config),
            "data": config.data_digest,
            "dataset": config.dataset.model_dump(include=set(DatasetConfig.model_fields)),
            "label_noise": config.resolved["label_noise"],
            "augmentation": config.resolved["augmentation"],
            "optimizer": {key: config.resolved["optimizer"][key] for key in ("name", "weight_decay", "momentum")},
            "steps_per_epoch": steps_per_epoch,
            "jit_compile": network.jit_compile,
            "cached_features": network.takes_features,
            **{key: config.resolved["trainer"][key] for key in _SHAPE_STEPS},
            # Of the evaluations that are taken over too.
            "eval_resolution": trainer.eval_resolution,
        }
        keys = Trail(ground, course).keys(stop for stop in stops if 0 < stop <= longest)
        # A longer run has other learning rates under a cosine: nobody would go on from the end of this one.
        useful = {unmasked} if course.schedule.cosine else {unmasked, whole}
        kept = {steps: key for steps, key in keys.items() if steps in useful}
        place = config.root / "mlruns" / ".shared_steps", int(trainer.share_gib * 2**30)
        if place not in self._prefixes:
            self._prefixes[place] = PrefixStore(*place)
        training.share(self._prefixes[place], keys, kept=kept)

    def discard(self) -> None:
        """Forget the compiled steps: after a failure nothing half-done is reused."""
        self._engine.discard()


def _wants_features(config: TrialConfig) -> bool:
    """Whether the network is cut, so that it can be trained on the features of its frozen encoder."""
    frozen, wanted = config.backbone.kwargs.get("freeze"), config.trainer.cache_features
    if not frozen or wanted is False:
        return False
    reason = why_not_cached(config.backbone.kwargs, config.dataset, config.augmentation, config.trainer)
    if reason:
        _refuse_features(config, reason)
    return not reason


def _cut(config: TrialConfig, model: Any) -> Cut | None:
    try:
        return cut_at_frozen_encoder(model, config.dataset.image_size)
    except ValueError as error:
        _refuse_features(config, str(error))
        return None


def _refuse_features(config: TrialConfig, reason: str) -> None:
    """Log why a frozen encoder runs in every step; or raise, where features are demanded."""
    if config.trainer.cache_features is True:
        raise ConfigError([f"trainer.cache_features: got true, but {reason}. Change that, or give auto."])
    _LOG.info("The frozen encoder runs in every step: %s.", reason.rstrip("."))


def _backbone(config: TrialConfig) -> dict[str, Any]:
    """The node of the network; weights from a file count by their content."""
    node = dict(config.resolved["backbone"])
    file = Path(node.get("encoder_weights") or "")
    if file.is_file():
        about = file.stat()
        node["encoder_weights"] = _digest_file(file, about.st_mtime_ns, about.st_size)
    return node


@functools.lru_cache(maxsize=8)
def _digest_file(file: Path, changed_ns: int, size: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _load(config: TrialConfig, *, keeps: bool) -> TrialData:
    source, dataset = config.source, config.dataset
    if keeps:
        # Mostly kept since before the backend was loaded; processes are not started from one that has it.
        require_checked(config, n_workers=1)

    folder = config.root / "mlruns" / ".data"

    def load(split: Split) -> SplitArrays:
        if split == "test" and not source.ids(split):
            return no_images(dataset.image_size)
        if not keeps:
            return load_split(source, split, image_size=dataset.image_size)
        return load_cached(source, split, image_size=dataset.image_size, digest=config.data_digest, folder=folder)

    def with_full_labels(split: Split, arrays: SplitArrays) -> SplitArrays:
        if config.trainer.eval_resolution == "resized" or not arrays.ids:
            return arrays
        if not keeps:
            return replace(arrays, full_labels=load_full_labels(source, split))
        labels = load_cached_labels(source, split, digest=config.data_digest, folder=folder)
        return replace(arrays, full_labels=labels)

    train, val, test = map(load, SPLITS)
    labels = config.label_noise.spoil(train.labels, train.ids, Classes(source.class_names, source.ignore_class))
    # Of sets without noise nothing is read: they may be larger than memory.
    spoiled = 0.0 if labels is train.labels else float(np.mean(labels != train.labels))
    train = replace(train, labels=labels)
    counts = count_classes(labels, len(source.class_names), source.ignore_class)
    val, test = with_full_labels("val", val), with_full_labels("test", test)
    return TrialData(train, val, test, counts, config.data_digest, spoiled)
