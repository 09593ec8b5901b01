"""From a composed Hydra config to a checked, typed `TrialConfig`, before any work.

`check` finds every fault at once: unknown keys, wrong types, values out of range, classes that the data set lacks, a
missing folder. It imports no TensorFlow, so that a typing mistake is answered in a second.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from fnmask.binding import Bound, ConfigError, bind, suggest, validate
from fnmask.data.label_noise import LabelNoise
from fnmask.data.source import DataSource
from fnmask.data_nodes import bind_label_noise, build_source
from fnmask.frozen_features import why_not_cached
from fnmask.loss_nodes import bind_weighting, build_base_spec, build_loss_spec, check_loss_on_base
from fnmask.losses.spec import BaseSpec, LossSpec
from fnmask.metrics.readings import slug
from fnmask.schema import AugmentationConfig, DatasetConfig, OptimizerConfig, StudyConfig, TrackingConfig, TrainerConfig


@dataclass(frozen=True)
class TrialConfig:
    """Everything one trial needs, checked. `resolved` is the same as plain values, to be logged."""

    seed: int
    root: Path
    backbone: Bound
    dataset: DatasetConfig
    source: DataSource
    label_noise: LabelNoise
    augmentation: AugmentationConfig
    loss: LossSpec
    base: BaseSpec
    weighting: Bound
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    tracking: TrackingConfig
    resolved: Mapping[str, Any]
    choices: Mapping[str, str]

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the classes that the loss lets off, or that a control is read for."""
        return tuple(self.source.class_names[target] for target in self.loss.targets)

    @property
    def is_plain(self) -> bool:
        """Whether this is the plain control: every error counts, every class weighs the same."""
        return self.loss.is_plain and self.choices.get("weighting") == "none"

    @functools.cached_property
    def reference(self) -> str:
        """Digest of what a trial shares with the plain control that it is measured against.

        The data counts by its content, wherever it lies. Left out is what moves no number of the validation.
        """
        shared = {key: self.resolved[key] for key in REFERENCE_NODES}
        shared["dataset"] = self.dataset.model_dump(include=set(DatasetConfig.model_fields))
        shared["data"] = self.data_digest
        shared["trainer"] = {key: value for key, value in shared["trainer"].items() if key not in MOVES_NOTHING}
        return digest(shared)

    @functools.cached_property
    def ground(self) -> str:
        """Digest of network and data: what a setting must have been tried on to be the best known for it."""
        return digest({"backbone": self.resolved["backbone"], "data": self.data_digest})

    @functools.cached_property
    def data_digest(self) -> str:
        """Digest of the content of the data set; its files are read once in a process.

        Raises:
            ConfigError: one of them cannot be read.
        """
        own = {key: value for key, value in self.resolved["dataset"].items() if key not in DatasetConfig.model_fields}
        return _data_digest(json.dumps(own, sort_keys=True))

    def metric_keys(self) -> tuple[str, ...]:
        """Every metric that may be an objective: unmasked, on validation."""
        names = [slug(name) for name in self.source.class_names]
        per_class = [f"val/{reading}/{name}" for reading in ("iou", "precision", "recall", "f1") for name in names]
        overall = ["val/miou", "val/miou_without_target", "val/pixel_accuracy", "val/loss_base"]
        return (*overall, *TRADEOFF_KEYS, *per_class)


# What a comparison holds fixed: seed, network, data, the loss that a mask is put on, optimizer and training budget.
REFERENCE_NODES = ("seed", "backbone", "dataset", "label_noise", "augmentation", "base", "optimizer", "trainer")

MOVES_NOTHING = ("eval_batch_size", "test", "cache_features", "features_gib", "share_steps", "share_gib")

NODES = (
    *("seed", "root", "backbone", "dataset", "label_noise", "augmentation", "loss", "base", "weighting"),
    *("optimizer", "trainer", "tracking", "study"),
)

# What `train.py` takes beside a config, to repeat a run.
SINGLE_RUN = ("from_run", "allow_differences")

TRADEOFF_KEYS = (
    "tradeoff/others_gain",
    "tradeoff/target_cost",
    "tradeoff/target_precision_gain",
    "tradeoff/target_recall_cost",
)


