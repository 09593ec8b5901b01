"""Distances to the post-hoc frontier: by hand, against every threshold applied one by one, and on a real store."""

import numpy as np
import pytest

from fnmask.compare.frontier import PLANES, _continued, _distance, curve, standings
from fnmask.metrics import confusion, confusion_matrix
from fnmask.metrics.frontier_images import image_frontiers
from fnmask.tracking.artifacts import FrontierFile

RECALL, IOU = 0, 1


def frontier_of(labels, logits, targets=(1,)):
    found = image_frontiers([(labels, logits)], targets, num_classes=3)
    hits, predicted = (np.stack([getattr(own, name) for own in found]) for name in ("hits", "predicted"))
    return FrontierFile(found[0].log_odds, tuple(targets), hits, predicted)


def matrices_of(labels, predictions):
    return np.stack([confusion_matrix(*pair, num_classes=3) for pair in zip(labels, predictions, strict=True)])


@pytest.fixture(scope="module")
def controls():
    """Two plain networks on the same 20 images: frontier, logits, labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (20, 6, 6))
    found = {}
    for seed in ("a", "b"):
        logits = rng.normal(0, 1.5, (20, 6, 6, 3)) + 2 * np.eye(3)[labels]
        found[seed] = frontier_of(labels, logits), logits
    return labels, found


def kept(controls):
    labels, found = controls
    return {block: (own, matrices_of(labels, logits.argmax(-1))) for block, (own, logits) in found.items()}


def test_distance_by_hand():
    curves = np.array([[[[0.0, 10.0], [10.0, 0.0]]]] * 2)  # one resample, two points, the same in both planes
    # (7, 7) is ahead of (5, 5) by 2 in both, of every other point by more in one. (2, 3) lacks 2.5 of (4.5, 5.5).
    points = np.array([[[7.0, 7.0]], [[2.0, 3.0]]])
    assert _distance(points, curves)[0] == pytest.approx([2.0, -2.5])


def test_distance_is_that_to_the_lines_between_thresholds():
    """Against lines that are followed in a thousand steps."""
    rng = np.random.default_rng(0)
    recall, precision = np.sort(rng.uniform(0, 100, (2, 6)))[:, ::-1], np.sort(rng.uniform(0, 100, (2, 6)))
    curves = np.stack([recall, precision], axis=-1)[:, None]
    steps = np.linspace(0, 1, 1001)[:, None]
    lines = [own[0, :-1, None] + steps * (own[0, 1:, None] - own[0, :-1, None]) for own in curves]
    for point in rng.uniform(0, 100, (50, 2)):
        wanted = [float(np.max(point - line, axis=-1).min()) for line in lines]
        found = _distance(np.array([[point]] * 2), curves)[0]
        assert found == pytest.approx(wanted, abs=0.1)
        assert (found <= np.array(wanted) + 1e-9).all(), "no step lies nearer"


def test_where_the_target_is_no_longer_predicted_the_curve_goes_on_to_recall_0():
    curves = np.array([[[[50.0, 80.0], [0.0, np.nan]]]] * 2)
    filled = _continued(curves)
    assert filled[0, 0, -1].tolist() == [0, 80]
    assert _distance(np.array([[[20.0, 85.0]]] * 2), filled)[0] == pytest.approx([5.0, 5.0])
    never = np.array([[[0.0, np.nan]], [[20.0, 85.0]]])
    assert _distance(never, filled)[0, 0] <= 0, "never predicted: nothing is won"


@pytest.mark.parametrize("n_shown", [0, 3])
def test_a_target_in_few_images_or_none(n_shown):
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 2], (30, 6, 6))
    labels[:n_shown, :2] = 1
    found = {}
    for seed in ("a", "b", "c"):
        logits = rng.normal(0, 1.5, (30, 6, 6, 3)) + 2 * np.eye(3)[labels]
        found[seed] = frontier_of(labels, logits), matrices_of(labels, logits.argmax(-1))
    variant = {seed: matrices_of(labels, np.where(rng.random(labels.shape) < 0.2, 0, labels)) for seed in found}
    told = standings({"v": variant}, found, 1, resamples=100)["v"]
    if not n_shown:
        assert told == {}, "there is nothing to reach"
        return
    for plane in PLANES:
        assert np.isfinite(told[plane].mean)
        assert told[plane].is_measured


@pytest.mark.parametrize("scale", [1, 8, 40])
def test_a_network_that_is_sure_of_itself_has_the_same_frontier(controls, scale):
    """Logits that are scaled decide the same at another threshold."""
    labels, found = controls
    kept, moved = {}, {}
    for block, (_, logits) in found.items():
        own = scale * logits
        others = own.copy()
        others[..., 1] = -np.inf
        kept[block] = frontier_of(labels, own), matrices_of(labels, own.argmax(-1))
        moved[block] = matrices_of(labels, np.where(own[..., 1] - others.max(-1) > scale * 3.2, 1, others.argmax(-1)))
    told = standings({"moved": moved}, kept, 1, resamples=20)["moved"]
    for plane in PLANES:
        assert told[plane].mean < 0.6
        assert not told[plane].stands_out(1)


def test_a_threshold_of_the_plain_network_is_on_its_frontier(controls):
    labels, found = controls
    moved = {}
    for block, (_, logits) in found.items():
        others = logits.copy()
        others[..., 1] = -np.inf
        moved[block] = matrices_of(labels, np.where(logits[..., 1] - others.max(-1) > 1.5, 1, others.argmax(-1)))
    told = standings({"moved": moved}, kept(controls), 1, resamples=50)["moved"]
    assert set(told) == set(PLANES)
    for plane in PLANES:
        # Never beyond what it is a point of; inside only where another threshold is better in both.
        assert -3 < told[plane].mean <= 1e-9
        assert told[plane].n_seeds == 2


def test_a_better_network_is_beyond_and_a_worse_one_inside(controls):
    labels, _ = controls
    rng = np.random.default_rng(1)
    better, worse = {}, {}
    for block in ("a", "b"):
        wrong = rng.random(labels.shape) < 0.02
        better[block] = matrices_of(labels, np.where(wrong, (labels + 1) % 3, labels))
        worse[block] = matrices_of(labels, rng.integers(0, 3, labels.shape))
    told = standings({"better": better, "worse": worse}, kept(controls), 1, resamples=200)
    for plane in PLANES:
        assert told["better"][plane].mean > 5
        assert told["better"][plane].stands_out(4)
        assert told["worse"][plane].mean < -5
        assert told["worse"][plane].stands_out(4)


def test_seeds_are_measured_against_their_own_control(controls):
    labels, found = controls
    matrices = matrices_of(labels, found["a"][1].argmax(-1))
    own = standings({"v": {"a": matrices}}, kept(controls), 1, resamples=20)["v"]["iou"]
    other = standings({"v": {"b": matrices}}, kept(controls), 1, resamples=20)["v"]["iou"]
    assert own.mean <= 1e-9 < abs(other.mean - own.mean)
    assert (own.n_seeds, other.n_seeds) == (1, 1)
    both = standings({"v": {"a": matrices, "b": matrices}}, kept(controls), 1, resamples=20)["v"]["iou"]
    assert both.mean == pytest.approx((own.mean + other.mean) / 2)


def test_what_has_no_frontier_has_no_distance(controls):
    labels, found = controls
    matrices = matrices_of(labels, found["a"][1].argmax(-1))
    assert standings({"v": {"elsewhere": matrices}}, kept(controls), 1) == {}
    assert standings({"v": {"a": matrices}}, kept(controls), 2) == {}, "the control kept that of class 1"
    assert curve([], [], 1) is None
    assert curve([found["a"][0]], [np.ones((20, 3))], 2) is None


def test_the_curve_is_the_mean_over_seeds(controls):
    labels, found = controls
    own = curve([of for of, _ in found.values()], [of.sum(axis=2) for _, of in kept(controls).values()], 1)
    at = own.log_odds.tolist().index(0.0)
    totals = [matrices_of(labels, logits.argmax(-1)).sum(axis=0) for _, logits in found.values()]
    assert own.points[RECALL, at] == pytest.approx(
        100 * np.mean([[confusion.recall(one)[1], confusion.precision(one)[1]] for one in totals], axis=0)
    )
    assert own.points[IOU, at] == pytest.approx(
        100 * np.mean([[confusion.iou(one)[1], confusion.mean_iou_without(one, [1])] for one in totals], axis=0)
    )
