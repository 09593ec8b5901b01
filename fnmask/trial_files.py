"""What a trial leaves beside its numbers: confusion matrices, pictures, weights; a plain control also its frontier."""

import logging
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fnmask.config import TrialConfig
from fnmask.data.arrays import SplitArrays
from fnmask.engine.network import Network
from fnmask.engine.readings import Evaluation
from fnmask.fit import kept_images, split_batches
from fnmask.matrix_files import log_matrices
from fnmask.metrics.frontier_images import image_frontiers
from fnmask.metrics.full_size import resize_logits
from fnmask.tracking import artifacts
from fnmask.tracking.artifacts import ClassList, FrontierFile, MaskEncoding
from fnmask.tracking.pictures import overlay_picture
from fnmask.tracking.predictions import (
    Predictions,
    pack_pictures,
    pack_predictions,
    pictures_name,
    predictions_name,
    spread_images,
)
from fnmask.tracking.tracker import Tracker
from fnmask.tracking.weights import WEIGHTS, pack_weights
from fnmask.workbench import TrialData

_LOG = logging.getLogger(__name__)

# Of more classes the frontiers of all would be larger than everything else: then those of the targets alone.
_MOST_FRONTIERS = 32


def log_files(
    config: TrialConfig,
    data: TrialData,
    given: TrialData,
    network: Network,
    evaluations: Mapping[str, Evaluation],
    tracker: Tracker,
) -> None:
    """Log classes, confusion matrices, pictures; and of the plain control the post-hoc frontier.

    Args:
        config: of the trial.
        data: its images.
        given: what the network takes for them.
        network: with the weights that the trial is judged by.
        evaluations: by split, val among them.
        tracker: takes the files.
    """
    source = config.source
    encoding: MaskEncoding = getattr(source, "mask_encoding", "ids")
    classes = ClassList(source.class_names, source.class_colors, source.ignore_class, encoding)
    matrices = {split: evaluation.matrices for split, evaluation in evaluations.items()}
    log_matrices(classes, matrices, {split: getattr(data, split).ids for split in evaluations}, tracker)
    if config.is_plain:
        for split in evaluations:
            _log_frontier(config, split, getattr(given, split), network, tracker)
    for split, evaluation in evaluations.items():
        arrays = getattr(data, split)
        chosen = kept_images(config, len(arrays.ids))
        if chosen.size:
            class_ids = evaluation.class_ids
            if class_ids is None:  # of an epoch that was taken over from another trial
                class_ids = _predict(config, getattr(given, split), chosen, network)
            _log_predictions(config, split, arrays, chosen, class_ids, tracker)
    if config.tracking.weights == "all" or (config.tracking.weights == "plain" and config.is_plain):
        _log_weights(network, tracker)


def _log_frontier(config: TrialConfig, split: str, given: SplitArrays, network: Network, tracker: Tracker) -> None:
    num_classes = len(config.source.class_names)
    # A sweep over which class to mask has one control for all of them.
    targets = range(num_classes) if num_classes <= _MOST_FRONTIERS else config.loss.targets
    found = image_frontiers(
        _labels_and_logits(config, given, network),
        targets,
        num_classes=num_classes,
        ignore_class=config.source.ignore_class,
    )
    hits, predicted = (np.stack([getattr(own, name) for own in found]) for name in ("hits", "predicted"))
    content = FrontierFile(found[0].log_odds, tuple(targets), hits, predicted)
    tracker.log_artifact(artifacts.frontier_name(split), artifacts.pack_frontier(content))


def _labels_and_logits(
    config: TrialConfig, given: SplitArrays, network: Network
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Those that the evaluation compares: batch after batch, or image after image where each has its own size."""
    first = 0
    for logits in network.logits(split_batches(config, given), len(given.ids)):
        if given.full_labels is None:
            yield given.labels[first : first + len(logits)], logits
        else:
            for place, own in enumerate(logits):
                labels = given.full_labels[first + place]
                yield labels[None], resize_logits(own, labels.shape)[None]
        first += len(logits)


def _log_weights(network: Network, tracker: Tracker) -> None:
    """The largest file by far, and the last: a disk that has no room for it costs no finished training."""
    try:
        tracker.log_artifact(WEIGHTS, pack_weights(network.model.get_weights()))
    except OSError as error:
        _LOG.warning(
            "The weights of this run are not kept (%s). Make room, or keep those of the plain controls alone: "
            "tracking.weights=plain.",
            error,
        )


def _predict(config: TrialConfig, given: SplitArrays, chosen: NDArray[np.int64], network: Network) -> NDArray[np.uint8]:
    some = SplitArrays(tuple(given.ids[i] for i in chosen), given.images[chosen], given.labels[chosen])
    return network.predict(split_batches(config, some), len(chosen)).astype(np.uint8)


def _log_predictions(
    config: TrialConfig,
    split: str,
    arrays: SplitArrays,
    chosen: NDArray[np.int64],
    class_ids: NDArray[np.uint8],
    tracker: Tracker,
) -> None:
    """What the network makes of some images; of validation also as a picture."""
    tracking = config.tracking
    n_drawn = tracking.overlay_images if split == "val" else 0
    ids, labels = tuple(arrays.ids[i] for i in chosen), arrays.labels[chosen]
    images: NDArray[np.uint8] = arrays.images[chosen].astype(np.uint8)
    if tracking.prediction_images:
        weights = np.asarray(config.loss.error_weights, np.float32)
        packed = pack_predictions(Predictions(ids, class_ids, weights))
        tracker.log_artifact(predictions_name(split), packed)
        if config.is_plain:
            tracker.log_artifact(pictures_name(split), pack_pictures(ids, images, labels))
    if n_drawn:
        drawn = spread_images(len(chosen), n_drawn)
        found = class_ids[drawn]
        picture = overlay_picture(
            images[drawn],
            labels[drawn],
            found,
            _let_off(config, labels[drawn], found),
            class_names=config.source.class_names,
            class_colors=config.source.class_colors,
            ignore_class=config.source.ignore_class,
        )
        tracker.log_artifact(artifacts.OVERLAYS, picture)


def _let_off(config: TrialConfig, labels: NDArray[np.uint8], predictions: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels whose error weighs less than 1 under the loss at full strength; the same for its soft forms."""
    valid = labels < len(config.source.class_names)
    weights = config.loss.error_weights[np.where(valid, labels, 0), predictions]
    let_off: NDArray[np.bool_] = valid & (weights < 1)
    return let_off
