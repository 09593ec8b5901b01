"""Reading a sweep back from the store: which of its runs count, and what each of them holds."""

import functools
import hashlib
import json
import math
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fnmask.compare.grounds import keep_apart, not_ended, unequal_seeds, unshared_splits, why_left_out, without_control
from fnmask.compare.many import MOST_HELD, OnDemand
from fnmask.compare.runs import SPLITS, Loss, Sweep, Trial
from fnmask.tracking.artifacts import (
    CLASSES,
    ClassList,
    confusion_name,
    frontier_name,
    unpack_classes,
    unpack_confusion,
    unpack_frontier,
)
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.records import RunRecord, SweepNotFoundError

File = TypeVar("File")

_FINISHED = ("complete", "infeasible")
# By the function that makes the loss, since the options of `conf/loss/` may have any name; else by the control's name.
_LOSSES: dict[str, Loss] = {"plain": "plain", "downweight_class": "downweight", "class_downweight": "downweight"}


def load_sweep(store: MlflowStore, *names_or_ids: str, where: str = "") -> Sweep:
    """Read a sweep, or several as one.

    Args:
        store: holds the runs.
        names_or_ids: study names, run ids or the beginnings of some; none for the newest sweep. Of several the first
            gives its name to the comparison.
        where: which trials count, as a filter of MLflow's search; their controls count in any case.

    Raises:
        SweepNotFoundError: no such sweep, it has no finished trial, or the files of all of them are gone.
        ValueError: the trials do not share one list of classes, or have no split in common; or not such a filter.
    """
    records = list({(own := store.find_sweep(name)).run_id: own for name in names_or_ids or (None,)}.values())
    record = records[0]
    children = {own.run_id: store.runs(own.run_id) for own in records}
    runs = [run for own in children.values() for run in own]
    # A moved threshold is no trial, though it is kept beside them.
    outcomes = Counter(run.tag("outcome") or run.status.lower() for run in runs if run.tag("kind") != "decision")
    trained = [run for own in records for run in _trainings(store, own, children[own.run_id])]
    finished = [run for run in trained if run.status == "FINISHED" and run.tag("outcome") in _FINISHED]
    chosen = finished
    if where:
        fitting = {run.run_id for own in records for run in _where(store, own, where)}
        chosen = [run for run in finished if run.run_id in fitting]
        finished = [run for run in finished if run.run_id in fitting or run.tag("control")]
    # Controls alone compare nothing that was asked for.
    if not chosen:
        seen = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "none started"
        raise SweepNotFoundError(
            f"Sweep {record.tag('study')!r} has no finished trial to compare (trials: {seen})"
            f"{f' where {where}' if where else ''}."
        )
    splits = {run.run_id: _splits_of(store, run) for run in finished}
    readable = [run for run in finished if splits[run.run_id]]
    if not readable:
        raise SweepNotFoundError(
            f"Sweep {record.tag('study')!r} has {len(finished)} finished trials, but none has its files any more: was "
            "mlruns/ deleted or moved? Put it back, or run the sweep anew with study.name=ANOTHER."
        )
    classes = _shared_classes(store, readable)
    # Controls last, so that they stand before a trial of the same name; among equals the newest.
    readable.sort(key=lambda run: (bool(run.tag("control")), run.start_ms))
    newest = {(run.tag("variant"), run.tag("reference")): run for run in readable}
    held = len(newest) <= MOST_HELD
    read = (_load_trial(store, run, splits[run.run_id], classes.names, held=held) for run in newest.values())
    loaded = sorted(read, key=lambda trial: trial.number)
    kept = _of_the_same_images(loaded)
    same = {trial.run_id for trial in kept}
    left_out = why_left_out([trial for trial in loaded if trial.run_id not in same], kept)
    found = _baselines(store, kept, classes.names)
    every, apart = keep_apart([*kept, *(own for own in found.values() if own.run_id not in same)])
    trials = every[: len(kept)]
    label = {trial.run_id: trial.variant for trial in every}
    baselines = {key: replace(own, variant=label[own.run_id]) for key, own in found.items()}
    sweep = Sweep(
        record=record,
        classes=classes,
        trials=tuple(trials),
        baselines=baselines,
        outcomes=outcomes,
        others=tuple(own.tag("study") for own in records[1:]),
        where=where,
        datasets=tuple(dict.fromkeys(dataset for run in finished for dataset in run.datasets)),
        n_without_files=len(finished) - len(readable),
        notes=(
            *not_ended(outcomes),
            *left_out,
            *apart,
            *unshared_splits(every),
            *without_control(trials, baselines),
            *unequal_seeds(trials),
        ),
        experiment=store.experiment,
    )
    if not sweep.splits:
        raise ValueError(f"The trials of sweep {sweep.study!r} have no split in common, so nothing can be compared.")
    return sweep


def _trainings(store: MlflowStore, sweep: RunRecord, trials: list[RunRecord]) -> list[RunRecord]:
    """The runs that have trained: of a trial with several seeds those of its seeds, of any other the trial's own."""
    seeds = store.seed_runs(sweep.run_id)
    with_seeds = {run.trial for run in seeds}
    return [*(run for run in trials if run.trial not in with_seeds), *seeds]


def _where(store: MlflowStore, sweep: RunRecord, where: str) -> list[RunRecord]:
    """The runs of a sweep that fit a filter."""
    return [*store.runs(sweep.run_id, where), *store.seed_runs(sweep.run_id, where)]


