import keras
import numpy as np
import pytest
import tensorflow as tf
from problems import C, assert_same_state, batch, batches, build_model, course, masked, plain, prepare, schedule

from fnmask.engine.cache import Engine
from fnmask.engine.network import Network
from fnmask.engine.readings import NonFiniteLoss
from fnmask.engine.schedule import Course
from fnmask.losses import MaskedCrossentropy


def train(network, running, until=3, first_batch=0, **kwargs):
    network.train(batches(first_batch), running, until=until, **kwargs)
    return network.end_epoch(until)


def test_a_warm_trial_equals_a_fresh_one():
    warm = Engine()
    train(prepare(warm, seed=5), course(masked(0.7, target=2)), until=4)
    train(prepare(warm, seed=1), course(masked(0.2)), until=2)
    for seed in (1, 5):
        network, fresh = prepare(warm, seed=seed), prepare(seed=seed)
        assert network is not fresh
        assert_same_state(network.capture(), fresh.capture())
        assert train(network, course(masked())).loss == train(fresh, course(masked())).loss
        assert_same_state(network.capture(), fresh.capture())


def test_trials_that_differ_in_numbers_share_one_trace():
    engine = Engine()
    for seed, weight_decay in ((0, 0.1), (1, 0.2)):
        network = prepare(engine, seed=seed, weight_decay=weight_decay)
        train(network, course(masked(0.5 * seed, target=1 + seed)))
        train(network, course(), until=6)
        train(network, course(masked(0.1), cosine=True, warmup_steps=7, ramp_steps=1), until=9)
    # Argmax masks, and none: all read one matrix.
    assert [step.take.experimental_get_tracing_count() for step in network._steps.values()] == [1]


def test_weight_decay_is_assigned():
    engine = Engine()
    moved = {}
    for weight_decay in (0.1, 0.5, 0.1):
        network = prepare(engine, weight_decay=weight_decay)
        train(network, course(), until=2)
        kernel = network.model.layers[1].kernel.numpy()
        np.testing.assert_array_equal(moved.setdefault(weight_decay, kernel), kernel)
    fresh = prepare(weight_decay=0.5)
    train(fresh, course(), until=2)
    np.testing.assert_array_equal(moved[0.5], fresh.model.layers[1].kernel.numpy())
    assert (moved[0.5] != moved[0.1]).any()


def test_another_structure_is_another_network_and_the_oldest_goes():
    engine = Engine(capacity=2)
    first, second = prepare(engine, key="a"), prepare(engine, key="b")
    assert prepare(engine, key="a") is first
    prepare(engine, key="c")
    assert prepare(engine, key="a") is first
    assert prepare(engine, key="b") is not second
    engine.discard()
    assert prepare(engine, key="a") is not first


def test_initial_weights_are_built_once_for_each_seed():
    engine, built = Engine(), []

    def build():
        built.append(1)
        return build_model()

    for seed in (0, 1, 0, 1, 1):
        prepare(engine, seed=seed, build_model=build)
    assert len(built) == 2


def test_the_compiled_step_has_no_gradient_at_an_ignored_miss_and_some_elsewhere():
    # The parameters of this network are its logits, one for each pixel and class, so that plain gradient descent moves
    # exactly the pixels that have a gradient.
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(1, 4, 4, C)).astype(np.float32)
    labels = rng.integers(0, C, (1, 4, 4)).astype(np.uint8)
    labels[0, 0, 0] = 255
    missed = (labels == 1) & (logits.argmax(-1) != 1)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(16 * C, use_bias=False), keras.layers.Reshape((4, 4, C))]
    )
    model.layers[0].kernel.assign(logits.reshape(1, -1))
    network = Network(model, keras.optimizers.SGD(1.0), num_classes=C, ignore_class=255)
    network.begin(tuple(variable.numpy() for variable in model.variables))
    network.train(iter([(np.ones((1, 1), np.uint8), labels)]), course(masked(), learning_rate=1.0), until=1)
    moved = (model.layers[0].kernel.numpy().reshape(logits.shape) != logits).any(-1)
    assert missed.sum() >= 2
    np.testing.assert_array_equal(moved, ~missed & (labels != 255))
    # alpha 0 at full strength: the removed share of the target's weight is the share of its pixels that were missed.
    assert network.end_epoch(1).masked_fraction([1]) == pytest.approx(missed.sum() / (labels == 1).sum())


