import json

import pytest
import tensorflow as tf
from problems import assert_same_state, batch, batches, build_bare, course, masked, plain, prepare

from fnmask.engine.jit import Verdict, settle_jit


def test_a_verdict_is_measured_once(tmp_path, caplog):
    asked = []

    def time_step(jit_compile):
        asked.append(jit_compile)
        return 0.2 if jit_compile else 0.3

    with caplog.at_level("INFO"):
        verdict = settle_jit(tmp_path / "new", "unet", time_step)
    assert verdict == Verdict(0.3, 0.2)
    assert verdict.jit_compile
    assert "A step takes 300 ms here, and 200 ms with XLA (0.67 of it): XLA is used." in caplog.text
    assert settle_jit(tmp_path / "new", "unet", time_step) == verdict
    assert asked == [False, True]
    settle_jit(tmp_path / "new", "fpn", time_step)
    assert asked == [False, True] * 2


def test_a_gain_within_the_noise_is_none():
    assert not Verdict(0.300, 0.295).jit_compile
    assert not Verdict(0.3, 0.6).jit_compile


def test_a_broken_file_is_measured_anew_and_a_full_disk_costs_nothing(tmp_path, caplog):
    verdict = settle_jit(tmp_path, "unet", lambda jit_compile: 0.1)
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text()) == {"plain_s": 0.1, "jit_s": 0.1}
    path.write_text('{"plain_s": 0.')
    assert settle_jit(tmp_path, "unet", lambda jit_compile: 0.1) == verdict
    (tmp_path / "file").touch()
    assert settle_jit(tmp_path / "file", "unet", lambda jit_compile: 0.1) == verdict
    assert "could not be kept" in caplog.text


def test_what_xla_cannot_compile_runs_without_it(tmp_path, caplog):
    def time_step(jit_compile):
        if jit_compile:
            raise tf.errors.InvalidArgumentError(None, None, "Detected unsupported operations\nat length")
        return 0.1

    assert not settle_jit(tmp_path, "odd", time_step).jit_compile
    assert "XLA cannot compile this network (Detected unsupported operations): it is not used." in caplog.text


def test_measuring_leaves_a_training_as_it_was():
    measured, other = prepare(), prepare()
    for network in (measured, other):
        network.train(batches(), course(), until=2)
    for jit_compile in (True, False):
        measured.jit_compile = jit_compile
        assert 0 < measured.time_step(batch(), plain()) < 10
    for network in (measured, other):
        network.train(batches(2), course(masked()), until=4)
    assert_same_state(measured.capture(), other.capture())


# XLA draws other numbers for a dropout.
def test_a_step_under_xla_is_the_same_within_float_tolerance():
    jitted, other = prepare(build_model=build_bare), prepare(build_model=build_bare)
    jitted.jit_compile = True
    for network in (jitted, other):
        network.train(batches(), course(masked()), until=3)
    assert jitted.end_epoch(3).loss == pytest.approx(other.end_epoch(3).loss, rel=1e-5)
