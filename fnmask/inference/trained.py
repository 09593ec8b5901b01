"""The trained network of a run, rebuilt from what the store kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fnmask.binding import bind
from fnmask.decision import Decision, read_decision
from fnmask.tracking.artifacts import CLASSES, CONFIG, ClassList, unpack_classes
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import NotFoundError, RunNotFoundError, RunRecord
from fnmask.tracking.weights import WEIGHTS, unpack_weights

# An infeasible trial violates a constraint of its sweep, and is trained to its end all the same.
_FINISHED = ("complete", "infeasible")


class NoModelError(NotFoundError):
    """A run has no trained network that can be used."""


@dataclass(frozen=True)
class Trained:
    """A trained network with what is needed to use it.

    Attributes:
        run: that the network was trained in.
        config: of that run, as plain values.
        classes: that it tells apart.
        decision: how a class is chosen from its logits.
        model: float32 images in [0, 255] `(B, H, W, 3)` -> float32 logits `(B, H, W, C)`.
    """

    run: RunRecord
    config: Mapping[str, Any]
    classes: ClassList
    decision: Decision
    model: Any

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in px of the images that it was trained and measured on."""
        height, width = self.config["dataset"]["image_size"]
        return height, width

    @property
    def photo(self) -> dict[str, Any]:
        """How images are read, as `fnmask.data.reading.read_photo` takes it: as they were for the training."""
        dataset = self.config["dataset"]
        if "value_range" not in dataset:
            return {"may_be_deep": False}
        return {"channels": dataset["channels"], "value_range": dataset["value_range"]}


def load_trained(store: MlflowStore, run_id: str, *, decision: str | None = None) -> Trained:
    """Rebuild the network of a run.

    Args:
        store: holds the runs.
        run_id: of a run, or the beginning of its id. Of a trial with several seeds the first seed is taken; a run that
            records a moved threshold has the network of the run that it was moved on.
        decision: rule such as `road>0.8`; None for the run's own, which is argmax unless it records a moved threshold.

    Raises:
        RunNotFoundError: there is no such run, or it is a sweep.
        NoModelError: it has kept no weights, or they do not fit the network as it is built today.
        ConfigError: the backbone cannot be built from its configuration, or `decision` is no rule.
    """
    named = store.find_run(run_id)
    run = find_trained_run(store, named)
    classes = unpack_classes(_read(store, run, CLASSES))
    rule = read_decision(named.tag("decision") if decision is None else decision, classes.names)
    weights = unpack_weights(_read(store, run, WEIGHTS))
    config = yaml.safe_load(_read(store, run, CONFIG))
    trained = Trained(run, config, classes, rule, None)
    return Trained(run, config, classes, rule, _build(trained, weights))


def find_trained_run(store: MlflowStore, run: RunRecord) -> RunRecord:
    """The run whose weights stand for a run: itself, its first seed, or the one whose threshold it moves.

    Raises:
        RunNotFoundError: it is a sweep.
    """
    if run.tag("kind") == "sweep":
        raise RunNotFoundError(
            f"{run.run_id} is the sweep {run.tag('study')!r}. Give the id of one of its trials, as the page of fnmask "
            "compare and MLflow's page of the sweep show them."
        )
    if run.tag("model_run"):
        return store.find_run(run.tag("model_run"))
    seeds = [child for child in store.runs(run.run_id) if child.tag("kind") == "seed" and child.status == "FINISHED"]
    return min(seeds, key=lambda child: int(child.tag("seed"))) if seeds else run


def _read(store: MlflowStore, run: RunRecord, name: str) -> bytes:
    """A file of a run that has trained to its end."""
    try:
        return store.read_artifact(run.run_id, name)
    except FileNotFoundError:
        if run.tag("outcome") not in _FINISHED:
            raise NoModelError(
                f"Run {run.run_id} has no trained network: it is {run.tag('outcome') or run.status.lower()}. Give one "
                "that is complete."
            ) from None
        if name != WEIGHTS:
            raise NoModelError(
                f"Run {run.run_id} has lost its files: was mlruns/ deleted or moved? There is no {name}."
            ) from None
        raise NoModelError(
            f"Run {run.run_id} has kept no weights: it ran with another tracking.weights than all, or with an older "
            f"version. Train it again: python train.py +from_run={run.run_id} tracking.weights=all"
        ) from None


def _build(trained: Trained, weights: list[Any]) -> Any:
    """The network as it was built for the trial, with the weights that it ended with."""
    node = dict(trained.config["backbone"])
    if "encoder_weights" in node:
        node["encoder_weights"] = None  # all weights are replaced
    backbone = bind(node, prefix="backbone", known=("num_classes", "input_size"))
    model = backbone(num_classes=len(trained.classes.names), input_size=trained.image_size)
    wanted, found = [tuple(array.shape) for array in model.weights], [array.shape for array in weights]
    if wanted != found:
        raise NoModelError(
            f"The weights of run {trained.run.run_id} do not fit its network as {node['_target_']} builds it today: "
            f"{len(found)} arrays were kept, {len(wanted)} are needed, or their shapes differ. Use the version of the "
            f"code that trained it ({trained.run.tag('commit') or 'unknown'})."
        )
    model.set_weights(weights)
    return model
