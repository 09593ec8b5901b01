"""A trial under a tracking store: tags and lineage before its first step, an outcome whatever happens."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import yaml
from numpy.typing import NDArray

from fnmask.config import TrialConfig, digest
from fnmask.losses.spec import TimingArguments
from fnmask.outcomes import check_objectives, classify, describe
from fnmask.tracking.artifacts import CONFIG, confusion_name, unpack_confusion
from fnmask.tracking.lineage import lineage_params, lineage_tags
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.passwords import hide_passwords
from fnmask.tracking.records import DatasetRecord
from fnmask.tracking.tracker import MemoryTracker, Outcome, Tracker
from fnmask.trial import Control, EpochHook, Result, run_trial
from fnmask.workbench import TrialData, Workbench

# Loss settings that say when a mask acts, not what it is: they do not name a variant unless the sweep varies them.
_UNNAMED = ("_target_", "target", *TimingArguments.__annotations__)


@dataclass(frozen=True)
class Labels:
    """What a run is called. `searched` holds the values that the sweep chose for it."""

    kind: str
    study: str = ""
    trial: int | None = None
    control: str = ""
    parent_run_id: str | None = None
    searched: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """How a trial ended. `result` is None unless it is complete; `error` is what it raised."""

    outcome: Outcome
    reason: str
    result: Result | None
    run_id: str
    error: BaseException | None = None


def run_recorded(
    config: TrialConfig,
    labels: Labels,
    *,
    store: MlflowStore | None,
    workbench: Workbench,
    control: Control = None,
    objectives: Sequence[str] = (),
    on_epoch: EpochHook | None = None,
) -> Record:
    """Run a trial, record it, and say how it ended; nothing but an interruption of this function escapes it.

    Args:
        config: the checked config.
        labels: kind, study, trial number, control.
        store: None keeps nothing.
        workbench: data and compiled steps of earlier trials.
        control: see `run_trial`.
        objectives: metrics that must be there and finite, or the trial has failed.
        on_epoch: see `run_trial`.
    """
    tracker: Tracker = MemoryTracker()
    run_id = ""
    shown = hide_passwords(config.resolved)
    try:
        data = workbench.load(config)
        if store is not None:
            tracker = opened = store.start_run(
                name=variant_label(config, labels.searched),
                parent_run_id=labels.parent_run_id,
                params={**shown, **lineage_params()},
                tags=_tags(config, labels),
                datasets=_dataset_records(config, data),
            )
            run_id = opened.run_id
        tracker.log_artifact(CONFIG, yaml.safe_dump(shown, sort_keys=False).encode())
        result = run_trial(config, tracker, workbench=workbench, control=control, on_epoch=on_epoch)
        check_objectives(result.metrics, objectives)
    except (Exception, KeyboardInterrupt) as error:
        workbench.discard()
        outcome, reason = classify(error), describe(error)
        tracker.log_artifact("error.txt", "".join(traceback.format_exception(error)).encode())
        tracker.finish(outcome, reason)
        return Record(outcome, reason, None, run_id, error)
    tracker.finish("complete")
    return Record("complete", "", result, run_id)


def find_control(store: MlflowStore | None, reference: str) -> Control:
    """Validation matrix of the newest plain control with this reference that the store knows, or None.

    None as well when the control's files are gone, as after `mlruns/` was deleted.
    """
    found = store.find_control(reference) if store is not None else None
    if store is None or found is None:
        return None
    try:
        content = store.read_artifact(found.run_id, confusion_name("val"))
    except FileNotFoundError:
        return None
    matrices, _ = unpack_confusion(content)
    total: NDArray[np.int64] = matrices.sum(axis=0)
    return total


def variant_label(config: TrialConfig, searched: Mapping[str, object]) -> str:
    """What a variant is called in tables: the same for all seeds, different for different settings.

    Returns:
        Such as `soften_fn road alpha=0.3 · median_frequency · learning_rate=0.01`.
    """
    option, node = config.choices.get("loss", "loss"), config.resolved["loss"]
    settings = {key: value for key, value in node.items() if key not in _UNNAMED}
    named = [option, *(() if option == "plain" else config.target_names)]
    named += [f"{key}={_short(value)}" for key, value in settings.items()]
    told = {"seed", "loss", "base", "weighting", "loss.target", *(f"loss.{key}" for key in settings)}
    weighting = config.choices.get("weighting", "none")
    parts = [" ".join(named), *_base_label(config), *([] if weighting == "none" else [weighting])]
    parts += [
        f"{key.rpartition('.')[2]}={_short(value)}"
        for key, value in searched.items()
        if key not in told and not key.startswith("base.")
    ]
    return " · ".join(parts)


def _base_label(config: TrialConfig) -> list[str]:
    """The base with its numbers; nothing for cross-entropy as it is by default."""
    option, spec = config.choices.get("base", "base"), config.base
    numbers = [
        f"{term.kind + '.' if len(spec.terms) > 1 else ''}{key}={_short(value)}"
        for term in spec.terms
        for key, value in {**({} if term.weight == 1 else {"weight": term.weight}), **term.numbers}.items()
    ]
    normalizer = [] if spec.normalizer == "valid" else [f"normalizer={spec.normalizer}"]
    told = [*numbers, *normalizer]
    return [] if option == "crossentropy" and not told else [" ".join([option, *told])]


def _short(value: object) -> str:
    # All digits that tell a number from its neighbors: variants with one label are taken for one variant.
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _tags(config: TrialConfig, labels: Labels) -> dict[str, str]:
    own = {
        "kind": labels.kind,
        "study": labels.study,
        "trial": "" if labels.trial is None else str(labels.trial),
        "variant": variant_label(config, labels.searched),
        "control": labels.control,
        "seed": str(config.seed),
        "targets": ",".join(config.target_names),
        "reference": config.reference,
        "fingerprint": digest(hide_passwords(config.resolved)),
    }
    return {f"fnmask.{key}": value for key, value in own.items()} | lineage_tags(config.root)


def _dataset_records(config: TrialConfig, data: TrialData) -> Sequence[DatasetRecord]:
    name = config.choices.get("dataset", type(config.source).__name__)
    source = str(config.resolved["dataset"].get("root") or config.resolved["dataset"]["_target_"])
    return [
        DatasetRecord(name=name, digest=data.digest, context=split, source=source, n_images=len(arrays.ids))
        for split, arrays in (("train", data.train), ("val", data.val), ("test", data.test))
        if arrays.ids
    ]
