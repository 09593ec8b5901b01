"""Bad input: the message says what was given and what is allowed."""

import keras
import numpy as np
import pytest

from fnmask.losses import (
    ExpectedCost,
    LabelSetCrossentropy,
    MaskedCrossentropy,
    MaskedDice,
    MaskedFocalCrossentropy,
    MaskedFocalTversky,
    MaskedGeneralizedCrossentropy,
    MaskedLovaszSoftmax,
    MaskedTversky,
    RelabelCrossentropy,
    WeightedSum,
    build_loss,
)

LABELS = np.array([[[0, 1], [2, 9]], [[2, 2], [1, 0]]])
LOGITS = np.random.default_rng(3).normal(0, 2, (2, 2, 2, 3)).astype(np.float32)
UNEVEN = [[1, 0.5, 0.2], [1, 1, 1], [1, 1, 1]]
ABOVE = [[1, 1.5, 1.5], [1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes=1, but it is an integer, and at least 2"),
        ({"num_classes": "3"}, "num_classes='3', but it is an integer, and at least 2"),
        ({"ignore_class": 1.5}, "ignore_class=1.5, but it is an integer label of 32 bits, or None"),
        ({"ignore_false_negatives_of": "road"}, "ignore_false_negatives_of='road', but it is a class id, or a list"),
        ({"ignore_false_negatives_of": [1, 1]}, r"\[1, 1\] names a class twice"),
        ({"ignore_false_negatives_of": [], "alpha": 0.5}, "alpha=0.5 has no effect without ignore_false_negatives_of"),
        ({"hardest_fraction": 1e-42}, r"hardest_fraction=1e-42, but it is one number in \(0, 1\]"),
        ({"ramp": "a"}, "ramp='a', but it is a number"),
        ({"ignore_false_negatives_of": 3}, r"holds \[3\], but class ids run from 0 to 2"),
        ({"ignore_false_negatives_of": [0, -1]}, r"holds \[-1\], but class ids run from 0 to 2"),
        ({"ignore_false_negatives_of": 1.0}, "ignore_false_negatives_of=1.0, but it is a class id, or a list of them"),
        (
            {"ignore_false_negatives_of": True},
            "ignore_false_negatives_of=True, but it is a class id, or a list of them",
        ),
        ({"ignore_false_negatives_of": 1, "alpha": -0.5}, "alpha=-0.5, but a weight is a finite number, and not neg"),
        ({"ignore_false_negatives_of": 1, "alpha": "0.5"}, "alpha='0.5', but a weight is a finite number"),
        ({"ignore_false_negatives_of": [0, 1], "alpha": [0.5]}, r"alpha=\[0.5\] has 1 numbers for 2 classes"),
        ({"class_weights": {0: 1.0}}, r"class_weights=\{0: 1.0\}, but it is a list in the order of the 3 classes"),
        ({"ignore_false_negatives_of": [], "alpha": np.array([0.5, 0.1])}, "has no effect without ignore_false_neg"),
        ({"ignore_class": 2**40}, "ignore_class=1099511627776, but it is an int"),
        ({"ignore_class": True}, "ignore_class=True, but it is an integer label of 32 bits, or None"),
        (
            {"normalizer": "weight", "reduction": "mean_with_sample_weight"},
            "divides by the sample weights, and reduction",
        ),
        ({"alpha": 0.5}, "alpha=0.5 has no effect without ignore_false_negatives_of; name the class"),
        ({"ignore_false_negatives_of": 1, "error_weights": np.ones((3, 3))}, "not both"),
        ({"alpha": 0.5, "error_weights": np.ones((3, 3))}, "not both"),
        ({"error_weights": np.zeros((3, 3))}, r"diagonal \[0.0, 0.0, 0.0\], but a correct pixel always weighs 1"),
        ({"error_weights": np.ones((2, 2))}, r"shape \(2, 2\), but 3 classes need \(3, 3\)"),
        ({"error_weights": [[1, -1, 1], [1, 1, 1], [1, 1, 1]]}, r"holds \[-1.0\], but weights are finite"),
        ({"class_weights": [1.0, 2.0]}, r"shape \(2,\), but 3 classes need \(3,\)"),
        ({"class_weights": [1.0, 2.0, np.nan]}, r"holds \[nan\], but weights are finite"),
        ({"class_weights": [1.0, 2.0, -1.0]}, r"holds \[-1.0\], but weights are finite and not negative"),
        ({"ramp": 1.5}, r"ramp=1.5, but it is one number in \[0, 1\]"),
        ({"mask": "soft"}, "mask='soft' is not known; use one of argmax, confidence, expectation, margin"),
        ({"normalizer": "mean"}, "normalizer='mean' is not known; use one of valid, all, kept"),
        ({"reduction": "median"}, "reduction=median"),
        ({"label_smoothing": 1.5}, r"label_smoothing=1.5, but it is one number in \[0, 1\]"),
        ({"hardest_fraction": 0.0}, r"hardest_fraction=0.0, but it is one number in \(0, 1\]"),
        ({"hardest_fraction": 1.5}, r"hardest_fraction=1.5, but it is one number in \(0, 1\]"),
        ({"power": 1.0}, "power=1.0 has no effect with mask='argmax'; it belongs to confidence"),
        ({"temperature": 1.0}, "temperature=1.0 has no effect with mask='argmax'; it belongs to margin"),
        ({"mask": "margin", "threshold": 0.5}, "threshold=0.5 has no effect .*belongs to threshold, disagreement"),
        ({"mask": "confidence", "power": -1.0}, "power=-1.0, but it is one number >= 0"),
        ({"mask": "margin", "temperature": 0.0}, "temperature=0.0, but it is one number > 0"),
        ({"mask": "margin", "temperature": [1.0, 2.0]}, r"temperature=\[1.0, 2.0\], but it is one number > 0"),
        ({"mask": "threshold", "threshold": -0.1}, "threshold=-0.1, but it is one number >= 0"),
        ({"mask": "threshold", "threshold": np.inf}, "threshold=inf, but it is one number >= 0"),
        ({"mask": "confidence", "error_weights": UNEVEN}, r"mask='confidence' reads one weight per .*row 0 .*another"),
    ],
)
def test_wrong_arguments_of_a_pixel_loss(arguments, message):
    with pytest.raises(ValueError, match=message):
        MaskedCrossentropy(**({"num_classes": 3} | arguments))


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (MaskedFocalCrossentropy, {"gamma": -0.5}, "gamma=-0.5, but it is one number >= 0"),
        (MaskedGeneralizedCrossentropy, {"q": 0.0}, r"q=0.0, but it is one number in \(0, 1\]"),
        (MaskedGeneralizedCrossentropy, {"q": 1.1}, r"q=1.1, but it is one number in \(0, 1\]"),
        (ExpectedCost, {"cost_weight": -1.0}, "cost_weight=-1.0, but it is one number >= 0"),
        (ExpectedCost, {"crossentropy_weight": np.nan}, "crossentropy_weight=nan"),
        (ExpectedCost, {"mask": "margin"}, "mask='margin' has no effect on ExpectedCost"),
        (LabelSetCrossentropy, {"error_weights": ABOVE}, "shares, which are at most 1, but they reach 1.5"),
        (RelabelCrossentropy, {"ignore_false_negatives_of": 0, "alpha": 2.0}, "at most 1, but they reach 2"),
        (RelabelCrossentropy, {"mask": "threshold"}, "mask='threshold' has no effect on RelabelCrossentropy"),
        (MaskedTversky, {"false_positive_weight": [1.0, 2.0]}, "one finite number >= 0, or one for each of 3 classes"),
        (MaskedTversky, {"false_negative_weight": -1.0}, r"false_negative_weight=-1.0, but it is one finite number"),
        (MaskedTversky, {"false_negative_weight": [1, 0, 1], "smoothing": 1}, r"smoothing=1 gives .* \(class 1\). Set"),
        (MaskedDice, {"smoothing": -1.0}, "smoothing=-1.0, but it is one number >= 0"),
        (MaskedDice, {"by_class": True, "mask": "margin"}, "mask='margin' has no effect with by_class=True"),
        (MaskedDice, {"by_class": True, "error_weights": UNEVEN}, "by_class=True reads one weight per true class"),
        (
            MaskedDice,
            {"by_class": True, "ignore_false_negatives_of": 2, "smoothing": 1.0},
            r"smoothing=1 gives .* weigh 0 \(class 2\)",
        ),
        (MaskedFocalTversky, {"gamma": 0.0}, "gamma=0.0, but it is one number > 0"),
        (MaskedLovaszSoftmax, {"mask": "soft"}, "mask='soft' is not known"),
    ],
)
def test_wrong_arguments_of_the_others(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(3, **arguments)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (MaskedCrossentropy, {"from_logits": True}, "MaskedCrossentropy takes no from_logits. It always reads logits"),
        (
            MaskedTversky,
            {"beta": 0.5},
            "MaskedTversky takes no beta. .*false_positive_weight and false_negative_weight",
        ),
        (MaskedDice, {"reduction": "none"}, "MaskedDice takes no reduction. A loss over regions is one number"),
        (MaskedDice, {"colour": 1}, "MaskedDice takes no colour. See the arguments of the class"),
    ],
)
def test_arguments_of_other_losses(kind, arguments, message):
    with pytest.raises(TypeError, match=message):
        kind(3, **arguments)


