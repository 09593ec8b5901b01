"""What a recorded run is called, and what it must not tell."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from composing import SMALL, compose_config

from fnmask import recording
from fnmask.outcomes import TrialPruned, TrialTimeout
from fnmask.recording import Labels, find_control, run_recorded, variant_label
from fnmask.result import Result
from fnmask.sweep.composer import check_job
from fnmask.tracking.artifacts import CONFIG, confusion_name, pack_confusion
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.tracker import MemoryTracker


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


@pytest.mark.slow
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


class Bench:
    """Data of one image, and what was thrown away."""

    def __init__(self):
        self.discarded = 0

    def load(self, config):
        split = SimpleNamespace(ids=("a",))
        return SimpleNamespace(train=split, val=split, test=SimpleNamespace(ids=()), digest="d" * 16)

    def discard(self):
        self.discarded += 1


def record(config, labels, *, store=None, run=None, bench=None, **settings):
    """Record what `run` does in place of a training; nothing given: it succeeds."""
    succeed = lambda *args, **kwargs: Result({"val/miou": 0.5}, np.zeros((1, 2, 2), np.int64), None, 1.0)  # noqa: E731
    return run_recorded(config, labels, store=store, run=run or succeed, workbench=bench or Bench(), **settings)


def failing(error):
    def run(*args, **kwargs):
        raise error

    return run


@pytest.fixture(scope="module")
def config():
    return check_job(compose_config(*SMALL, "loss=plain"))


def test_a_run_has_its_tags_and_data_before_its_first_step_and_is_closed_last(store, config):
    parent = store.open_sweep(study="s", tags={}, params={})
    labels = Labels(
        "trial", "s", 7, control="plain", parent_run_id=parent, sweep_run_id=parent, retry_of=3, searched={"seed": 0}
    )
    seen = []

    def run(config, tracker, *, workbench, control, on_epoch, on_batch):
        on_batch()
        seen.extend(store.runs(parent))
        on_epoch(1, {"val/miou": 0.5}, np.eye(2))
        return Result({"val/miou": 0.5, "asked": control()}, np.zeros((1, 2, 2), np.int64), None, 1.0)

    epochs, begun, batches = [], [], []
    told = record(
        config, labels, store=store, run=run, control=lambda: 4.0,
        on_epoch=lambda *told: epochs.append(told[0]), on_batch=lambda: batches.append(1), on_start=begun.append,
    )  # fmt: skip
    (before,) = seen
    names = ("kind", "study", "trial", "control", "sweep", "retry_of", "seed", "variant", "targets", "reference")
    assert [before.tag(name) for name in names] == [
        *("trial", "s", "7", "plain", parent, "3", "0", "plain", "road", config.reference)
    ]
    assert {data.context for data in before.datasets} == {"train", "val"}, "a split without images is none"
    assert (told.outcome, told.reason, told.run_id, epochs) == ("complete", "", before.run_id, [1])
    assert (begun, batches) == ([before.run_id], [1])
    assert told.result.metrics["asked"] == 4.0
    assert [run.status for run in store.runs(parent)] == ["RUNNING"], "whoever has the result closes the run"
    told.close()
    (after,) = store.runs(parent)
    assert (after.status, after.tag("outcome")) == ("FINISHED", "complete")


def test_the_run_of_a_seed_says_so(store, config):
    trial = store.start_run(name="trial", parent_run_id=None, params={}, tags={})
    labels = Labels("seed", "s", 7, parent_run_id=trial.run_id, sweep_run_id="sweep")
    record(replace(config, seed=2), labels, store=store).close()
    (run,) = store.runs(trial.run_id)
    assert run.name == "plain · seed 2"
    assert [run.tag(name) for name in ("kind", "trial", "seed", "sweep", "variant")] == [
        *("seed", "7", "2", "sweep", "plain")
    ]


def test_another_outcome_than_its_own(store, config):
    told = record(config, Labels("run"), store=store)
    told.close("infeasible", "val/miou is too low")
    (run,) = [found for found in store._search("") if found.run_id == told.run_id]
    assert (run.tag("outcome"), run.tag("reason"), run.status) == ("infeasible", "val/miou is too low", "FINISHED")


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (ValueError("too wide"), "failed:crash", "ValueError: too wide"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt: "),
        (SystemExit(3), "failed:crash", "SystemExit: 3"),
        (TrialTimeout("longer than 5 s"), "failed:timeout", "TrialTimeout: longer than 5 s"),
    ],
)
def test_whatever_ends_a_trial_is_recorded_with_its_traceback(config, error, outcome, reason):
    bench = Bench()
    told = record(config, Labels("run"), run=failing(error), bench=bench)
    assert (told.outcome, told.reason, told.result, told.error) == (outcome, reason, None, error)
    assert b"in run\n" in told.tracker.artifacts["error.txt"]
    assert bench.discarded == 1, "a model may be half updated"


def test_a_pruned_trial_leaves_no_traceback_and_what_was_compiled(config):
    bench = Bench()
    told = record(config, Labels("run"), run=failing(TrialPruned("given up at epoch 3")), bench=bench)
    assert (told.outcome, told.reason) == ("pruned", "given up at epoch 3")
    assert "error.txt" not in told.tracker.artifacts
    assert bench.discarded == 0


def test_a_trial_without_its_objective_has_failed(config):
    told = record(config, Labels("run"), objectives=("val/miou", "tradeoff/others_gain"))
    assert told.outcome == "failed:nonfinite"
    assert told.reason.startswith("NonFiniteMetric: tradeoff/others_gain is nan")
    assert told.result is None


def test_data_that_cannot_be_read_is_recorded_too(config):
    class Broken(Bench):
        def load(self, config):
            raise OSError("a.png is cut off")

    told = record(config, Labels("run"), bench=Broken())
    assert (told.outcome, told.reason, told.run_id) == ("failed:crash", "OSError: a.png is cut off", "")


def test_a_full_disk_does_not_hide_why_the_trial_failed(config, caplog):
    class Full(MemoryTracker):
        def log_artifact(self, name, content):
            if name == "error.txt":
                raise OSError("disk full")

    recording._keep_trace(Full(), ValueError("too wide"))
    assert "error.txt of a failed trial could not be kept: OSError: disk full" in caplog.text


def test_no_password_in_params_files_or_tags(store, config):
    storage = "postgresql://ann:s3cret@host/trials"
    config = replace(config, resolved={**config.resolved, "study": {**config.resolved["study"], "storage": storage}})
    parent = store.open_sweep(study="s", tags={}, params={})
    record(config, Labels("trial", "s", 0, parent_run_id=parent), store=store)
    (run,) = store.runs(parent)
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


def notes(store, parent):
    return [store._client.get_run(run.run_id).data.tags["mlflow.note.content"] for run in store.runs(parent)]


def test_a_run_says_in_words_what_it_is_and_how_it_ended(store, config):
    parent = store.open_sweep(study="s", tags={}, params={})
    labels = Labels("trial", "s", 0, control="plain", parent_run_id=parent)
    told = record(config, labels, store=store)
    (begun,) = notes(store, parent)
    assert begun.startswith("The control *plain*. No mask: every pixel counts in full.")
    told.close()
    (ended,) = notes(store, parent)
    assert ended == f"{begun} On validation: IoU of all classes 50.0 %, without the target unknown, road unknown."


def test_a_run_that_ended_badly_says_why(store, config):
    parent = store.open_sweep(study="s", tags={}, params={})
    record(config, Labels("trial", "s", 0, parent_run_id=parent), store=store, run=failing(ValueError("wide"))).close()
    (note,) = notes(store, parent)
    assert note.endswith("\n\nEnded as *failed:crash*. ValueError: wide")