def test_the_mask_waits_for_its_warm_up():
    network, running = prepare(), course(masked(), warmup_steps=2, ramp_steps=2)
    assert running.unmasked_steps == 3  # the ramp begins at 0
    network.train(batches(), running, until=2)
    assert network.end_epoch(2).masked_fraction([1]) == 0
    network.train(batches(2), running, until=4)
    assert network.end_epoch(2).masked_fraction([1]) > 0
    network.train(batches(4), running, until=6, masked=False)
    assert network.end_epoch(2).masked_fraction([1]) == 0


@pytest.mark.parametrize("mask", ["argmax", "confidence", "threshold"])
def test_steps_before_the_mask_counts_are_the_plain_ones_bit_by_bit(mask):
    waiting, unmasked = prepare(), prepare()
    # A closed gate, a ramp at its start, and no mask at all.
    running = course(masked(0.3, mask=mask), warmup_steps=3, ramp_steps=2)
    waiting.train(batches(), running, until=4)
    unmasked.train(batches(), course(), until=4)
    assert_same_state(waiting.capture(), unmasked.capture())
    waiting.train(batches(4), running, until=6, masked=False)
    unmasked.train(batches(4), course(), until=6)
    assert_same_state(waiting.capture(), unmasked.capture())
    waiting.train(batches(6), running, until=8)
    unmasked.train(batches(6), course(), until=8)
    assert (waiting.capture().model[0] != unmasked.capture().model[0]).any()


def test_a_training_goes_on_from_its_state():
    running = course(masked(), warmup_steps=2, ramp_steps=4)
    whole, first, second = prepare(), prepare(), prepare(seed=3)
    whole.train(batches(), running, until=7)
    first.train(batches(), running, until=3)
    second.restore(first.capture())
    assert second.steps_done == 3
    second.train(batches(3), running, until=7)
    assert_same_state(second.capture(), whole.capture())


def test_a_loss_is_left_as_it_was():
    loss, unmasked = masked(0.25), plain()
    running = Course(schedule(warmup_steps=1), loss, unmasked)
    before = [loss.numbers, unmasked.numbers]
    network = prepare()
    network.train(batches(), running, until=3)
    network.train(batches(), running, until=4, masked=False)
    for now, then in zip([loss.numbers, unmasked.numbers], before, strict=True):
        assert {name: value.tolist() for name, value in now.items()} == {k: v.tolist() for k, v in then.items()}


def test_schedule_by_hand():
    # Half a cosine over 4 steps: 1, (1 + sqrt .5) / 2, .5, (1 - sqrt .5) / 2.
    running = schedule(4, learning_rate=2.0, cosine=True, warmup_steps=1, ramp_steps=2)
    expected = [2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5]
    assert [running.learning_rate_at(step) for step in range(4)] == pytest.approx(expected)
    assert [running.ramp_at(step) for step in range(4)] == [0.0, 0.0, 0.5, 1.0]


def test_a_loss_without_a_mask_is_unmasked_to_its_end():
    assert course().unmasked_steps == 10
    assert course().at(7, masked=True)[1] == 0
    assert course(masked()).unmasked_steps == 0


def test_evaluation_counts_each_image_and_drops_the_padding():
    network = prepare()
    images, labels = batch()
    labels[0, 0] = 255
    padding = (np.zeros_like(images[:1]), np.full_like(labels[:1], 255))
    told = [(images, labels), tuple(np.concatenate([p, p]) for p in padding)]
    evaluation = network.evaluate(told, 2)
    logits = network.model(tf.constant(images, tf.float32), training=False).numpy().astype(np.float64)
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
    np.testing.assert_array_equal(network.predict(told, 2), predicted)
    assert evaluation.class_ids is None


def test_an_evaluation_keeps_the_predictions_that_are_asked_for():
    network = prepare()
    images, labels = batch()
    batches = [(images, labels), (images[::-1], labels[::-1])]
    kept = network.evaluate(batches, 4, [0, 2, 3]).class_ids
    predicted = network.predict(batches, 4)
    assert kept.dtype == np.uint8
    np.testing.assert_array_equal(kept, predicted[[0, 2, 3]])


def test_a_loss_that_leaves_the_numbers_is_an_error():
    network = prepare()
    network.model.layers[1].kernel.assign(np.full((3, 3, 3, C), np.nan))
    with pytest.raises(NonFiniteLoss, match="train/loss became nan between steps 0 and 3"):
        train(network, course())


def test_few_compiled_steps_are_kept(monkeypatch):
    monkeypatch.setattr("fnmask.engine.network._MOST_STEPS", 2)
    network = prepare()
    for mask in ("argmax", "confidence", "margin"):
        network.begin(network.capture().model)
        network.train(batches(), course(MaskedCrossentropy(C, mask=mask, ignore_class=255)), until=1)
    assert len(network._steps) == 2
