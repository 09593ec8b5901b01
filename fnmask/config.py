"""From a composed Hydra config to a checked, typed `TrialConfig`, before any work.

`check` finds every fault at once: unknown keys, wrong types, values out of range, classes that the data set lacks, a
missing folder. It imports no TensorFlow, so that a typing mistake is answered in a second.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field

from fnmask.binding import Bound, ConfigError, bind, suggest, validate, with_faults
from fnmask.class_names import class_indices
from fnmask.data.source import DataSource
from fnmask.losses.variants import LossSpec
from fnmask.metrics.readings import slug

Pixels = Annotated[int, Field(ge=1)]


class _Node(BaseModel):
    """A config node whose keys are all known. Defaults live in `conf/`, so no field has one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimizerConfig(_Node):
    """`conf/optimizer/`."""

    name: Literal["adam", "adamw", "sgd"]
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"]
    weight_decay: float = Field(ge=0)
    momentum: float = Field(ge=0, lt=1)


class TrainerConfig(_Node):
    """`conf/trainer/`."""

    epochs: int = Field(ge=1)
    steps_per_epoch: Annotated[int, Field(ge=1)] | None
    batch_size: int = Field(ge=1)
    eval_batch_size: int = Field(ge=1)
    jit_compile: bool
    select: Literal["last", "best"]
    test: bool


class TrackingConfig(_Node):
    """`conf/tracking/`."""

    kind: Literal["mlflow", "none"]
    experiment: str = Field(min_length=1)
    overlay_images: int = Field(ge=0)


class StudyConfig(_Node):
    """`conf/study/`: read by the sweeper."""

    name: str | None
    n_trials: Annotated[int, Field(ge=1)] | None
    sampler: Literal["tpe", "random", "grid"]
    seed: int = Field(ge=0)
    directions: dict[str, Literal["maximize", "minimize"]] = Field(min_length=1)
    space: dict[str, str]
    when: dict[str, dict[str, list[bool | int | float | str | None]]]
    controls: dict[str, list[str]]
    storage: str | None
    max_failures: int = Field(ge=1)
    dry_run: bool


class DatasetConfig(BaseModel):
    """The keys of `conf/dataset/` that mean the same for every data set; the others belong to its source."""

    model_config = ConfigDict(extra="allow", frozen=True)

    image_size: tuple[Pixels, Pixels]
    crop_size: tuple[Pixels, Pixels] | None
    flips: Literal["none", "horizontal", "both"]
    unreliable_class: int | None
    widen_px: int = Field(ge=0)

    @property
    def train_size(self) -> tuple[int, int]:
        """Height and width of a training image in px: the crop, or the whole image."""
        return self.crop_size or self.image_size


@dataclass(frozen=True)
class TrialConfig:
    """Everything one trial needs, checked. `resolved` is the same as plain values, to be logged."""

    seed: int
    root: Path
    backbone: Bound
    dataset: DatasetConfig
    source: DataSource
    loss: LossSpec
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
        even = (self.loss.error_weights == 1).all() and (self.loss.class_weights == 1).all()
        return bool(even) and self.choices.get("weighting") == "none"

    @property
    def reference(self) -> str:
        """Digest of what a trial shares with the plain control that it is measured against."""
        return digest({key: self.resolved[key] for key in REFERENCE_NODES})

    def metric_keys(self) -> tuple[str, ...]:
        """Every metric that may be an objective: unmasked, on validation."""
        names = [slug(name) for name in self.source.class_names]
        per_class = [f"val/{reading}/{name}" for reading in ("iou", "precision", "recall", "f1") for name in names]
        overall = ["val/miou", "val/miou_without_target", "val/pixel_accuracy", "val/loss_base"]
        return (*overall, *TRADEOFF_KEYS, *per_class)


# What a comparison holds fixed: seed, network, data and training budget.
REFERENCE_NODES = ("seed", "backbone", "dataset", "trainer")

NODES = ("seed", "root", "backbone", "dataset", "loss", "weighting", "optimizer", "trainer", "tracking", "study")

TRADEOFF_KEYS = (
    "tradeoff/others_gain",
    "tradeoff/target_cost",
    "tradeoff/target_precision_gain",
    "tradeoff/target_recall_cost",
)


