"""What a recorded run is called, and what it must not tell."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from composing import SMALL, compose_config

from fnmask import recording
from fnmask.recording import Labels, find_control, run_recorded, variant_label
from fnmask.sweep.composer import check_job
from fnmask.tracking.artifacts import CONFIG, confusion_name, pack_confusion
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.trial import Result
from fnmask.workbench import Workbench


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowStore(tmp_path, "fnmask")


def label(*overrides, **searched):
    return variant_label(check_job(compose_config(*SMALL, *overrides)), searched)


def test_label_names_the_loss_and_what_the_sweep_varies():
    assert label("loss=plain") == "plain"
    assert label("loss=soften_fn", "loss.alpha=1.0") == "soften_fn road alpha=1 power=1"
    assert label("loss=ignore_fn", "weighting=median_frequency", **{"optimizer.learning_rate": 1e-5}) == (
        "ignore_fn road · median_frequency · learning_rate=1e-05"
    )


def test_label_names_the_base_unless_it_is_crossentropy_as_it_comes():
    assert label("loss=plain", "base.normalizer=kept") == "plain · crossentropy normalizer=kept"
    assert label("loss=plain", "base=focal", **{"base.gamma": 2.0}) == "plain · focal gamma=2"
    assert label("loss=plain", "base=crossentropy_dice", "base.terms.dice.weight=0.5") == (
        "plain · crossentropy_dice dice.weight=0.5 dice.smoothing=0"
    )


def test_label_is_the_same_in_every_process():
    node = "['loss=plain', 'base=tversky', 'base.smoothing=1']"
    code = f"from test_recording import label; print(label(*{node}))"
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().endswith(
            "plain · tversky false_positive_weight=0.3 false_negative_weight=0.7 smoothing=1"
        )


def test_close_settings_are_different_variants():
    assert label("loss=soften_fn", "loss.alpha=0.1234") != label("loss=soften_fn", "loss.alpha=0.12341")


def test_no_password_in_params_files_or_tags(store, monkeypatch):
    config = check_job(compose_config(*SMALL, "loss=plain"))
    storage = "postgresql://ann:s3cret@host/trials"
    config = replace(config, resolved={**config.resolved, "study": {**config.resolved["study"], "storage": storage}})
    monkeypatch.setattr(recording, "run_trial", lambda *args, **kwargs: Result({}, np.zeros((1, 2, 2), int), None, 0.0))
    parent = store.open_sweep(study="s", tags={}, params={})
    record = run_recorded(config, Labels("trial", "s", 0, parent_run_id=parent), store=store, workbench=Workbench())
    (run,) = store.runs(parent)
    assert record.outcome == "complete"
    assert run.params["study.storage"] == "postgresql://ann:***@host/trials"
    assert b"storage: postgresql://ann:***@host/trials" in store.read_artifact(run.run_id, CONFIG)
    assert "s3cret" not in f"{run} {store.read_artifact(run.run_id, CONFIG)!r}"


def test_a_control_whose_files_are_gone_is_none(store):
    assert find_control(None, "r") is None
    tags = {"fnmask.control": "plain", "fnmask.reference": "r"}
    tracker = store.start_run(name="plain", parent_run_id=None, params={}, tags=tags)
    tracker.log_artifact(confusion_name("val"), pack_confusion(np.ones((2, 2, 2), np.int64), ["a", "b"]))
    tracker.finish("complete")
    assert np.array_equal(find_control(store, "r"), [[2, 2], [2, 2]])
    shutil.rmtree(store.root / "mlruns")
    assert find_control(store, "r") is None
