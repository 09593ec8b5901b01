"""A trial under a tracking store: tags and lineage before its first step, an outcome whatever happens."""

import json
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from fnmask.checked import describe_warnings, read_kept
from fnmask.config import TrialConfig, digest
from fnmask.losses.spec import TimingArguments
from fnmask.outcomes import check_objectives, classify, describe
from fnmask.result import Bench, Control, EpochHook, Result, RunTrial
from fnmask.run_notes import describe_result, describe_run
from fnmask.tracking.artifacts import CONFIG, DATA_CHECK, confusion_name, unpack_confusion
from fnmask.tracking.lineage import lineage_params, lineage_tags
from fnmask.tracking.mlflow_run import MlflowTracker
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.passwords import hide_passwords
from fnmask.tracking.records import DatasetRecord
from fnmask.tracking.runs_view import NOTE_TAG
from fnmask.tracking.tracker import MemoryTracker, Outcome, Tracker

_LOG = logging.getLogger(__name__)

# Loss settings that say when a mask acts, not what it is: they do not name a variant unless the sweep varies them.
_UNNAMED = ("_target_", "target", *TimingArguments.__annotations__)


@dataclass(frozen=True)
class Labels:
    """What a run is called.

    Attributes:
        kind: `run`, `trial`, or `seed` of a trial with several.
        study: name of the sweep.
        trial: its number.
        control: name of the control, or nothing.
        parent_run_id: of the sweep, or of the trial that a seed belongs to.
        sweep_run_id: of the sweep.
        retry_of: number of the trial that was lost and is run again.
        searched: the values that the sweep chose for it.
        repeats: id of the run that it repeats.
    """

    kind: str
    study: str = ""
    trial: int | None = None
    control: str = ""
    parent_run_id: str | None = None
    sweep_run_id: str | None = None
    retry_of: int | None = None
    searched: Mapping[str, object] = field(default_factory=dict)
    repeats: str = ""


@dataclass(frozen=True)
class Record:
    """How a trial ended.

    Attributes:
        outcome: of the trial.
        reason: in words, when it is not complete.
        result: None unless it is complete.
        run_id: in the store; nothing without one.
        tracker: the open run.
        error: what the trial raised.
        note: text for the run's page.
    """

    outcome: Outcome
    reason: str
    result: Result | None
    run_id: str
    tracker: Tracker
    error: BaseException | None = None
    note: str = ""

    def close(self, outcome: Outcome | None = None, reason: str | None = None) -> None:
        """Close the run: last, so that whoever is killed before leaves it open, for the next one to close rightly.

        Args:
            outcome: another one than the trial's own, when the study has decided otherwise.
            reason: the same.
        """
        ended, why, note = outcome or self.outcome, self.reason if reason is None else reason, self.note
        if note and ended != "complete":
            note += f"\n\nEnded as *{ended}*. {why}"
        self.tracker.finish(ended, why, {NOTE_TAG: note} if note else {})


def run_recorded(
    config: TrialConfig,
    labels: Labels,
    *,
    store: MlflowStore | None,
    run: RunTrial,
    workbench: Bench,
    control: Callable[[], Control] = lambda: None,
    objectives: Sequence[str] = (),
    on_epoch: EpochHook | None = None,
    on_batch: Callable[[], None] = lambda: None,
    on_start: Callable[[str], None] = lambda run_id: None,
) -> Record:
    """Run a trial and record it, up to its last number; nothing but an interruption of this function escapes it.

    Args:
        config: the checked config.
        labels: kind, study, trial number, control.
        store: None keeps nothing.
        run: trains; see `RunTrial`.
        workbench: data and compiled steps of earlier trials.
        control: see `run_trial`.
        objectives: metrics that must be there and finite, or the trial has failed.
        on_epoch: see `run_trial`.
        on_batch: see `run_trial`.
        on_start: called with the id of the run, before the first step.

    Returns:
        The record, its run still open: `Record.close` it.
    """
    tracker: Tracker = MemoryTracker()
    run_id = ""
    shown = hide_passwords(config.resolved)
    try:
        data = workbench.load(config)
        if store is not None:
            tracker = opened = open_run(config, labels, store=store, datasets=_dataset_records(config, data))
            run_id = opened.run_id
        on_start(run_id)
        tracker.log_artifact(CONFIG, yaml.safe_dump(shown, sort_keys=False).encode())
        _log_check(config, tracker)
        result = run(config, tracker, workbench=workbench, control=control, on_epoch=on_epoch, on_batch=on_batch)
        check_objectives(result.metrics, objectives)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        outcome, reason = classify(error), describe(error)
        if outcome != "pruned":
            workbench.discard()
            _keep_trace(tracker, error)
        return Record(outcome, reason, None, run_id, tracker, error, describe_run(config, control=labels.control))
    return Record("complete", "", result, run_id, tracker, note=note_of(config, labels, result.metrics))


def open_run(
    config: TrialConfig, labels: Labels, *, store: MlflowStore, datasets: Sequence[DatasetRecord] = ()
) -> MlflowTracker:
    """Start a run in the store, with everything that is known before the first step."""
    return store.start_run(
        name=variant_label(config, labels.searched) + (f" · seed {config.seed}" if labels.kind == "seed" else ""),
        parent_run_id=labels.parent_run_id,
        params={**hide_passwords(config.resolved), **lineage_params()},
        tags=_tags(config, labels),
        datasets=datasets,
    )


def note_of(config: TrialConfig, labels: Labels, metrics: Mapping[str, float], n_seeds: int = 1) -> str:
    """What stands on the page of a run that has been measured."""
    told = describe_run(config, control=labels.control, n_seeds=n_seeds), describe_result(config, metrics)
    return " ".join(part for part in told if part)


def _log_check(config: TrialConfig, tracker: Tracker) -> None:
    """What is known of the data set: in short as a tag, its warnings as a file."""
    report = read_kept(config)
    if report is not None:
        tracker.set_tags({"fnmask.data_check": report.summary()})
        told = describe_warnings(report)
        if told:
            tracker.log_artifact(DATA_CHECK, told.encode())


def _keep_trace(tracker: Tracker, error: BaseException) -> None:
    """The traceback as a file of the run; whatever ended the trial, such as a full disk, may prevent that as well."""
    try:
        tracker.log_artifact("error.txt", "".join(traceback.format_exception(error)).encode())
    except Exception as second:
        _LOG.warning("error.txt of a failed trial could not be kept: %s", describe(second))


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
        "sweep": labels.sweep_run_id or "",
        "retry_of": "" if labels.retry_of is None else str(labels.retry_of),
        "seed": str(config.seed),
        "targets": ",".join(config.target_names),
        "repeats": labels.repeats,
        "options": json.dumps({group: option for group, option in sorted(config.choices.items()) if "/" not in group}),
        "reference": config.reference,
        "fingerprint": digest(hide_passwords(config.resolved)),
    }
    note = {NOTE_TAG: describe_run(config, control=labels.control)}
    return {f"fnmask.{key}": value for key, value in own.items()} | note | lineage_tags(config.root)


def _dataset_records(config: TrialConfig, data: Any) -> Sequence[DatasetRecord]:
    name = config.choices.get("dataset", type(config.source).__name__)
    source = str(config.resolved["dataset"].get("root") or config.resolved["dataset"]["_target_"])
    return [
        DatasetRecord(name=name, digest=data.digest, context=split, source=source, n_images=len(arrays.ids))
        for split, arrays in (("train", data.train), ("val", data.val), ("test", data.test))
        if arrays.ids
    ]