def test_alpha_is_assigned_with_its_matrix():
    with pytest.raises(ValueError, match="alpha is no number of its own, but part of error_weights; assign"):
        MaskedCrossentropy(3, ignore_false_negatives_of=1).assign(alpha=0.5)


def test_a_loss_is_built_of_specs():
    with pytest.raises(ValueError, match=r"build_loss\('soften_fn', 'dice'\), but it takes specs"):
        build_loss("soften_fn", "dice", class_weights=np.ones(3), ignore_class=None)


@pytest.fixture(params=[MaskedCrossentropy, ExpectedCost, MaskedDice, MaskedLovaszSoftmax, WeightedSum])
def loss(request):
    if request.param is WeightedSum:
        return WeightedSum([MaskedCrossentropy(3, ignore_class=9), MaskedDice(3, ignore_class=9)])
    return request.param(3, ignore_class=9)


@pytest.mark.parametrize(
    ("labels", "logits", "message"),
    [
        (LABELS, LOGITS[..., :2], "2 channels, but num_classes=3"),
        (LABELS, LOGITS[..., :1], r"have one channel, but .* For a network with a single logit z, give it \(0, z\)"),
        (LABELS.astype(str), LOGITS, "labels are of the type object, but a label is the number of a class"),
        (LABELS, LOGITS[0], r"Logits have shape \(B, H, W, C\), not \(2, 2, 3\)"),
        (LABELS[:, :1], LOGITS, r"shape \(2, 1, 2\) do not go with predictions of shape \(2, 2, 2, 3\)"),
        (LABELS[0, 0], LOGITS, r"shape \(2,\) do not go with predictions"),
        (
            np.full((2, 2, 2, 3), np.nan),
            LOGITS,
            r"hold \[nan, nan, nan\], but each is >= 0 with the sum 1, or all zero",
        ),
        (np.eye(3)[[[[0, 1], [2, 0]]] * 2] - 1, LOGITS, "but each is >= 0 with the sum 1, or all zero"),
        (np.ones((2, 2, 2, 3)), LOGITS, "but each is >= 0 with the sum 1, or all zero"),
        (np.zeros((2, 2, 2, 4)), LOGITS, "One-hot labels have 4 channels, but there are 3 classes"),
        (np.where(LABELS == 9, 3, LABELS), LOGITS, r"hold 3, but the classes are 0..2 and ignore_class=9"),
        (np.where(LABELS == 9, -1, LABELS), LOGITS, r"hold -1, .*Set ignore_class"),
        (np.where(LABELS == 9, 0.5, LABELS), LOGITS, r"hold 0.5, but the classes are 0..2"),
        (np.where(LABELS == 9, np.nan, LABELS), LOGITS, r"hold nan, but the classes are 0..2"),
    ],
)
def test_wrong_batches(loss, labels, logits, message):
    with pytest.raises(ValueError, match=message):
        loss(labels, logits)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (2, 3, 2), (2, 2, 2, 3)])