def digest(content: Mapping[str, Any]) -> str:
    """16 hexadecimal digits that change with the content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


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

    unknown = [key for key in node if key not in NODES]
    faults += [f"{key}: unknown key. {suggest(key, NODES)}" for key in unknown]
    absent = [key for key in NODES if key not in node]
    if absent:
        raise ConfigError([*faults, *(f"{key}: missing. Give {key}=VALUE." for key in absent)])
    seed = attempt(lambda: _check_seed(node["seed"]))
    fixed: dict[str, Any] = {
        key: attempt(lambda key=key, model=model: validate(model, node[key], prefix=key))
        for key, model in (("optimizer", OptimizerConfig), ("trainer", TrainerConfig), ("tracking", TrackingConfig))
    }
    attempt(lambda: validate(StudyConfig, node["study"], prefix="study"))
    backbone = attempt(lambda: bind(node["backbone"], prefix="backbone", known=("num_classes", "input_size")))
    source = attempt(lambda: build_source(node["dataset"]))
    if source is None:
        # Class names come from the data: without it nothing more can be said of losses and weights.
        attempt(lambda: _check_dataset({**node["dataset"], "unreliable_class": None}, ()))
        raise ConfigError(faults)
    dataset = attempt(lambda: _check_dataset(node["dataset"], source.class_names))
    loss = attempt(lambda: _build_loss(node["loss"], source))
    weighting = attempt(lambda: _bind_weighting(node["weighting"], source))
    if fixed["trainer"] and dataset and loss:
        faults.extend(_check_together(fixed["trainer"], dataset, loss))
    if faults:
        raise ConfigError(faults)
    return TrialConfig(
        seed=seed,
        root=Path(node["root"]),
        backbone=backbone,
        dataset=dataset,
        source=source,
        loss=loss,
        weighting=weighting,
        resolved=node,
        choices=dict(choices),
        **fixed,
    )


def read_study(cfg: DictConfig) -> StudyConfig:
    """The `study` node alone, for the sweeper."""
    return validate(StudyConfig, _plain(cfg.study, "study."), prefix="study")


def read_class_names(cfg: DictConfig) -> tuple[str, ...]:
    """Class names of a config's data set."""
    return build_source(_plain(cfg.dataset, "dataset.")).class_names


def _plain(cfg: DictConfig, prefix: str = "") -> dict[str, Any]:
    """A config node as plain values, every interpolation resolved."""
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise ConfigError([f"{prefix}{key}: missing. Give {prefix}{key}=VALUE." for key in missing])
    node = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def _check_seed(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**31:
        raise ConfigError([f"seed: got {given!r}. It must be an integer in [0, 2^31)."])
    return given


def build_source(node: Mapping[str, Any]) -> DataSource:
    """The data source of a `dataset` node; cheap, it reads no image."""
    own = {key: value for key, value in node.items() if key not in DatasetConfig.model_fields}
    bound = bind(own, prefix="dataset")
    try:
        source: DataSource = bound()
    except (OSError, ValueError) as error:
        told = f"dataset.root: got {own['root']!r}. " if isinstance(error, OSError) and "root" in own else "dataset: "
        raise ConfigError([f"{told}{error}"]) from None
    return source


def _check_dataset(node: Mapping[str, Any], class_names: Sequence[str]) -> DatasetConfig:
    node = dict(node)
    faults: list[str] = []
    given = [] if node.get("unreliable_class") is None else [node["unreliable_class"]]
    indices = class_indices(given, class_names, key="dataset.unreliable_class", faults=faults)
    node["unreliable_class"] = indices[0] if indices else None
    return with_faults(faults, lambda: validate(DatasetConfig, node, prefix="dataset"))


def _build_loss(node: Mapping[str, Any], source: DataSource) -> LossSpec:
    node = dict(node)
    faults: list[str] = []
    if "target" in node:
        given = node["target"] if isinstance(node["target"], list) else [node["target"]]
        node["target"] = class_indices(given, source.class_names, key="loss.target", faults=faults)
    bound = with_faults(faults, lambda: bind(node, prefix="loss", known=("num_classes",)))
    try:
        spec: LossSpec = bound(num_classes=len(source.class_names))
    except ValueError as error:
        raise ConfigError([f"loss: {error}"]) from None
    return spec


def _bind_weighting(node: Mapping[str, Any], source: DataSource) -> Bound:
    """Weights given by hand name classes, which are checked here; the pixel counts come with the data."""
    bound = bind(node, prefix="weighting", known=("counts", "class_names"))
    names, weights = source.class_names, bound.kwargs.get("weights")
    faults: list[str] = []
    if isinstance(weights, dict):
        class_indices(list(weights), names, key="weighting.weights", faults=faults)
    elif isinstance(weights, list) and len(weights) != len(names):
        faults.append(f"weighting.weights: got {len(weights)} numbers. Give one for each of {', '.join(names)}.")
    return with_faults(faults, lambda: bound)


def _check_together(trainer: TrainerConfig, dataset: DatasetConfig, loss: LossSpec) -> list[str]:
    """Faults that no single key has."""
    faults = []
    if any(crop > whole for crop, whole in zip(dataset.train_size, dataset.image_size, strict=True)):
        crop, whole = list(dataset.train_size), list(dataset.image_size)
        faults.append(f"dataset.crop_size: got {crop}. It must fit into dataset.image_size={whole}.")
    if loss.warmup_epochs >= trainer.epochs:
        faults.append(
            f"loss.warmup_epochs: got {loss.warmup_epochs:g} with trainer.epochs={trainer.epochs}: the mask would "
            f"never be switched on. Give fewer than {trainer.epochs} warm-up epochs or more epochs."
        )
    return faults
