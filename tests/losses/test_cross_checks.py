"""Losses of other people: equal to ours where the definitions are, and where they are not, by how much."""

import keras
import numpy as np
import pytest
from cases import Case
from family import assert_same, evaluate

from fnmask.losses import (
    MaskedCrossentropy,
    MaskedDice,
    MaskedFocalCrossentropy,
    MaskedGeneralizedCrossentropy,
    MaskedJaccard,
    MaskedTversky,
)

CLASSES, VOID = 4, 255
WEIGHTS = np.array([0.5, 1.0, 2.0, 3.0], np.float32)


def problem(*, void=False, absent=False):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, (2, 5, 6))
    logits = rng.normal(0, 2, (2, 5, 6, CLASSES)).astype(np.float32)
    if void:
        labels[rng.random(labels.shape) < 0.25] = VOID
    if absent:
        labels[labels == CLASSES - 1] = 0
    return Case(labels, logits, np.ones((CLASSES, CLASSES)), WEIGHTS, target=1, ignore_class=VOID)


def ours(kind, case, **arguments):
    return evaluate(kind(CLASSES, ignore_class=VOID, **arguments), case)


def one_hot(case):
    """Void is all zeros."""
    return (case.labels[..., None] == np.arange(CLASSES)).astype(np.float32)


def of_keras(loss, case, labels=None, **how):
    """Value and gradient; `probabilities=True` for losses that take no logits."""
    labels = case.labels if labels is None else labels

    def call(_, logits, __):
        return loss(labels, keras.ops.softmax(logits) if how.get("probabilities") else logits)

    return evaluate(call, case)


