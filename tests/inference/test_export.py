"""Exports: each format computes what the network computes, or nothing is left behind."""

import builtins
import json

import numpy as np
import pytest

from fnmask.inference import export
from fnmask.inference.export import Check, ExportError, export_model
from fnmask.inference.trained import load_trained

RULE = "road>0.8,water>0.4"


@pytest.fixture(scope="module")
def trained(trained_project):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return load_trained(trained_project.store, trained_project.ids["plain0"], decision=RULE)


def test_a_keras_file_and_its_card(trained, tmp_path):
    import keras

    path = tmp_path / "new" / "model.keras"
    check = export_model(trained, "keras", path)
    assert check.passes
    assert check.largest_logit > 0.1
    images = np.random.default_rng(0).uniform(0, 255, (3, 48, 48, 3)).astype(np.float32)
    loaded = keras.saving.load_model(path, compile=False)
    wanted = trained.decision.apply(np.asarray(trained.model.predict_on_batch(images)))
    np.testing.assert_allclose(loaded.predict_on_batch(images), wanted, atol=1e-4)
    card = json.loads((tmp_path / "new" / "model.keras.json").read_text())
    assert card["input"]["shape"] == [None, 48, 48, 3]
    assert card["output"]["shape"] == [None, 48, 48, 5]
    assert card["classes"] == list(trained.classes.names)
    assert card["decision"] == RULE
    assert card["logit_offsets"] == pytest.approx([0, 0, -np.log(4), 0, np.log(1.5)])
    assert card["run_id"] == trained.run.run_id
    assert (card["ignore_class"], card["mask_encoding"], card["variant"]) == (255, "ids", "plain")
    with pytest.raises(FileExistsError, match="is there already"):
        export_model(trained, "keras", path)


def test_another_size_of_image(trained, tmp_path):
    export_model(trained, "keras", tmp_path / "m.keras", image_size=(30, 52))
    assert json.loads((tmp_path / "m.keras.json").read_text())["input"]["shape"] == [None, 30, 52, 3]


def test_one_that_computes_something_else_is_refused_and_removed(trained, tmp_path, monkeypatch):
    def without_the_rule(model, path):
        path.mkdir()
        (path / "weights").touch()
        return lambda images: np.asarray(trained.model.predict_on_batch(images))

    monkeypatch.setitem(export._WRITERS, "savedmodel", without_the_rule)
    with pytest.raises(ExportError, match=r"does not compute what the network does: logits differ by up to 1\.4"):
        export_model(trained, "savedmodel", tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_one_that_breaks_off_is_removed(trained, tmp_path, monkeypatch):
    def full(model, path):
        path.write_text("half")
        raise OSError("no space left")

    monkeypatch.setitem(export._WRITERS, "keras", full)
    with pytest.raises(OSError, match="no space"):
        export_model(trained, "keras", tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("difference", "logit", "moved", "passes"),
    [(0.0, 5, 0.0, True), (4e-3, 5, 0, True), (6e-3, 5, 0, False), (2e-3, 0.1, 0, False), (0, 5, 2e-3, False)],
)
def test_what_passes_for_rounding(difference, logit, moved, passes):
    assert Check(difference, logit, moved).passes is passes
    assert not Check(float("nan"), logit, moved).passes


def test_onnx_without_its_packages(trained, tmp_path, monkeypatch):
    load = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "tf2onnx":
            raise ImportError("No module named 'tf2onnx'")
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExportError, match=r"ONNX needs more packages .*: pip install 'fnmask\[export\]'"):
        export_model(trained, "onnx", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(("format", "name"), [("savedmodel", "m"), ("onnx", "m.onnx"), ("tflite", "m.tflite")])
def test_every_format_computes_the_same(trained, tmp_path, format, name):
    if format == "onnx":
        pytest.importorskip("tf2onnx")
    check = export_model(trained, format, tmp_path / name)
    assert check.passes
    assert check.decided_otherwise == 0
    assert json.loads((tmp_path / f"{name}.json").read_text())["decision"] == RULE
