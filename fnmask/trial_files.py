"""What a trial leaves beside its numbers: confusion matrices, pictures, a plain control also its post-hoc frontier."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.data.arrays import SplitArrays
from fnmask.engine.network import Network
from fnmask.fit import split_batches
from fnmask.metrics.frontier_images import image_frontiers
from fnmask.metrics.readings import per_class
from fnmask.tracking import artifacts
from fnmask.tracking.artifacts import ClassList, FrontierFile
from fnmask.tracking.confusion_picture import confusion_picture
from fnmask.tracking.pictures import overlay_picture
from fnmask.tracking.tracker import Tracker
from fnmask.workbench import TrialData

# Of more classes the frontiers of all would be larger than everything else: then those of the targets alone.
_MOST_FRONTIERS = 32


def log_files(
    config: TrialConfig,
    data: TrialData,
    given: TrialData,
    network: Network,
    matrices: Mapping[str, NDArray[np.int64] | None],
    tracker: Tracker,
) -> None:
    """Log classes, confusion matrices, pictures; and of the plain control the post-hoc frontier.

    Args:
        config: of the trial.
        data: its images.
        given: what the network takes for them.
        network: with the weights that the trial is judged by.
        matrices: by split, `(N, C, C)`; None for one that is not evaluated.
        tracker: takes the files.
    """
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
    if config.is_plain:
        for split in (split for split, per_image in matrices.items() if per_image is not None):
            _log_frontier(config, split, getattr(given, split), network, tracker)
    if config.tracking.overlay_images:
        tracker.log_artifact(artifacts.OVERLAYS, _draw_overlays(config, data.val, given.val, network))


def _log_frontier(config: TrialConfig, split: str, given: SplitArrays, network: Network, tracker: Tracker) -> None:
    num_classes = len(config.source.class_names)
    # A sweep over which class to mask has one control for all of them.
    targets = range(num_classes) if num_classes <= _MOST_FRONTIERS else config.loss.targets
    logits = network.logits(split_batches(config, given), len(given.ids))
    size = config.trainer.eval_batch_size
    labels = (given.labels[first : first + size] for first in range(0, len(given.ids), size))
    found = image_frontiers(
        zip(labels, logits, strict=False), targets, num_classes=num_classes, ignore_class=config.source.ignore_class
    )
    hits, predicted = (np.stack([getattr(own, name) for own in found]) for name in ("hits", "predicted"))
    content = FrontierFile(found[0].log_odds, tuple(targets), hits, predicted)
    tracker.log_artifact(artifacts.frontier_name(split), artifacts.pack_frontier(content))


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