def of_torch(function, case):
    """Value and gradient of function(logits, labels), classes on axis 1 as in torch."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    logits = torch.tensor(np.moveaxis(case.logits, -1, 1), requires_grad=True)
    value = function(logits, torch.tensor(case.labels))
    value.sum().backward()
    return value.detach().numpy(), np.moveaxis(logits.grad.numpy(), 1, -1)


def of_monai(name, case, *, regions=True, **arguments):
    losses = pytest.importorskip("monai.losses", reason="monai is not installed")
    sums = {"softmax": True, "batch": True, "smooth_nr": 0, "smooth_dr": 0} if regions else {"use_softmax": True}
    loss = getattr(losses, name)(to_onehot_y=True, **sums, **arguments)
    return of_torch(lambda logits, labels: loss(logits, labels[:, None]), case)


def cross_entropy(**arguments):
    functional = pytest.importorskip("torch.nn.functional", reason="torch is not installed")
    return lambda logits, labels: functional.cross_entropy(logits, labels, ignore_index=VOID, **arguments)


def test_torch_cross_entropy():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    case, weights = problem(void=True), torch.tensor(WEIGHTS)
    assert_same(of_torch(cross_entropy(), case), ours(MaskedCrossentropy, case))
    weighted = ours(MaskedCrossentropy, case, class_weights=WEIGHTS, normalizer="class_weight")
    assert_same(of_torch(cross_entropy(weight=weights), case), weighted)
    pixels = ours(MaskedCrossentropy, case, class_weights=WEIGHTS, normalizer="none")
    assert_same(of_torch(cross_entropy(weight=weights, reduction="none"), case), pixels)
    smoothed = ours(MaskedCrossentropy, case, label_smoothing=0.2)
    assert_same(of_torch(cross_entropy(label_smoothing=0.2), case), smoothed)


def test_torch_weighs_the_smoothed_part_by_the_other_classes():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    case, arguments = problem(void=True), {"label_smoothing": 0.2}
    theirs, _ = of_torch(cross_entropy(weight=torch.tensor(WEIGHTS), **arguments), case)
    mine, _ = ours(MaskedCrossentropy, case, class_weights=WEIGHTS, normalizer="class_weight", **arguments)
    assert theirs == pytest.approx(2.80932, abs=1e-4)
    assert mine == pytest.approx(2.85623, abs=1e-4)


def test_torch_lets_void_through():
    case = problem(void=True)
    nothing = case.but(labels=np.full_like(case.labels, VOID))
    assert np.isnan(of_torch(cross_entropy(), nothing)[0])
    assert ours(MaskedCrossentropy, nothing)[0] == 0
    spoiled = case.but(logits=np.where(case.void[..., None], np.float32(np.nan), case.logits))
    value, gradient = of_torch(cross_entropy(), spoiled)
    assert np.isfinite(value)
    assert np.isnan(gradient).any()
    assert_same(ours(MaskedCrossentropy, spoiled), ours(MaskedCrossentropy, case))


def test_keras_cross_entropy_with_void():
    case, losses = problem(void=True), keras.losses
    sparse = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID)
    assert_same(of_keras(sparse, case), ours(MaskedCrossentropy, case))
    # The function, and all-zero rows of one-hot labels, leave void in the divisor; the latter learn from it, too.
    with_all = ours(MaskedCrossentropy, case, normalizer="all")
    per_pixel = losses.sparse_categorical_crossentropy(case.labels, case.logits, from_logits=True, ignore_class=VOID)
    assert float(keras.ops.mean(per_pixel)) == pytest.approx(float(with_all[0]), rel=1e-6)
    value, gradient = of_keras(losses.CategoricalCrossentropy(from_logits=True), case, one_hot(case))
    assert value == pytest.approx(with_all[0], rel=1e-6)
    softmax = keras.ops.convert_to_numpy(keras.ops.softmax(case.logits)) / case.labels.size
    expected = np.where(case.void[..., None], softmax, with_all[1])  # p - y, as if the row were a distribution
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)
    # And smoothing gives void a cost.
    smoothed = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    mine, _ = ours(MaskedCrossentropy, case, normalizer="all", label_smoothing=0.2)
    assert of_keras(smoothed, case, one_hot(case))[0] - mine == pytest.approx(0.09026, abs=1e-4)


def test_keras_focal():
    case = problem()
    for gamma in (1.0, 2.0):
        theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1, gamma=gamma, from_logits=True)
        assert_same(of_keras(theirs, case, one_hot(case)), ours(MaskedFocalCrossentropy, case, gamma=gamma))
    # It clips probabilities at 1e-7: a pixel that is wrong beyond that costs no more, and has no gradient.
    wrong = case.but(labels=np.array([[[1]]]), logits=np.array([[[[40.0, 0, 0, 0]]]], np.float32))
    value, gradient = of_keras(theirs, wrong, one_hot(wrong))
    assert value == pytest.approx(-np.log(1e-7), rel=1e-5)
    assert (gradient == 0).all()
    value, gradient = ours(MaskedFocalCrossentropy, wrong)
    assert value == pytest.approx(40)
    np.testing.assert_allclose(gradient, [[[[1, -1, 0, 0]]]], atol=1e-6)


def test_keras_generalized_cross_entropy():
    case, theirs = problem(), keras.losses.CategoricalGeneralizedCrossEntropy(q=0.7)
    assert_same(of_keras(theirs, case, probabilities=True), ours(MaskedGeneralizedCrossentropy, case, q=0.7))
    wrong = case.but(labels=np.array([[[1]]]), logits=np.array([[[[200.0, 0, 0, 0]]]], np.float32))
    assert not np.isfinite(of_keras(theirs, wrong, probabilities=True)[1]).all()  # q p ** (q - 1) at p = 0
    assert np.isfinite(ours(MaskedGeneralizedCrossentropy, wrong, q=0.7)[1]).all()


def test_keras_dice_and_tversky():
    case, per_class = problem(), {"axis": (0, 1, 2)}
    dice, truth = keras.losses.Dice(**per_class), one_hot(case)
    assert_same(of_keras(dice, case, truth, probabilities=True), ours(MaskedDice, case))
    # Up to 3.15 its alpha weighs false negatives, against the paper and its own words.
    theirs = keras.losses.Tversky(alpha=0.9, beta=0.2, **per_class)
    score = {"false_positive_weight": 0.2, "false_negative_weight": 0.9}
    assert_same(of_keras(theirs, case, truth, probabilities=True), ours(MaskedTversky, case, **score))
    # By default it is one fraction for all classes, where the two weights are one.
    micro = [keras.losses.Tversky(alpha=alpha, beta=1.1 - alpha) for alpha in (0.2, 0.9)]
    assert_same(*(of_keras(loss, case, truth, probabilities=True) for loss in micro))
    # An absent class counts as a miss of 1, and void as a false alarm of every class.
    absent, void = problem(absent=True), problem(void=True)
    assert of_keras(dice, absent, one_hot(absent), probabilities=True)[0] == pytest.approx(0.82181, abs=1e-4)
    assert ours(MaskedDice, absent)[0] == pytest.approx((0.82181 * 4 - 1) / 3, abs=1e-4)
    assert of_keras(dice, void, one_hot(void), probabilities=True)[0] == pytest.approx(0.78505, abs=1e-4)
    assert ours(MaskedDice, void)[0] == pytest.approx(0.75826, abs=1e-4)


@pytest.mark.parametrize("void", [False, True])
def test_monai_regions(void):
    case, how = problem(void=void), {"ignore_index": VOID} if void else {}
    assert_same(of_monai("DiceLoss", case, **how), ours(MaskedDice, case))
    assert_same(of_monai("DiceLoss", case, jaccard=True, **how), ours(MaskedJaccard, case))
    score = {"false_positive_weight": 0.2, "false_negative_weight": 0.9}
    assert_same(of_monai("TverskyLoss", case, alpha=0.2, beta=0.9, **how), ours(MaskedTversky, case, **score))


def test_where_monai_regions_differ():
    absent, case = problem(absent=True), problem(void=True)
    theirs, _ = of_monai("DiceLoss", absent)  # an absent class counts as a miss of 1
    assert theirs == pytest.approx(0.82181, abs=1e-4)
    assert ours(MaskedDice, absent)[0] == pytest.approx((theirs * 4 - 1) / 3, abs=1e-6)
    theirs, _ = of_monai("DiceLoss", problem(), weight=WEIGHTS)  # divided by the classes, not by their weights
    weighted, _ = ours(MaskedDice, problem(), class_weights=WEIGHTS)
    assert theirs == pytest.approx(weighted * WEIGHTS.mean(), rel=1e-6)
    spoiled = case.but(logits=np.where(case.void[..., None], np.float32(np.nan), case.logits))
    assert np.isnan(of_monai("DiceLoss", spoiled, ignore_index=VOID)[0])
    assert_same(ours(MaskedDice, spoiled), ours(MaskedDice, case))


def test_monai_focal():
    case, void = problem(), problem(void=True)
    for arguments, mine in (({}, {}), ({"weight": WEIGHTS}, {"class_weights": WEIGHTS})):
        value, gradient = of_monai("FocalLoss", case, regions=False, **arguments)  # a mean over pixels and classes
        assert_same((CLASSES * value, CLASSES * gradient), ours(MaskedFocalCrossentropy, case, **mine))
    # With void it is a mean over pixels alone: four times as large.
    assert_same(of_monai("FocalLoss", void, regions=False, ignore_index=VOID), ours(MaskedFocalCrossentropy, void))


def test_torchmetrics_of_certain_predictions():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    metrics = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
    scores = pytest.importorskip("torchmetrics.functional.segmentation", reason="torchmetrics is not installed")

    def dice(predicted, labels):
        how = {"average": "macro", "input_format": "index", "aggregation_level": "global"}
        return scores.dice_score(predicted, labels, CLASSES, **how)[0]

    def both(case):
        predicted, labels = torch.tensor(case.logits.argmax(-1)), torch.tensor(case.labels)
        sure = case.but(logits=200 * np.eye(CLASSES, dtype=np.float32)[case.logits.argmax(-1)])
        found = [1 - float(metrics.multiclass_jaccard_index(predicted, labels, CLASSES, ignore_index=VOID))]
        found += [] if case.void.any() else [1 - float(dice(predicted, labels))]
        return found, [float(ours(kind, sure)[0]) for kind in (MaskedJaccard, MaskedDice)][: len(found)]

    for case in (problem(), problem(void=True)):
        theirs, mine = both(case)
        np.testing.assert_allclose(theirs, mine, rtol=1e-6)
    theirs, mine = both(problem(absent=True))  # it counts a class that is only predicted, as 0; we leave it out
    np.testing.assert_allclose(mine, (np.array(theirs) * 4 - 1) / 3, rtol=1e-6)
