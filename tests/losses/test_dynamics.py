"""Where the target comes to be predicted: gradient descent on a table of logits, one cell per probability.

Two classes. Of the pixels that look like cell i a share eta_i is labeled 1, the target, the rest 0. Every cell has
logits of its own, so what they tend to is what the loss asks for, with no network in between:

    dz_i / dt = -(eta_i dl(1, z_i) / dz_i + (1 - eta_i) dl(0, z_i) / dz_i)

The threshold is the smallest eta at which the target is called. It is told by theory where this flow changes its sign
at a tie, and measured here on a grid of eta, so up to one step above.
"""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf

from fnmask.losses import MaskedCrossentropy

COMPILED = True
ETA = 0.005 * np.arange(1, 200)
STEPS, RATE = 8000, 1.0
COLD, COLDER = 0.0, 2.0  # how far class 0 leads at first; a tie goes to it

ALPHAS = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.0)
each_alpha = pytest.mark.parametrize("alpha", ALPHAS)

# The cells lie along the width of two images: in one all of them are labeled 1, in the other 0.
LABELS = np.stack([np.ones((1, len(ETA)), np.int32), np.zeros((1, len(ETA)), np.int32)])
SHARES = np.stack([ETA, 1 - ETA])[:, None].astype(np.float32)


@cache
def flow(mask):
    """A loss, and the function that lets a table of logits go where the loss drives it."""
    loss = MaskedCrossentropy(2, mask=mask, normalizer="none", reduction="sum")

    def step(index, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(LABELS, tf.stack([logits, logits]), SHARES)
        return index + 1, logits - RATE * tape.gradient(value, logits)

    @tf.function(autograph=False, jit_compile=True)
    def run(logits):
        return tf.while_loop(lambda index, _: index < STEPS, step, (0, logits))[1]

    return loss, run


def settle(start, *, mask="argmax", alpha=1.0, class_weight=1.0, **numbers):
    """The table after all steps; `start` is the lead of class 0, or a table."""
    loss, run = flow(mask)
    loss.assign(error_weights=[[1, 1], [alpha, 1]], class_weights=[1, class_weight], **numbers)
    if isinstance(start, float):
        start = tf.constant(np.tile(np.float32([start, 0]), (1, len(ETA), 1)))
    return run(start)


@cache
def warmed_up():
    """The table that the plain loss has led to."""
    return settle(COLD)


def threshold(logits):
    """The smallest eta at which the target is called; 1 where it never is."""
    called = logits.numpy().argmax(-1).ravel() == 1
    first = int(called.argmax()) if called.any() else len(ETA)
    assert called[first:].all(), "there is one threshold"
    return float(ETA[first]) if called.any() else 1.0


def test_the_warm_up_finds_the_probabilities():
    lead = np.diff(warmed_up().numpy()).ravel()
    np.testing.assert_allclose(1 / (1 + np.exp(-lead)), ETA, atol=1e-4)


@each_alpha
def test_the_alpha_mask_from_the_start(alpha):  # P39
    for start in (COLD, COLDER):
        found = threshold(settle(start, alpha=alpha))
        assert found == pytest.approx(1 / (1 + alpha), abs=0.01)
        assert (found == 1) == (alpha == 0), "at alpha 0, and only there, the target is never called"


@each_alpha
def test_the_alpha_mask_after_a_warm_up(alpha):  # P39: what is called correctly by then stays so, whatever alpha
    assert threshold(settle(warmed_up(), alpha=alpha)) == pytest.approx(0.5, abs=0.01)


@each_alpha
def test_a_class_weight(alpha):  # P39: a warm-up does not matter
    for start in (COLD, warmed_up()):
        assert threshold(settle(start, class_weight=alpha)) == pytest.approx(1 / (1 + alpha), abs=0.01)


@each_alpha
def test_confidence(alpha):  # P39: one threshold from anywhere
    for start in (COLD, COLDER, warmed_up()):
        found = threshold(settle(start, mask="confidence", alpha=alpha))
        assert found == pytest.approx(2 / (3 + alpha), abs=0.01)


def test_a_low_probability_is_left_for_good_where_its_own_balance_is_lower_still():
    # Below p = 0.3 the target weighs 0.25, which is at rest at p = 0.25 eta / (0.25 eta + 1 - eta): under 0.3, and so
    # never left, up to eta = 0.3 / (0.25 * 0.7 + 0.3). Above it the loss is the plain one.
    kept = threshold(settle(COLDER, mask="threshold", alpha=0.25, threshold=0.3))
    assert kept == pytest.approx(0.3 / (0.25 * 0.7 + 0.3), abs=0.01)
    assert threshold(settle(warmed_up(), mask="threshold", alpha=0.25, threshold=0.3)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(1.0, 0.5), (0.9, 0.649), (0.75, 0.749), (0.5, 0.867), (0.25, 0.950), (0.1, 0.985), (0.05, 0.994), (0.0, 1.0)],
)
def test_the_least_loss_of_the_alpha_mask(alpha, expected):  # far above both thresholds: it is not what descent finds
    leads = np.linspace(-12, 12, 2401, dtype=np.float32)  # of class 1, down the height
    logits = np.broadcast_to(np.stack([0 * leads, leads], -1)[:, None], (2, len(leads), len(ETA), 2))
    labels, shares = (np.broadcast_to(each, (2, len(leads), len(ETA))) for each in (LABELS, SHARES))
    loss = MaskedCrossentropy(2, ignore_false_negatives_of=1, alpha=alpha, normalizer="none")
    best = leads[loss(labels, logits, shares).numpy().sum(axis=0).argmin(axis=0)]
    called = ETA[best > 0]
    assert (called.min() if called.size else 1.0) == pytest.approx(expected, abs=0.01)
