"""The typed nodes of a config: every key, its type and its range. Defaults live in `conf/`, so no field has one."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# What a search is for unless it says otherwise: it means the same for every target, so that any may be chosen.
DEFAULT_DIRECTIONS = {"tradeoff/others_gain": "maximize"}

# What every search is measured against: no mask at all, and the simplest way to make a class count less.
DEFAULT_CONTROLS = {
    "plain": ["loss=plain", "weighting=none"],
    "class_downweight": ["loss=class_downweight", "weighting=none"],
}

Pixels = Annotated[int, Field(ge=1)]


def _default(value: dict[str, Any] | list[Any]) -> BeforeValidator:
    """Null in `conf/` stands for a default: Hydra would merge one written there with what is given, not replace it."""
    return BeforeValidator(lambda given: value if given is None else given)


class _Node(BaseModel):
    """A config node whose keys are all known."""

    # Strict: "8" and true are no numbers. A text for a number would slip past what `conf/` computes from it.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class AugmentationConfig(_Node):
    """`conf/augmentation/`."""

    crops: Literal["uniform", "class_balanced", "grid"]
    rotation_deg: float = Field(ge=0, le=180)
    zoom: float = Field(ge=0, le=4)
    brightness: float = Field(ge=0, le=1)
    contrast: float = Field(ge=0, lt=1)
    saturation: float = Field(ge=0, le=1)
    hue_deg: float = Field(ge=0, le=180)
    noise: float = Field(ge=0, le=1)
    blur_px: float = Field(ge=0)

    @property
    def changes(self) -> bool:
        """Whether a training batch is another one than without it."""
        return self.crops != "uniform" or any(self.model_dump(exclude={"crops"}).values())


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
    # Runs of before it was a setting had no other.
    eval_resolution: Literal["resized", "original"] = "resized"
    jit_compile: bool | Literal["auto"]
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"]
    accumulate_batches: int = Field(ge=1)
    n_devices: int = Field(ge=1)
    deterministic: bool
    select: Literal["last", "best"]
    patience_epochs: Annotated[int, Field(ge=1)] | None
    test: bool
    cache_features: bool | Literal["auto"]
    features_gib: float = Field(gt=0)
    share_steps: bool
    share_gib: float = Field(gt=0)


class TrackingConfig(_Node):
    """`conf/tracking/`."""

    kind: Literal["mlflow", "none"]
    experiment: str = Field(min_length=1)
    overlay_images: int = Field(ge=0)
    prediction_images: int = Field(ge=0)
    weights: Literal["all", "plain", "none"]


class StudyConfig(_Node):
    """`conf/study/`: read by the sweeper."""

    name: str | None
    n_trials: Annotated[int, Field(ge=1)] | None
    sampler: Literal["tpe", "random", "grid", "quasi_random", "nsga2", "nsga3", "cma_es"]
    seed: int = Field(ge=0, lt=2**31)
    directions: Annotated[dict[str, Literal["maximize", "minimize"]], Field(min_length=1), _default(DEFAULT_DIRECTIONS)]
    space: Annotated[dict[str, str], _default({})]
    when: Annotated[dict[str, dict[str, list[bool | int | float | str | None]]], _default({})]
    zip: Annotated[list[list[str]], _default([])]
    hook: str | None
    constraints: Annotated[dict[str, str], _default({})]
    controls: Annotated[dict[str, list[str]], _default(DEFAULT_CONTROLS)]
    best_known: bool
    pruner: dict[str, Any]
    seeds: int = Field(ge=1, le=100)
    seed_margin_points: Annotated[float, Field(gt=0)] | None
    n_workers: int = Field(ge=0)
    storage: str | None
    heartbeat_s: int = Field(ge=1)
    max_retries: int = Field(ge=0)
    max_failures: int = Field(ge=1)
    trial_timeout_s: Annotated[float, Field(gt=0)] | None
    dry_run: bool


class DatasetConfig(BaseModel):
    """The keys of `conf/dataset/` that mean the same for every data set; the others belong to its source."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    image_size: tuple[Pixels, Pixels]
    crop_size: tuple[Pixels, Pixels] | None
    flips: Literal["none", "horizontal", "both"]

    @property
    def train_size(self) -> tuple[int, int]:
        """Height and width of a training image in px: the crop, or the whole image."""
        return self.crop_size or self.image_size
