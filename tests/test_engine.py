import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from fnmask.engine import CompiledStep, Engine, NonFiniteLoss, Schedule
from fnmask.losses import MaskedCrossentropy

C = 3
CONSTANT = Schedule(steps=10, learning_rate=0.01, cosine=False, warmup_steps=0, ramp_steps=0)


def batch(seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, C, (2, 8, 8)).astype(np.int32))


def build_model():
    scale = keras.layers.Rescaling(1 / 255)
    return keras.Sequential([keras.Input((None, None, 3)), scale, keras.layers.Conv2D(C, 3, padding="same")])


def masked(alpha=0.0, target=1):
    return MaskedCrossentropy(C, ignore_false_negatives_of=target, alpha=alpha, ignore_class=255)


def prepare(engine, *, seed, loss, key="small", target=1):
    return engine.prepare(
        key,
        seed=seed,
        build_model=build_model,
        build_optimizer=lambda: keras.optimizers.Adam(0.1),
        loss=loss,
        targets=(target,),
        jit_compile=False,
    )


def train(step, schedule=CONSTANT, steps=3, first_batch=0):
    return step.train_epoch((batch(first_batch + n) for n in itertools.count()), schedule, steps=steps)


def test_a_warm_trial_equals_a_fresh_one():
    warm = Engine()
    train(prepare(warm, seed=5, loss=masked(0.7, target=2), target=2), steps=4)
    step = prepare(warm, seed=1, loss=masked())
    fresh = prepare(Engine(), seed=1, loss=masked())
    assert step is not fresh
    for mine, theirs in zip(step.model.get_weights(), fresh.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert train(step) == train(fresh)
    for mine, theirs in zip(step.model.get_weights(), fresh.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_trials_that_differ_in_numbers_share_one_trace():
    engine = Engine()
    first = prepare(engine, seed=0, loss=masked(0.5))
    train(first)
    second = prepare(engine, seed=1, loss=masked(0.0, target=2), target=2)
    train(second, Schedule(steps=9, learning_rate=0.5, cosine=True, warmup_steps=1, ramp_steps=1))
    assert second is first
    assert first._train.experimental_get_tracing_count() == 1


def test_another_structure_is_another_step_and_the_oldest_goes():
    engine = Engine(capacity=1)
    first = prepare(engine, seed=0, loss=masked())
    soft = MaskedCrossentropy(C, ignore_false_negatives_of=1, mask="confidence", ignore_class=255)
    assert prepare(engine, seed=0, loss=soft) is not first
    assert prepare(engine, seed=0, loss=masked()) is not first


def test_the_compiled_step_has_no_gradient_at_an_ignored_miss_and_some_elsewhere():
    # The parameters of this network are its logits, one for each pixel and class, so that plain gradient descent moves
    # exactly the pixels that have a gradient.
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(1, 4, 4, C)).astype(np.float32)
    labels = rng.integers(0, C, (1, 4, 4)).astype(np.int32)
    labels[0, 0, 0] = 255
    missed = (labels == 1) & (logits.argmax(-1) != 1)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(16 * C, use_bias=False), keras.layers.Reshape((4, 4, C))]
    )
    model.layers[0].kernel.assign(logits.reshape(1, -1))
    step = CompiledStep(model, masked(), keras.optimizers.SGD(1.0), targets=(1,), jit_compile=False)
    training = step.train_epoch(iter([(tf.ones((1, 1)), tf.constant(labels))]), CONSTANT, steps=1)
    moved = (model.layers[0].kernel.numpy().reshape(logits.shape) != logits).any(-1)
    assert missed.sum() >= 2
    np.testing.assert_array_equal(moved, ~missed & (labels != 255))
    # alpha 0 at full strength: the removed share of the target's weight is the share of its pixels that were missed.
    assert training.masked_fraction == pytest.approx(missed.sum() / (labels == 1).sum())


def test_the_mask_waits_for_its_warm_up():
    loss = masked()
    step = prepare(Engine(), seed=0, loss=loss)
    warm_up = Schedule(steps=10, learning_rate=0.01, cosine=False, warmup_steps=2, ramp_steps=2)
    assert train(step, warm_up, steps=2).masked_fraction == 0
    assert train(step, warm_up, steps=2).masked_fraction > 0
    assert float(step.loss.numbers["ramp"]) == 0.5


def test_schedule_by_hand():
    # Half a cosine over 4 steps: 1, (1 + sqrt .5) / 2, .5, (1 - sqrt .5) / 2.
    schedule = Schedule(steps=4, learning_rate=2.0, cosine=True, warmup_steps=1, ramp_steps=2)
    expected = [2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5]
    assert [schedule.learning_rate_at(step) for step in range(4)] == pytest.approx(expected)
    assert [schedule.ramp_at(step) for step in range(4)] == [0.0, 0.0, 0.5, 1.0]


def test_evaluation_counts_each_image_and_drops_the_padding():
    step = prepare(Engine(), seed=0, loss=masked())
    images, labels = (part.numpy() for part in batch())
    labels[0, 0] = 255
    padding = (np.zeros_like(images[:1]), np.full_like(labels[:1], 255))
    batches = [(images, labels), tuple(np.concatenate([p, p]) for p in padding)]
    evaluation = step.evaluate(batches, 2)
    logits = step.model(images, training=False).numpy().astype(np.float64)
    predicted = logits.argmax(-1)
    for n in range(2):
        by_hand = np.zeros((C, C), int)
        for true, guess in zip(labels[n].ravel(), predicted[n].ravel(), strict=True):
            if true != 255:
                by_hand[true, guess] += 1
        np.testing.assert_array_equal(evaluation.matrices[n], by_hand)
    assert evaluation.matrices.shape == (2, C, C)
    shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    valid = labels != 255
    chosen = np.take_along_axis(shifted, np.where(valid, labels, 0)[..., None], -1)[..., 0]
    assert evaluation.loss_base == pytest.approx(-chosen[valid].mean(), rel=1e-5)


def test_a_loss_that_leaves_the_numbers_is_an_error():
    step = prepare(Engine(), seed=0, loss=masked())
    step.model.layers[-1].kernel.assign(np.full((3, 3, 3, C), np.nan))
    with pytest.raises(NonFiniteLoss, match="train/loss became nan between steps 0 and 3"):
        train(step)
