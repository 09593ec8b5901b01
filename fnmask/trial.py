"""One trial, a straight line: config -> data -> model and loss -> fit -> confusion matrices -> metrics -> tracker."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.data.arrays import SplitArrays
from fnmask.data.pipeline import build_eval_dataset, build_train_dataset
from fnmask.engine import CompiledStep, EpochTraining, Evaluation
from fnmask.losses.schedule import RecallGate, describe_gate
from fnmask.metrics.confusion import recall
from fnmask.metrics.readings import per_class, summarize
from fnmask.result import Control, EpochHook, Result, measure_tradeoff
from fnmask.tracking import artifacts
from fnmask.tracking.artifacts import ClassList
from fnmask.tracking.pictures import confusion_picture, overlay_picture
from fnmask.tracking.tracker import Tracker
from fnmask.workbench import TrialData, Workbench, build_schedule

_LOG = logging.getLogger(__name__)

# Label of the pixels that pad the last batch where the data set declares no void: their images are dropped anyway.
PAD_LABEL = 255


@dataclass
class _Judged:
    """The epoch that the trial is judged by."""

    evaluation: Evaluation
    epoch: int
    metrics: dict[str, float] = field(default_factory=dict)
    weights: list[NDArray[np.float32]] | None = None


def run_trial(
    config: TrialConfig,
    tracker: Tracker,
    *,
    workbench: Workbench,
    control: Callable[[], Control] = lambda: None,
    on_epoch: EpochHook | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> Result:
    """Train and judge one trial.

    Args:
        config: the checked config.
        tracker: where its numbers go; left open, for the caller to finish with an outcome.
        workbench: data and compiled steps of earlier trials.
        control: gives what the trade-off is measured against; asked for at the end, when a control that is run beside
            this trial may have finished.
        on_epoch: called at the end of every epoch; what it raises ends the trial.
        on_batch: called before every batch; the same.

    Raises:
        NonFiniteLoss: the training loss became NaN or infinite.
    """
    begin_s = time.monotonic()
    data = workbench.load(config)
    step = workbench.prepare(config, data)
    judged = _fit(config, data, step, tracker, on_epoch, on_batch)
    val = judged.evaluation.matrices
    metrics = {f"best/{key.removeprefix('val/')}": value for key, value in judged.metrics.items() if key[:4] == "val/"}
    metrics["best/epoch"] = judged.epoch
    metrics |= measure_tradeoff(config, val.sum(axis=0), control())
    tracker.log_metrics(metrics, step=judged.epoch)
    test = _evaluate(config, step, data.test).matrices if config.trainer.test and data.test.ids else None
    _log_artifacts(config, data, step, {"val": val, "test": test}, tracker)
    return Result(judged.metrics | metrics, val, test, time.monotonic() - begin_s)


def _fit(
    config: TrialConfig,
    data: TrialData,
    step: CompiledStep,
    tracker: Tracker,
    on_epoch: EpochHook | None,
    on_batch: Callable[[], None],
) -> _Judged:
    """Train to the last epoch; the weights left in the step are those of the epoch that the trial is judged by."""
    trainer = config.trainer
    batches, per_epoch = _watched(train_batches(config, data), on_batch), steps_per_epoch(config, data)
    schedule = build_schedule(config, per_epoch)
    gate = config.loss.timing.build_gate()
    judged: _Judged | None = None
    for epoch in range(1, trainer.epochs + 1):
        training = step.train_epoch(batches, schedule, steps=per_epoch, masked=gate is None or gate.is_open)
        evaluation = _evaluate(config, step, data.val)
        metrics = _read(config, training, evaluation)
        tracker.log_metrics(metrics, step=epoch)
        if on_epoch is not None:
            on_epoch(epoch, metrics, evaluation.matrices.sum(axis=0))
        # A class that is not learned yet says nothing until the mask is about to act.
        if gate is not None and schedule.ramp_at((epoch + 1) * per_epoch - 1) > 0:
            _watch_recall(gate, epoch, evaluation, config.loss.targets)
        # Epochs before the mask is at full strength judge another loss than the one the trial is named for.
        full_strength = training.ramp == 1 or epoch == trainer.epochs
        if trainer.select == "last":
            judged = _Judged(evaluation, epoch, metrics)
        elif full_strength and (judged is None or metrics["val/miou"] > judged.metrics["val/miou"]):
            judged = _Judged(evaluation, epoch, metrics, step.model.get_weights())
    assert judged is not None
    if judged.weights is not None:
        step.model.set_weights(judged.weights)
    return judged


def _watched(batches: Iterator[Any], on_batch: Callable[[], None]) -> Iterator[Any]:
    for batch in batches:
        on_batch()
        yield batch


def _watch_recall(gate: RecallGate, epoch: int, evaluation: Evaluation, targets: Sequence[int]) -> None:
    """Takes the mask off, or puts it back, by the recall of the target that is found worst; and says so."""
    recalls = recall(evaluation.matrices.sum(axis=0))[list(targets)]
    worst, was_open = float(np.fmin.reduce(recalls)), gate.is_open
    if gate.update(worst) != was_open:
        _LOG.warning("Epoch %d: %s", epoch, describe_gate(gate, worst))


def _evaluate(config: TrialConfig, step: CompiledStep, arrays: SplitArrays) -> Evaluation:
    return step.evaluate(eval_batches(config, arrays), len(arrays.ids))


def train_batches(config: TrialConfig, data: TrialData) -> Iterator[Any]:
    """Endless training batches in the order of the seed."""
    return iter(
        build_train_dataset(
            data.train,
            batch_size=config.trainer.batch_size,
            crop_size=config.dataset.crop_size,
            flips=config.dataset.flips,
            seed=config.seed,
        )
    )


def steps_per_epoch(config: TrialConfig, data: TrialData) -> int:
    """Optimizer steps of an epoch: as configured, else as many whole batches as there are."""
    return config.trainer.steps_per_epoch or max(1, len(data.train.ids) // config.trainer.batch_size)


def eval_batches(config: TrialConfig, arrays: SplitArrays) -> Any:
    """Batches of a split, in order, the last one padded."""
    pad_label = PAD_LABEL if config.source.ignore_class is None else config.source.ignore_class
    return build_eval_dataset(arrays, batch_size=config.trainer.eval_batch_size, pad_label=pad_label)


def _read(config: TrialConfig, training: EpochTraining, evaluation: Evaluation) -> dict[str, float]:
    matrix = evaluation.matrices.sum(axis=0)
    readings = summarize(matrix, config.source.class_names, config.loss.targets)
    return {
        "train/loss": training.loss,
        "train/masked_fraction": training.masked_fraction,
        "train/ramp": training.ramp,
        "val/loss_base": evaluation.loss_base,
        **{f"val/{key}": value for key, value in readings.items()},
    }


def _log_artifacts(
    config: TrialConfig,
    data: TrialData,
    step: CompiledStep,
    matrices: Mapping[str, NDArray[np.int64] | None],
    tracker: Tracker,
) -> None:
    source = config.source
    classes = ClassList(source.class_names, source.class_colors, source.ignore_class)
    tracker.log_artifact(artifacts.CLASSES, artifacts.pack_classes(classes))
    columns: dict[str, NDArray[Any]] = {}
    for split, per_image in matrices.items():
        if per_image is not None:
            packed = artifacts.pack_confusion(per_image, getattr(data, split).ids)
            tracker.log_artifact(artifacts.confusion_name(split), packed)
            columns |= {f"{split} {key}": values for key, values in per_class(per_image.sum(axis=0)).items()}
    tracker.log_artifact(artifacts.PER_CLASS, artifacts.per_class_csv(columns, source.class_names))
    val = matrices["val"]
    assert val is not None
    total = val.sum(axis=0)
    tracker.log_artifact(artifacts.confusion_name("val", "csv"), artifacts.confusion_csv(total, source.class_names))
    tracker.log_artifact(artifacts.confusion_name("val", "png"), confusion_picture(total, source.class_names))
    if config.tracking.overlay_images:
        tracker.log_artifact(artifacts.OVERLAYS, _draw_overlays(config, data.val, step))


def _draw_overlays(config: TrialConfig, arrays: SplitArrays, step: CompiledStep) -> bytes:
    # Spread over the split: neighbouring files are often neighbouring frames.
    shown = np.unique(np.linspace(0, len(arrays.ids) - 1, config.tracking.overlay_images).astype(int))
    some = SplitArrays(tuple(arrays.ids[i] for i in shown), arrays.images[shown], arrays.labels[shown])
    predictions = step.predict(eval_batches(config, some), len(shown))
    return overlay_picture(
        some.images,
        some.labels,
        predictions,
        _let_off(config, some.labels, predictions),
        class_names=config.source.class_names,
        class_colors=config.source.class_colors,
        ignore_class=config.source.ignore_class,
    )


def _let_off(config: TrialConfig, labels: NDArray[np.uint8], predictions: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels whose error weighs less than 1 under the loss at full strength; the same for its soft forms."""
    valid = labels < len(config.source.class_names)
    weights = config.loss.error_weights[np.where(valid, labels, 0), predictions]
    let_off: NDArray[np.bool_] = valid & (weights < 1)
    return let_off
