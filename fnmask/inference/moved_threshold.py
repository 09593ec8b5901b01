"""A moved threshold as a run of its own: measured on the data of the run whose network it decides for."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.binding import ConfigError
from fnmask.data.arrays import SplitArrays, load_full_labels, load_split
from fnmask.data.source import SPLITS, DataSource, Split
from fnmask.data_nodes import build_source
from fnmask.decision import Decision
from fnmask.inference.trained import NoModelError, Trained, load_trained
from fnmask.matrix_files import log_matrices
from fnmask.metrics.full_size import full_size_matrices
from fnmask.metrics.readings import summarize, tradeoff
from fnmask.metrics.streaming import confusion_matrix_per_image
from fnmask.tracking.artifacts import CONFIG, confusion_name, unpack_confusion
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.predictions import Predictions, pack_predictions, predictions_name, unpack_predictions
from fnmask.tracking.records import RunRecord, quote_for_filter
from fnmask.tracking.tracker import Tracker

_LOG = logging.getLogger(__name__)

_BATCH = 8

# Pixels that rounding may decide otherwise: the network is not compiled as it was in the training. One that was trained
# in half precision is rebuilt in float32, as it is exported.
_MOST_MOVED, _MOST_MOVED_OF_HALF = 1e-3, 2e-2


class OtherDataError(ValueError):
    """The images at hand are not those of the run, or the network does not find in them what it found then."""


@dataclass(frozen=True)
class _Measured:
    """Confusion matrices of a split, as the rule decides and by argmax; and what it decides in some images."""

    ids: tuple[str, ...]
    decided: NDArray[np.int64]
    argmax: NDArray[np.int64]
    class_ids: Mapping[str, NDArray[np.uint8]]


def record_seeds(store: MlflowStore, trained: Trained, *, root: str | None = None) -> list[RunRecord]:
    """Record a decision rule for a run and for the other seeds of its variant in the same sweep.

    One seed would settle nothing: `fnmask compare` pairs a rule with the plain control seed by seed, as any variant.

    Args, errors: as `record_moved_threshold`. Seeds that have kept no weights are left out, with a warning.

    Returns:
        The runs that record the rule, the one of `trained` first, the others by seed.
    """
    recorded = [record_moved_threshold(store, trained, root=root)]
    run = trained.run
    if not run.tag("sweep"):
        return recorded
    wanted = (
        f"tags.`fnmask.sweep` = {quote_for_filter(run.tag('sweep'))} and tags.`fnmask.kind` = '{run.tag('kind')}' "
        f"and tags.`fnmask.variant` = {quote_for_filter(run.tag('variant'))} and attributes.status = 'FINISHED'"
    )
    for sibling in sorted(store.find_runs(wanted), key=lambda found: int(found.tag("seed"))):
        if sibling.tag("seed") == run.tag("seed") or sibling.tag("outcome") != "complete":
            continue
        try:
            other = load_trained(store, sibling.run_id, decision=str(trained.decision))
            recorded.append(record_moved_threshold(store, other, root=root))
        except (NoModelError, OtherDataError) as error:
            _LOG.warning("Seed %s is left out: %s", sibling.tag("seed"), error)
    return recorded


def record_moved_threshold(store: MlflowStore, trained: Trained, *, root: str | None = None) -> RunRecord:
    """Measure a decision rule on the data of a run, and record it beside that run; once for each rule.

    The run has the files and metrics of a trial, so that `fnmask compare` shows it as a row of the sweep, and its id
    stands for the network with its rule wherever a run is asked for.

    Args:
        store: holds the runs.
        trained: the network with its rule, of at least one threshold.
        root: folder of the data set; None for the one of the run.

    Raises:
        OtherDataError: the data have changed, or argmax does not give the matrices that the run has kept.
        ConfigError: the data are not where they were.
    """
    run, rule = trained.run, trained.decision
    known = _find_recorded(store, run, rule)
    if known is not None:
        return known
    kept = _kept_predictions(store, run)
    measured = _measure(trained, _open_data(trained, root), {split: own.ids for split, own in kept.items()})
    is_half = trained.config["trainer"]["precision"] != "float32"
    _check_reproduced(store, run, measured, most_moved=_MOST_MOVED_OF_HALF if is_half else _MOST_MOVED)
    targets = [trained.classes.names.index(name) for name, _ in rule.thresholds]
    metrics = _metrics(store, trained, measured, targets)
    tracker = store.start_run(
        name=f"{run.tag('variant')} · {rule}",
        parent_run_id=run.tag("sweep") or None,
        params={**run.params, "decision": str(rule)},
        tags=_tags(run, rule),
        datasets=run.datasets,
    )
    try:
        tracker.log_artifact(CONFIG, store.read_artifact(run.run_id, CONFIG))
        ids = {split: own.ids for split, own in measured.items()}
        log_matrices(trained.classes, {split: own.decided for split, own in measured.items()}, ids, tracker)
        for split, own in measured.items():
            _log_predictions(tracker, split, own, kept.get(split))
        tracker.log_metrics(metrics, step=int(run.metrics.get("best/epoch", 0)))
    except BaseException:
        tracker.finish("failed:crash", "The moved threshold could not be recorded.")
        raise
    tracker.finish("complete")
    return store.find_run(tracker.run_id)


def _kept_predictions(store: MlflowStore, run: RunRecord) -> dict[str, Predictions]:
    """What the run predicted for the images that it has kept, by split: those are kept again."""
    found: dict[str, Predictions] = {}
    for split in SPLITS:
        with suppress(FileNotFoundError):
            found[split] = unpack_predictions(store.read_artifact(run.run_id, predictions_name(split)))
    return found


def _log_predictions(tracker: Tracker, split: str, measured: _Measured, kept: Predictions | None) -> None:
    if kept is None or not measured.class_ids:
        return
    ids = tuple(name for name in kept.ids if name in measured.class_ids)
    class_ids = np.stack([measured.class_ids[name] for name in ids])
    tracker.log_artifact(predictions_name(split), pack_predictions(Predictions(ids, class_ids, kept.error_weights)))


def _find_recorded(store: MlflowStore, run: RunRecord, rule: Decision) -> RunRecord | None:
    wanted = f"tags.`fnmask.model_run` = '{run.run_id}' and attributes.status = 'FINISHED'"
    return next((found for found in store.find_runs(wanted) if found.tag("decision") == str(rule)), None)


def _tags(run: RunRecord, rule: Decision) -> dict[str, str]:
    own = {
        "kind": "decision",
        "control": "",
        "variant": f"{run.tag('variant')} · {rule}",
        "decision": str(rule),
        "model_run": run.run_id,
        "targets": ",".join(name for name, _ in rule.thresholds),
    }
    kept = ("study", "sweep", "seed", "reference", "commit")
    return {f"fnmask.{key}": value for key, value in ({key: run.tag(key) for key in kept} | own).items()}


def _open_data(trained: Trained, root: str | None) -> DataSource:
    """The data set of the run, with the content that it had then."""
    node = dict(trained.config["dataset"])
    if root is not None:
        node["root"] = root
    try:
        source = build_source(node)
    except ConfigError as error:
        raise ConfigError([*error.faults, "The metrics of a moved threshold are measured on the data of its run: say "
                           "where they lie with --data PATH."]) from None  # fmt: skip
    known = {record.digest for record in trained.run.datasets}
    digest = source.digest()
    if known and not any(digest.startswith(own) for own in known):
        raise OtherDataError(
            f"The data set has changed since run {trained.run.run_id}: its digest is {digest[:12]}, then it was "
            f"{', '.join(own[:12] for own in sorted(known))}. Give the data of then with --data PATH."
        )
    return source


def _measure(trained: Trained, source: DataSource, kept: Mapping[str, Sequence[str]]) -> dict[str, _Measured]:
    """The splits that trials are judged on."""
    judged: tuple[Split, ...] = tuple(split for split in SPLITS if split != "train" and source.ids(split))
    is_full = trained.config["trainer"].get("eval_resolution") == "original"
    measured: dict[str, _Measured] = {}
    for split in judged:
        arrays = load_split(source, split, image_size=trained.image_size)
        if is_full:
            arrays = replace(arrays, full_labels=load_full_labels(source, split))
        measured[split] = _measure_split(trained, arrays, frozenset(kept.get(split, ())))
    return measured


def _measure_split(trained: Trained, arrays: SplitArrays, kept: Collection[str] = ()) -> _Measured:
    num_classes, void = len(trained.classes.names), trained.classes.ignore_class
    decided: list[NDArray[np.int64]] = []
    argmax: list[NDArray[np.int64]] = []
    class_ids: dict[str, NDArray[np.uint8]] = {}
    for first in range(0, len(arrays.ids), _BATCH):
        images, labels = arrays.images[first : first + _BATCH], arrays.labels[first : first + _BATCH]
        logits = np.asarray(trained.model.predict_on_batch(images.astype(np.float32)))
        moved = trained.decision.apply(logits)
        names = arrays.ids[first : first + _BATCH]
        class_ids |= {
            name: own.argmax(axis=-1).astype(np.uint8) for name, own in zip(names, moved, strict=True) if name in kept
        }
        for found, scores in ((decided, moved), (argmax, logits)):
            if arrays.full_labels is None:
                counts = confusion_matrix_per_image(labels.astype(np.int32), scores, num_classes, void)
            else:
                own = [arrays.full_labels[index] for index in range(first, first + len(labels))]
                counts = full_size_matrices(own, scores, num_classes=num_classes, ignore_class=void)
            found.append(np.asarray(counts, np.int64))
    return _Measured(arrays.ids, np.concatenate(decided), np.concatenate(argmax), class_ids)


def _check_reproduced(store: MlflowStore, run: RunRecord, measured: dict[str, _Measured], *, most_moved: float) -> None:
    """Refuse to measure a rule with a network that does not do what it did at the end of its training."""
    for split, own in list(measured.items()):
        try:
            kept, ids = unpack_confusion(store.read_artifact(run.run_id, confusion_name(split)))
        except FileNotFoundError:
            del measured[split]  # not evaluated by the trial
            continue
        same_images = ids == own.ids and kept.shape == own.argmax.shape
        moved = np.abs(kept - own.argmax).sum() / 2 / max(1, kept.sum()) if same_images else 1.0
        if moved > most_moved:
            raise OtherDataError(
                f"Run {run.run_id} is not reproduced on {split}: {100 * moved:.2f} % of the pixels are decided "
                "otherwise by argmax than at the end of its training. Was it made by another version of the code "
                f"({run.tag('commit') or 'unknown'})?"
            )


def _metrics(
    store: MlflowStore, trained: Trained, measured: Mapping[str, _Measured], targets: list[int]
) -> dict[str, float]:
    """The metrics of a trial: `val/...`, `best/...`, and the trade-off against the plain control."""
    matrix = measured["val"].decided.sum(axis=0)
    readings = summarize(matrix, trained.classes.names, targets)
    told: dict[str, Any] = {f"{where}/{key}": value for where in ("val", "best") for key, value in readings.items()}
    control = store.find_control(trained.run.tag("reference"))
    if control is None:
        return told
    if control.run_id == trained.run.run_id:
        plain = measured["val"].argmax
    else:
        try:
            plain, _ = unpack_confusion(store.read_artifact(control.run_id, confusion_name("val")))
        except FileNotFoundError:
            return told
    return told | tradeoff(matrix, plain.sum(axis=0), targets)


def with_rule(trained: Trained, run: RunRecord) -> Trained:
    """The network under the run that records its rule."""
    return replace(trained, run=run)
