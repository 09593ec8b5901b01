"""TensorFlow, JAX and torch, each in a process of its own: the same losses, gradients and refusals."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parent / "backend_answers.py"
TIES = {
    # All classes are called 0: a hit of class 0, misses of 1 and 2. The rival of 0 is 1, of the others 0.
    "argmax": [1, 0.1, 0.3],
    "disagreement": [1, 0.1, 0.3],
    "threshold": [0.5, 0.1, 0.3],
    "margin": [0.75, 0.55, 0.65],
}


def ask(backend, folder):
    """What a backend says, by name."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    file = folder / f"{backend}.npz"
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(file)],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(file) as answers:
        told = dict(answers)
    assert told["backend"] == backend
    return told


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return ask("tensorflow", tmp_path_factory.mktemp("tensorflow"))


# Slow: each starts another framework and compiles in it.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "torch")])
def told(request, tmp_path_factory):
    return ask(request.param, tmp_path_factory.mktemp(request.param))


def test_values_and_gradients_agree(told, reference):  # P31
    names = [name for name in reference if name.startswith(("value", "gradient"))]
    assert len(names) > 50
    for name in names:
        assert np.isfinite(reference[name]).all(), name
        assert told[name].dtype == np.float32, name
        np.testing.assert_allclose(told[name], reference[name], rtol=1e-5, atol=1e-5, err_msg=name)
    assert len({reference[name].tobytes() for name in names}) == len(names) - 1  # "assigned" is "ramp"


def test_assigned_numbers_reach_the_loss(told):  # P43
    assert told["value assigned"] == told["value ramp"] != told["value valid"]


def test_models_learn_the_same(told, reference):  # P31
    assert np.abs(reference["fitted"] - np.eye(4)).max() > 1e-3
    np.testing.assert_allclose(told["fitted"], reference["fitted"], rtol=1e-5, atol=1e-5)


def test_ties_go_to_the_lowest_class(told, reference):  # P29
    for answers in (told, reference):
        for dtype in ("float16", "bfloat16", "float32"):
            for mask, weights in TIES.items():
                np.testing.assert_allclose(answers[f"tie {dtype} {mask}"][0, 0], weights, rtol=1e-6)


def test_bad_input_is_refused_in_the_same_words(told, reference):
    assert told["undeclared"] == reference["undeclared"] != "accepted"
    assert told["probabilities"] == reference["probabilities"] != "accepted"


def test_what_jax_compiles(told):
    if told["backend"] != "jax":
        assert told["schedule"] == "accepted"
        return
    assert np.isnan(told["traced undeclared"])
    assert "cannot reach a step compiled by JAX; use the TensorFlow or torch backend" in str(told["schedule"])
