"""Half precision, gradients of several batches, several devices: the plain run within tolerance."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from composing import SMALL, check
from problems import assert_same_state, batch, batches, build_bare, course, masked, prepare

from fnmask.binding import ConfigError
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench


def kernel(network):
    return network.model.layers[1].kernel.numpy()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near_full(precision):
    own = {"build_model": build_bare, "build_optimizer": lambda: keras.optimizers.SGD(0.1)}
    half, full = prepare(precision=precision, **own), prepare(**own)
    for network in (half, full):
        network.train(batches(), course(masked(), warmup_steps=2, learning_rate=0.1), until=6)
    assert half.model.layers[1].compute_dtype == precision.removeprefix("mixed_")
    assert kernel(half).dtype == np.float32
    assert half.end_epoch(6).loss == pytest.approx(full.end_epoch(6).loss, rel=0.02)
    np.testing.assert_allclose(kernel(half), kernel(full), atol=0.01)
    assert (kernel(half) != kernel(full)).any()
    assert keras.config.dtype_policy().name == "float32", "the next model is built as ever"
    np.testing.assert_array_equal(half.predict([batch()], 2).shape, (2, 8, 8))


def test_half_precision_goes_on_from_its_state():
    whole, first, second = (prepare(precision="mixed_float16") for _ in range(3))
    whole.train(batches(), course(masked()), until=5)
    first.train(batches(), course(masked()), until=2)
    second.restore(first.capture())
    second.train(batches(2), course(masked()), until=5)
    assert_same_state(second.capture(), whole.capture())


def test_gradients_of_two_batches_move_the_weights_once():
    images, labels = batch()

    def sgd(**arguments):
        return lambda: keras.optimizers.SGD(0.1, momentum=0.5, **arguments)

    several = prepare(build_model=build_bare, build_optimizer=sgd(gradient_accumulation_steps=2))
    whole = prepare(build_model=build_bare, build_optimizer=sgd())
    parts = [(images[:1], labels[:1]), (images[1:], labels[1:])] * 3
    several.train(iter(parts[:1]), course(masked()), until=1)
    np.testing.assert_array_equal(kernel(several), kernel(whole))
    several.train(iter(parts[1:]), course(masked()), until=6)
    whole.train(iter([(images, labels)] * 3), course(masked()), until=3)
    np.testing.assert_allclose(kernel(several), kernel(whole), rtol=1e-5, atol=1e-7)


ON_TWO_DEVICES = """
import sys
import numpy as np
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path[:0] = sys.argv[1:3]
from problems import batches, build_bare, course, masked, prepare
from test_devices import kernel

for precision in ("float32", "mixed_float16"):
    one, two = (prepare(build_model=build_bare, precision=precision, n_devices=n, key=n) for n in (1, 2))
    for network in (one, two):
        network.train(batches(), course(masked(mask="confidence"), warmup_steps=2, ramp_steps=2), until=6)
    told = [network.end_epoch(6) for network in (one, two)]
    # Each device averages over its own image; all pixels are valid, so the mean of the two is that of the batch.
    tolerance = 1e-5 if precision == "float32" else 1e-2
    np.testing.assert_allclose(told[0].loss, told[1].loss, rtol=tolerance)
    np.testing.assert_allclose(told[0].removed, told[1].removed, rtol=10 * tolerance, atol=1e-3)
    np.testing.assert_array_equal(told[0].labelled, told[1].labelled)
    np.testing.assert_allclose(kernel(one), kernel(two), rtol=10 * tolerance, atol=tolerance)
    state = two.capture()
    two.train(batches(6), course(masked()), until=8)
    two.restore(state)
    np.testing.assert_array_equal(kernel(two), state.model[0])
    evaluated = [network.evaluate([next(batches())], 2) for network in (one, two)]
    if precision == "float32":
        np.testing.assert_array_equal(evaluated[0].matrices, evaluated[1].matrices)
try:
    prepare(n_devices=3, key=3)
except ValueError as error:
    assert "there are 2 devices (CPU), not 3" in str(error), error
print("equal")
"""


@pytest.mark.slow
def test_two_devices_share_a_batch():
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_DEVICES, str(here), str(here.parent)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]


@pytest.mark.slow
def test_every_setting_trains(tmp_path):
    bench = Workbench()
    for change in (
        *("trainer.precision=mixed_bfloat16", "trainer.accumulate_batches=2", "trainer.jit_compile=auto"),
        *("optimizer.name=sgd", "optimizer.name=adamw", "optimizer.weight_decay=0.01"),
    ):
        tracker = MemoryTracker()
        run_trial(check(*SMALL, f"root={tmp_path}", change), tracker, workbench=bench)
        assert np.isfinite(tracker.latest()["train/loss"]), change
    assert len(list((tmp_path / "mlruns" / ".jit").glob("*.json"))) == 1


def test_too_many_devices_are_refused_with_their_number():
    config = check(*SMALL, "trainer.n_devices=2")
    with pytest.raises(ConfigError, match=r"trainer.n_devices: there are 1 devices \(CPU\), not 2"):
        Workbench().prepare(config)
    with pytest.raises(ConfigError, match=r"got 3 with trainer\.batch_size=2, which is no multiple"):
        check(*SMALL, "trainer.n_devices=3")
    with pytest.raises(ConfigError, match="Keras adds up gradients on one device only"):
        check(*SMALL, "trainer.n_devices=2", "trainer.accumulate_batches=2")
