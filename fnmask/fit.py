"""The training of a trial: epochs and validations, and which of them the trial is judged by."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.course import build_course
from fnmask.data.arrays import SplitArrays
from fnmask.data.augment import Augmentation
from fnmask.data.pipeline import Batch, TrainStream, eval_batches
from fnmask.engine.network import Network
from fnmask.engine.readings import Epoch, Evaluation
from fnmask.engine.training import Training
from fnmask.losses.schedule import RecallGate, describe_gate
from fnmask.metrics.confusion import recall
from fnmask.metrics.readings import summarize
from fnmask.result import EpochHook
from fnmask.tracking.predictions import spread_images
from fnmask.tracking.tracker import Tracker
from fnmask.workbench import TrialData, Workbench

_LOG = logging.getLogger(__name__)

# Label of the pixels that pad the last batch where the data set declares no void: their images are dropped anyway.
PAD_LABEL = 255


@dataclass
class Judged:
    """The epoch that the trial is judged by."""

    evaluation: Evaluation
    epoch: int
    metrics: dict[str, float] = field(default_factory=dict)
    weights: list[NDArray[np.float32]] | None = None


def fit(
    config: TrialConfig,
    data: TrialData,
    network: Network,
    workbench: Workbench,
    tracker: Tracker,
    on_epoch: EpochHook | None,
    on_batch: Callable[[], None],
) -> Judged:
    """Train to the last epoch; the weights left in the network are those of the epoch that the trial is judged by."""
    trainer, per_epoch = config.trainer, steps_per_epoch(config, data)
    course = build_course(config, data.counts, per_epoch)
    gate = config.loss.timing.build_gate()
    judged: Judged | None = None
    best = 0, -math.inf
    stream = train_stream(config, data)
    workbench.settle_jit(config, network, course, stream)
    with Training(
        network,
        course,
        stream,
        lambda: evaluate(config, network, data.val),
        steps_per_epoch=per_epoch,
        on_batch=on_batch,
    ) as training:
        workbench.share(config, network, training, course)
        for number in range(1, trainer.epochs + 1):
            masked = gate is None or gate.is_open
            epoch = training.epoch(number, masked=masked)
            ramp = course.schedule.ramp_at(number * per_epoch - 1) if masked else 0.0
            metrics = _read(config, epoch, ramp)
            tracker.log_metrics(metrics, step=number)
            if on_epoch is not None:
                on_epoch(number, metrics, epoch.evaluation.matrices.sum(axis=0))
            # A class that is not learned yet says nothing until the mask is about to act.
            if gate is not None and course.schedule.ramp_at((number + 1) * per_epoch - 1) > 0:
                _watch_recall(gate, number, epoch.evaluation, config.loss.targets)
            # Epochs before the mask is at full strength judge another loss than the one the trial is named for.
            full_strength = ramp == 1 or number == trainer.epochs
            if trainer.select == "last":
                judged = Judged(epoch.evaluation, number, metrics)
            elif full_strength and (judged is None or metrics["val/miou"] > judged.metrics["val/miou"]):
                judged = Judged(epoch.evaluation, number, metrics, network.model.get_weights())
            if full_strength and metrics["val/miou"] > best[1]:
                best = number, metrics["val/miou"]
            if full_strength and trainer.patience_epochs and number - best[0] >= trainer.patience_epochs:
                _LOG.info("Epoch %d: stopped, since val/miou was best in epoch %d.", number, best[0])
                break
        tracker.log_metrics(training.costs(), step=trainer.epochs)
    assert judged is not None
    if judged.weights is not None:
        network.model.set_weights(judged.weights)
    return judged


def _watch_recall(gate: RecallGate, epoch: int, evaluation: Evaluation, targets: Sequence[int]) -> None:
    """Takes the mask off, or puts it back, by the recall of the target that is found worst; and says so."""
    recalls = recall(evaluation.matrices.sum(axis=0))[list(targets)]
    worst, was_open = float(np.fmin.reduce(recalls)), gate.is_open
    if gate.update(worst) != was_open:
        _LOG.warning("Epoch %d: %s", epoch, describe_gate(gate, worst))


def _read(config: TrialConfig, epoch: Epoch, ramp: float) -> dict[str, float]:
    matrix = epoch.evaluation.matrices.sum(axis=0)
    readings = summarize(matrix, config.source.class_names, config.loss.targets)
    return {
        "train/loss": epoch.training.loss,
        "train/masked_fraction": epoch.training.masked_fraction(config.loss.targets),
        "train/ramp": ramp,
        "val/loss_base": epoch.evaluation.loss_base,
        **{f"val/{key}": value for key, value in readings.items()},
    }


def evaluate(config: TrialConfig, network: Network, arrays: SplitArrays) -> Evaluation:
    """Confusion matrices of a split under the weights as they are, and the predictions that are kept."""
    count = len(arrays.ids)
    kept = kept_images(config, count).tolist()
    return network.evaluate(split_batches(config, arrays), count, kept, arrays.full_labels)


def kept_images(config: TrialConfig, count: int) -> NDArray[np.int64]:
    """The images of a split, of so many, that a trial keeps its predictions of."""
    return spread_images(count, max(config.tracking.prediction_images, config.tracking.overlay_images))


def train_stream(config: TrialConfig, data: TrialData) -> TrainStream:
    """Endless training batches in the order of the seed."""
    return TrainStream(
        data.train,
        batch_size=config.trainer.batch_size,
        crop_size=config.dataset.crop_size,
        flips=config.dataset.flips,
        seed=config.seed,
        crops=config.augmentation.crops,
        num_classes=len(config.source.class_names),
        augmentation=Augmentation(**config.augmentation.model_dump(exclude={"crops"})),
    )


def steps_per_epoch(config: TrialConfig, data: TrialData) -> int:
    """Optimizer steps of an epoch: as configured, else as many whole batches as there are."""
    return config.trainer.steps_per_epoch or max(1, len(data.train.ids) // config.trainer.batch_size)


def split_batches(config: TrialConfig, arrays: SplitArrays) -> Iterator[Batch]:
    """Batches of a split, in order, the last one padded."""
    pad_label = PAD_LABEL if config.source.ignore_class is None else config.source.ignore_class
    return eval_batches(arrays, batch_size=config.trainer.eval_batch_size, pad_label=pad_label)