def digest(content: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with the content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@functools.cache
def _data_digest(own: str) -> str:
    try:
        return build_source(json.loads(own)).digest()
    except (OSError, ValueError) as error:
        raise ConfigError([f"dataset: a file of the set cannot be read: {str(error).rstrip('.')}."]) from error


def check(cfg: DictConfig, choices: Mapping[str, str]) -> TrialConfig:
    """Check a composed config and bind it.

    Args:
        cfg: the config without Hydra's own node.
        choices: config group -> option chosen, e.g. `{"loss": "soften_fn"}`.

    Raises:
        ConfigError: every fault found, each with its key, what was given and what is allowed.
    """
    node = _plain(cfg)
    faults: list[str] = []

    def attempt(action: Any) -> Any:
        try:
            return action()
        except ConfigError as error:
            faults.extend(error.faults)

    faults += single_run_faults(node)
    unknown = [key for key in node if key not in (*NODES, *SINGLE_RUN)]
    faults += [f"{key}: unknown key. {suggest(key, NODES)}" for key in unknown]
    absent = [key for key in NODES if key not in node]
    if absent:
        raise ConfigError([*faults, *(f"{key}: missing. Give {key}=VALUE." for key in absent)])
    seed = attempt(lambda: _check_seed(node["seed"]))
    root = attempt(lambda: _check_root(node["root"]))
    fixed: dict[str, Any] = {
        key: attempt(lambda key=key, model=model: validate(model, node[key], prefix=key))
        for key, model in (
            ("augmentation", AugmentationConfig),
            ("optimizer", OptimizerConfig),
            ("trainer", TrainerConfig),
            ("tracking", TrackingConfig),
        )
    }
    attempt(lambda: validate(StudyConfig, node["study"], prefix="study"))
    backbone = attempt(lambda: _bind_backbone(node["backbone"]))
    source = attempt(lambda: build_source(node["dataset"]))
    if source is None:
        # Class names come from the data: without it nothing more can be said of losses and weights.
        attempt(lambda: validate(DatasetConfig, node["dataset"], prefix="dataset"))
        raise ConfigError(faults)
    dataset = attempt(lambda: validate(DatasetConfig, node["dataset"], prefix="dataset"))
    label_noise = attempt(lambda: bind_label_noise(node["label_noise"], source))
    loss = attempt(lambda: build_loss_spec(node["loss"], source.class_names))
    base = attempt(lambda: build_base_spec(node["base"]))
    weighting = attempt(lambda: bind_weighting(node["weighting"], source.class_names))
    if loss and base:
        attempt(lambda: check_loss_on_base(loss, base))
    asks = fixed["trainer"] and fixed["trainer"].cache_features is True
    if asks and dataset and backbone and fixed["augmentation"]:
        reason = why_not_cached(backbone.kwargs, dataset, fixed["augmentation"], fixed["trainer"])
        faults += [f"trainer.cache_features: got true, but {reason}. Change that, or give auto."] if reason else []
    if fixed["trainer"] and dataset and loss:
        faults.extend(_check_durations(fixed["trainer"], dataset, loss))
    if faults:
        raise ConfigError(faults)
    return TrialConfig(
        seed=seed,
        root=root,
        backbone=backbone,
        dataset=dataset,
        source=source,
        label_noise=label_noise,
        loss=loss,
        base=base,
        weighting=weighting,
        resolved=node,
        choices=dict(choices),
        **fixed,
    )


def single_run_faults(node: Iterable[object]) -> list[str]:
    """What is said of keys that only a single run may have."""
    given = set(node)
    return [
        f"{key}: belongs to python train.py +from_run=RUN_ID, without --multirun." for key in SINGLE_RUN if key in given
    ]


def read_study(cfg: DictConfig) -> StudyConfig:
    """The `study` node alone, for the sweeper."""
    return validate(StudyConfig, _plain(cfg.study), prefix="study")


def read_source(cfg: DictConfig) -> DataSource:
    """The data set of a config.

    Raises:
        ConfigError: it cannot be used; its cause is what the source said.
    """
    return build_source(_plain(cfg.dataset))


def _plain(cfg: DictConfig) -> dict[str, Any]:
    """A config node as plain values, every interpolation resolved."""
    try:
        node = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue:  # of one of them
        # Of a part of a config its keys are those of the whole.
        missing = sorted(OmegaConf.missing_keys(cfg))
        raise ConfigError(f"{key}: missing. Give {key}=VALUE." for key in missing) from None
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def _check_seed(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**31:
        raise ConfigError([f"seed: got {given!r}. It must be an integer in [0, 2^31)."])
    return given


def _check_root(given: object) -> Path:
    if not isinstance(given, str) or not given:
        raise ConfigError([f"root: got {given!r}. It must be the path of a folder."])
    root = Path(given).resolve()
    nearest = next(path for path in (root, *root.parents) if path.exists())
    if not nearest.is_dir():
        raise ConfigError([f"root: got {given!r}, but {nearest} is a file. It must be the path of a folder."])
    return root


def _bind_backbone(node: Mapping[str, Any]) -> Bound:
    """Weights from a file are looked for now, not when the trial begins."""
    bound = bind(node, prefix="backbone", known=("num_classes", "input_size"))
    if bound.kwargs.get("freeze_batch_norm") and not bound.kwargs.get("freeze"):
        raise ConfigError(["backbone.freeze_batch_norm: got true with backbone.freeze=false. Give both, or neither."])
    weights = bound.kwargs.get("encoder_weights")
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise ConfigError([f"backbone.encoder_weights: there is no file {weights!r}. Allowed: null, imagenet, a file."])
    return bound


def _check_durations(trainer: TrainerConfig, dataset: DatasetConfig, loss: LossSpec) -> list[str]:
    """Sizes and durations that do not go together."""
    faults = []
    if trainer.batch_size % trainer.n_devices:
        faults.append(
            f"trainer.n_devices: got {trainer.n_devices} with trainer.batch_size={trainer.batch_size}, which is no "
            "multiple of it. Every device takes an equal part of a batch."
        )
    if trainer.n_devices > 1 and trainer.accumulate_batches > 1:
        faults.append(
            f"trainer.accumulate_batches: got {trainer.accumulate_batches} with trainer.n_devices={trainer.n_devices}. "
            "Keras adds up gradients on one device only; raise trainer.batch_size, or give one of the two."
        )
    if any(crop > whole for crop, whole in zip(dataset.train_size, dataset.image_size, strict=True)):
        crop, whole = list(dataset.train_size), list(dataset.image_size)
        faults.append(f"dataset.crop_size: got {crop}. It must fit into dataset.image_size={whole}.")
    if loss.timing.epochs_without_mask >= trainer.epochs:
        faults.append(
            f"loss.warmup_epochs: got {loss.timing.warmup_epochs:g} with trainer.epochs={trainer.epochs}: the mask "
            f"would never be switched on. Give fewer than {trainer.epochs} epochs without a mask, or more epochs."
        )
    return faults