def _splits_of(store: MlflowStore, run: RunRecord) -> tuple[str, ...]:
    """The splits whose files the run still has; `mlruns/` may be deleted while the database stays."""
    present = store.artifact_names(run.run_id, "confusion")
    found = tuple(split for split in SPLITS if confusion_name(split) in present)
    return found if found and store.has_artifact(run.run_id, CLASSES) else ()


def _loss_of(run: RunRecord) -> Loss:
    """The kind of the run's loss."""
    if run.tag("decision"):
        return "threshold"
    function = run.params.get("loss._target_") or run.tag("control")
    return _LOSSES.get(function.rpartition(".")[2], "mask")


def _load_trial(
    store: MlflowStore, run: RunRecord, splits: tuple[str, ...], class_names: Sequence[str], *, held: bool = True
) -> Trial:
    """One run with its confusion matrices, or with their sums alone."""
    files = {split: read_file(store, run.run_id, confusion_name(split), unpack_confusion) for split in splits}
    return Trial(
        run_id=run.run_id,
        number=-1 if run.trial is None else run.trial,
        variant=run.tag("variant") or run.name,
        control=run.tag("control"),
        loss=_loss_of(run),
        seed=run.tag("seed"),
        targets=_targets_of(run, class_names),
        reference=run.tag("reference"),
        matrices={split: own for split, (own, _) in files.items()} if held else OnDemand(store, run.run_id, splits),
        totals={} if held else {split: own.sum(axis=0) for split, (own, _) in files.items()},
        params=run.params,
        moves=run.tag("model_run"),
        data=next((f"{own.name} {own.digest[:12]}" for own in run.datasets if own.context == "train"), ""),
        images={split: _digest_images(*content) for split, content in files.items()},
        masked_fraction=run.metrics.get("train/masked_fraction", math.nan),
        duration_s=math.nan if run.end_ms is None else (run.end_ms - run.start_ms) / 1000,
    )


def _targets_of(run: RunRecord, class_names: Sequence[str]) -> tuple[str, ...]:
    """The classes of a list with commas, which a name may hold too: `building, edifice,road`."""
    names = "|".join(re.escape(name) for name in sorted(class_names, key=len, reverse=True))
    return tuple(re.findall(f"(?:{names})(?=,|$)", run.tag("targets")))


def _digest_images(matrices: NDArray[np.int64], ids: tuple[str, ...]) -> str:
    """Of what was measured on: names of the images, and how many pixels of each class they show."""
    content = json.dumps([ids, matrices.sum(axis=2).tolist()])
    return hashlib.sha256(content.encode()).hexdigest()


def _of_the_same_images(trials: list[Trial]) -> list[Trial]:
    """The trials that were measured on the images of most, of the first ones when as many were measured on others.

    Only splits that all trials have are looked at: on others nothing is compared.
    """
    shared = [split for split in SPLITS if all(split in trial.images for trial in trials)]
    seen = [tuple(trial.images[split] for split in shared) for trial in trials]
    (most, _), *_ = Counter(seen).most_common(1)
    return [trial for trial, own in zip(trials, seen, strict=True) if own == most]


def _shared_classes(store: MlflowStore, runs: list[RunRecord]) -> ClassList:
    """The classes of the runs, which must have the same names; the colors are those of the last one."""
    # Runs by the thousand have the same file.
    unpack = functools.cache(unpack_classes)
    found = {(own := read_file(store, run.run_id, CLASSES, unpack)).names: own for run in runs}
    if len(found) > 1:
        lists = "; ".join(", ".join(names) for names in sorted(found))
        raise ValueError(
            f"The trials of this sweep have different classes ({lists}) and cannot stand in one table. Use one data "
            "set per study."
        )
    return next(iter(found.values()))


def _baselines(store: MlflowStore, trials: list[Trial], class_names: tuple[str, ...]) -> dict[str, Trial]:
    """The plain control of every reference: from the sweep itself, else the newest in the store."""
    baselines = {trial.reference: trial for trial in trials if trial.control == "plain"}
    shared = {split for split in SPLITS if all(split in trial.matrices for trial in trials)}
    for reference in {trial.reference for trial in trials} - set(baselines):
        run = store.find_control(reference) if reference else None
        splits = () if run is None else _splits_of(store, run)
        if run is None or not shared.intersection(splits):
            continue
        if _shared_classes(store, [run]).names == class_names:
            control = _load_trial(store, run, splits, class_names)
            of_each = [trial.images for trial in trials if trial.reference == reference]
            if all(control.images.get(split, own) == own for images in of_each for split, own in images.items()):
                baselines[reference] = control
    # A variant stands to the frontier of its one target.
    targets = {class_names.index(trial.targets[0]) for trial in trials if len(trial.targets) == 1}
    return {key: _with_frontiers(store, control, sorted(targets)) for key, control in baselines.items()}


def _with_frontiers(store: MlflowStore, control: Trial, targets: Sequence[int]) -> Trial:
    """The control with the post-hoc frontiers of some targets; runs of older versions have none."""
    present = store.artifact_names(control.run_id, "frontier")
    names = {split: frontier_name(split) for split in SPLITS if frontier_name(split) in present}
    unpack = functools.partial(unpack_frontier, targets=targets)
    read = {split: read_file(store, control.run_id, name, unpack) for split, name in names.items()}
    return replace(control, frontiers=read)


def read_file(store: MlflowStore, run_id: str, name: str, unpack: Callable[[bytes], File]) -> File:
    """A file of a run.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    content = store.read_artifact(run_id, name)
    try:
        return unpack(content)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"The file {name} of the run {run_id} is damaged ({error}). Put it back, or delete it: the comparison does "
            "without what is missing."
        ) from error
