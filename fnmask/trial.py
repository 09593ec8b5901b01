"""One trial, a straight line: config -> data -> model and loss -> fit -> confusion matrices -> metrics -> tracker."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.data.arrays import SplitArrays
from fnmask.engine.network import Network
from fnmask.fit import evaluate, fit, split_batches
from fnmask.metrics.readings import per_class
from fnmask.result import Control, EpochHook, Result, measure_tradeoff
from fnmask.tracking import artifacts
from fnmask.tracking.artifacts import ClassList
from fnmask.tracking.confusion_picture import confusion_picture
from fnmask.tracking.pictures import overlay_picture
from fnmask.tracking.tracker import Tracker
from fnmask.workbench import TrialData, Workbench


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
    network = workbench.prepare(config)
    given = workbench.encode(config, data, network, on_batch)
    judged = fit(config, given, network, workbench, tracker, on_epoch, on_batch)
    val = judged.evaluation.matrices
    metrics = {f"best/{key.removeprefix('val/')}": value for key, value in judged.metrics.items() if key[:4] == "val/"}
    metrics["best/epoch"] = judged.epoch
    metrics |= measure_tradeoff(config, val.sum(axis=0), control())
    tracker.log_metrics(metrics, step=judged.epoch)
    test = evaluate(config, network, given.test).matrices if config.trainer.test and data.test.ids else None
    _log_artifacts(config, data, given, network, {"val": val, "test": test}, tracker)
    return Result(judged.metrics | metrics, val, test, time.monotonic() - begin_s)


def _log_artifacts(
    config: TrialConfig,
    data: TrialData,
    given: TrialData,
    network: Network,
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
        tracker.log_artifact(artifacts.OVERLAYS, _draw_overlays(config, data.val, given.val, network))


def _draw_overlays(config: TrialConfig, arrays: SplitArrays, given: SplitArrays, network: Network) -> bytes:
    # Spread over the split: neighbouring files are often neighbouring frames.
    shown = np.unique(np.linspace(0, len(arrays.ids) - 1, config.tracking.overlay_images).astype(int))
    images, labels = arrays.images[shown], arrays.labels[shown]
    some = SplitArrays(tuple(arrays.ids[i] for i in shown), given.images[shown], labels)
    predictions = network.predict(split_batches(config, some), len(shown))
    return overlay_picture(
        images,
        labels,
        predictions,
        _let_off(config, labels, predictions),
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
