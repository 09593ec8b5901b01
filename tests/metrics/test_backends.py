"""JAX and torch, each in a process of its own; TensorFlow is what the other tests run on."""

import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from fnmask.metrics import (
    confusion,
    confusion_matrix,
    expected_calibration_error,
    frontier_curve,
    frontier_matrices,
)

PROBLEM = """
import numpy as np

def problem():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, (6, 6, 7)).astype(np.int32)  # class 3 is absent
    labels[rng.random(labels.shape) < 0.2] = 255
    return labels, rng.normal(0, 2, (6, 6, 7, 4)).astype(np.float32)
"""

PROGRAM = """
import json, sys, tempfile, warnings
import keras
from fnmask.metrics import ConfusionMatrix, ExpectedCalibrationError, Frontier

warnings.simplefilter("error")
# As in pyproject.toml: Keras' and TensorFlow's way to NumPy 2.
warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
labels, logits = problem()
how = {"ignore_class": 255}
metrics = [
    ConfusionMatrix(4, class_names=["a", "b", "c", "d"], readings=("miou", "recall", "support"), **how),
    ExpectedCalibrationError(4, **how),
    Frontier(4, 1, bins=16, **how),
]
told = {"backend": keras.backend.backend()}

for metric in metrics:  # eagerly
    for part in (slice(0, 3), slice(3, 6)):
        metric.update_state(labels[part], logits[part])
told["matrix"] = metrics[0].matrix().tolist()
told["frontier"] = metrics[2].matrices().tolist()
told["eager"] = {key: float(value) for key, value in metrics[0].result().items()}

model = keras.Sequential([keras.Input((6, 7, 4)), keras.layers.Dense(4, kernel_initializer="identity")])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
model.compile(keras.optimizers.SGD(0.0), loss, metrics=metrics)
history = model.fit(logits, labels, batch_size=4, verbose=0, validation_data=(logits, labels)).history
told["history"] = {key: values[-1] for key, values in history.items()}
told["fitted_matrix"] = metrics[0].matrix().tolist()
with tempfile.TemporaryDirectory() as folder:
    model.save(folder + "/model.keras")
    again = keras.models.load_model(folder + "/model.keras")
told["loaded"] = again.evaluate(logits, labels, verbose=0, return_dict=True)

large = ConfusionMatrix(2)
large.counts.assign(np.array([[[2**24, 0], [0, 0]], [[2**16 - 1, 0], [0, 0]]]))
large.update_state(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))
told["large"] = large.matrix().tolist()
whole = np.zeros((1, 4097, 4096), np.uint8)
wide = ConfusionMatrix(2)
wide.update_state(whole, whole)
told["wide"] = wide.matrix().tolist()
print(json.dumps(told))
"""


# Slow: each starts another framework and compiles in it.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "torch")])
def told(request):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    program = textwrap.dedent(PROBLEM) + textwrap.dedent(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"KERAS_BACKEND": request.param},
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["backend"] == request.param
    return answer


def given():
    names = {}
    exec(PROBLEM, names)
    return names["problem"]()


def test_counts_are_those_of_numpy(told):  # P31
    labels, logits = given()
    expected = confusion_matrix(labels, logits.argmax(-1), num_classes=4, ignore_class=255).tolist()
    assert told["matrix"] == expected
    assert told["fitted_matrix"] == expected
    assert told["frontier"][16 // 2 + 1] == expected


def test_named_readings(told):
    labels, logits = given()
    matrix = confusion_matrix(labels, logits.argmax(-1), num_classes=4, ignore_class=255)
    expected = {"miou": confusion.mean_iou(matrix)}
    for k, name in enumerate("abcd"):
        expected[f"recall_{name}"] = confusion.recall(matrix)[k]
        expected[f"support_{name}"] = confusion.support(matrix)[k]
    assert np.isnan(expected["recall_d"])
    assert set(told["eager"]) == set(expected)
    for key, value in expected.items():
        for found in (told["eager"][key], told["history"][f"val_{key}"], told["history"][key], told["loaded"][key]):
            np.testing.assert_allclose(found, value, rtol=1e-6, err_msg=key)


def test_calibration_and_frontier(told):
    labels, logits = given()
    error = expected_calibration_error(labels, logits, ignore_class=255)
    best = np.nanmax(confusion.iou(np.array(told["frontier"]))[:, 1])
    for logs, before in ((told["history"], "val_"), (told["loaded"], "")):
        assert logs[f"{before}calibration_error"] == pytest.approx(error, abs=1e-5)
        assert logs[f"{before}best_target_iou"] == pytest.approx(best, rel=1e-6)


def test_totals_are_exact(told):
    assert told["large"] == [[2**40 + 2**16, 0], [0, 0]]
    assert told["wide"] == [[2**24 + 4096, 0], [0, 0]]


def test_the_numpy_half_needs_no_backend():
    program = """
        import sys, numpy as np
        from fnmask import metrics
        labels = np.array([[[0, 1]]])
        metrics.tolerant_iou(metrics.tolerant_counts(labels, labels, num_classes=2, tolerance_px=1))
        metrics.expected_calibration_error(labels, np.zeros((1, 1, 2, 2)))
        metrics.frontier_curve(np.ones((10, 2, 1), int), target=1)
        print(sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_name_is_found():
    from fnmask import metrics

    for name in metrics.__all__:
        assert getattr(metrics, name).__name__ == name
    assert metrics.frontier_curve is frontier_curve
    assert metrics.frontier_matrices is frontier_matrices
    with pytest.raises(AttributeError, match="no attribute 'dice'"):
        _ = metrics.dice