def test_wrong_sample_weights(loss, shape):
    with pytest.raises(ValueError, match=r"sample_weight of shape .* one weight per image \(B,\) or one per pixel"):
        loss(LABELS, LOGITS, np.ones(shape, np.float32))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_sample_weights_out_of_range(loss, wrong):
    with pytest.raises(ValueError, match=r"sample_weight holds \[(-1.0|nan|inf)\], but weights are finite and not neg"):
        loss(LABELS, LOGITS, np.array([1.0, wrong], np.float32))


def test_probabilities_are_refused_eagerly(loss):  # P18
    probabilities = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
    for given in (probabilities, probabilities.astype(np.float16), np.eye(3, dtype=np.float32)[LOGITS.argmax(-1)]):
        with pytest.raises(ValueError, match=r"are probabilities .* expects logits. Remove the softmax"):
            loss(LABELS, given)
    assert np.isfinite(float(loss(LABELS, np.abs(LOGITS))))  # not negative alone is no sign
    assert np.isfinite(float(loss(LABELS, np.zeros_like(LOGITS))))


@pytest.mark.parametrize("last", ["activation", "layer", "function"])
def test_a_model_that_ends_in_a_softmax_is_refused(last):  # P18
    model = keras.Sequential([keras.Input((2, 2, 3))])
    model.add(keras.layers.Dense(3, activation="softmax" if last == "activation" else None))
    if last == "layer":
        model.add(keras.layers.Softmax())
    elif last == "function":
        model.add(keras.layers.Lambda(keras.ops.softmax))
    model.compile("sgd", loss=MaskedCrossentropy(3, ignore_class=9))
    with pytest.raises(ValueError, match="Remove the softmax of the last layer"):
        model.train_on_batch(LOGITS, LABELS)


def test_a_number_that_a_loss_needs_is_given():
    with pytest.raises(ValueError, match="gamma=None, but it is a number"):
        MaskedFocalCrossentropy(3, gamma=None)
    with pytest.raises(ValueError, match="smoothing=None, but it is a number"):
        MaskedDice(3, smoothing=None)


def test_a_sum_is_one_of_masked_losses_with_one_void():
    with pytest.raises(ValueError, match="adds masked losses, not MaskedDice, Dice"):
        WeightedSum([MaskedDice(3), keras.losses.Dice()])
    with pytest.raises(ValueError, match=r"ignore_class \[None, 9\]; give them one"):
        WeightedSum([MaskedDice(3), MaskedDice(3, ignore_class=9)])
