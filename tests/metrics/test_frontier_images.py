"""The frontier image by image against the frontier of a whole split, and against thresholds applied one by one."""

import numpy as np
import pytest

from fnmask.metrics import confusion_matrix
from fnmask.metrics.frontier_images import LOG_ODDS, image_frontiers

VOID = 9


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, (3, 8, 9))
    labels[rng.random(labels.shape) < 0.1] = VOID
    logits = rng.normal(0, 3, (3, 8, 9, 4)).astype(np.float32)
    logits[0, 0] = np.round(logits[0, 0])  # pixels just at a threshold, and ties
    logits[1, 1, :, 2] = 40.0  # beyond every threshold
    logits[1, 2, :, 2] = -40.0
    return labels, logits


@pytest.mark.parametrize("target", range(4))
def test_every_threshold_is_that_decision(split, target):
    labels, logits = split
    (found,) = image_frontiers([split], [target], num_classes=4, ignore_class=VOID)
    others = logits.copy()
    others[..., target] = -np.inf
    rival = others.argmax(axis=-1)
    odds = logits[..., target] - others.max(axis=-1)
    for index, threshold in enumerate(LOG_ODDS):
        predictions = np.where(odds > threshold, target, rival)
        for image in range(3):
            matrix = confusion_matrix(labels[image], predictions[image], num_classes=4, ignore_class=VOID)
            assert found.hits[image, index].tolist() == np.diagonal(matrix).tolist(), (image, threshold)
            assert found.predicted[image, index].tolist() == matrix.sum(axis=0).tolist(), (image, threshold)


def test_the_ends_and_argmax(split):
    labels, logits = split
    (found,) = image_frontiers([split], [2], num_classes=4, ignore_class=VOID)
    valid = (labels != VOID).sum(axis=(1, 2))
    assert found.predicted[:, 0, 2].tolist() == valid.tolist()
    assert (found.predicted[:, -1, 2] == 0).all()
    assert (found.predicted.sum(axis=-1) == valid[:, None]).all(), "every labeled pixel is called something"
    argmax = confusion_matrix(labels, logits.argmax(axis=-1), num_classes=4, ignore_class=VOID)
    assert found.hits[1:, LOG_ODDS == 0].sum() == np.trace(
        confusion_matrix(labels[1:], logits[1:].argmax(axis=-1), num_classes=4, ignore_class=VOID)
    )
    assert argmax.sum() == valid.sum()


def test_batches_are_put_together_in_order(split):
    labels, logits = split
    whole = image_frontiers([split], [0, 3], num_classes=4, ignore_class=VOID)
    parts = image_frontiers(
        [(labels[:2], logits[:2]), (labels[2:], logits[2:])], [0, 3], num_classes=4, ignore_class=VOID
    )
    for one, other in zip(whole, parts, strict=True):
        assert one.target == other.target
        assert np.array_equal(one.hits, other.hits)
        assert np.array_equal(one.predicted, other.predicted)


def test_a_target_that_is_no_class(split):
    with pytest.raises(ValueError, match="targets"):
        image_frontiers([split], [4], num_classes=4)
