import io
import math

import numpy as np
import pytest
from composing import SMALL, compose_config

from fnmask.data.aerial import Aerial
from fnmask.outcomes import TrialPruned
from fnmask.sweep.composer import check_job
from fnmask.tracking.artifacts import unpack_frontier
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench

CLASSES = ("land", "building", "road", "vegetation", "water")


@pytest.fixture(scope="module")
def workbench():
    return Workbench()


def run(workbench, *overrides, **kwargs):
    tracker = MemoryTracker()
    config = check_job(compose_config(*SMALL, *overrides))
    return run_trial(config, tracker, workbench=workbench, **kwargs), tracker


def test_every_number_and_file_of_a_trial(workbench):
    epochs = []
    result, tracker = run(workbench, "loss=ignore_fn", on_epoch=lambda *told: epochs.append(told))
    assert [epoch for epoch, _, _ in epochs] == [1, 2]
    _, metrics, matrix = epochs[-1]
    assert metrics["val/miou"] == result.metrics["best/miou"]
    np.testing.assert_array_equal(matrix, result.val.sum(axis=0))
    for name in CLASSES:
        assert set(tracker.metrics[f"val/iou/{name}"]) == {1, 2}
        assert tracker.latest()[f"best/iou/{name}"] == tracker.latest()[f"val/iou/{name}"]
    for key in ("train/loss", "train/masked_fraction", "val/loss_base", "val/miou", "val/miou_without_target"):
        assert math.isfinite(result.metrics[key])
    assert result.metrics["best/epoch"] == 2
    assert result.val.shape == (4, 5, 5)
    assert result.test is not None
    assert result.test.shape == (3, 5, 5)
    assert set(tracker.artifacts) == {
        *("classes.json", "confusion/val.npz", "confusion/test.npz", "confusion/val.csv", "confusion/val.png"),
        *("overlays/val.png", "predictions/val.npz", "predictions/test.npz", "per_class.csv", "weights.npz"),
    }
    table = tracker.artifacts["per_class.csv"].decode().splitlines()
    heads = [f"{split} {key}" for split in ("val", "test") for key in ("iou", "precision", "recall", "f1", "support")]
    assert table[0].split(",") == ["class", *heads]
    assert [line.split(",")[0] for line in table[1:]] == list(CLASSES)
    stored = np.load(io.BytesIO(tracker.artifacts["confusion/test.npz"]))
    np.testing.assert_array_equal(stored["matrices"], result.test)
    assert not any(key.startswith("test/") for key in tracker.metrics), "test is for the report alone"
    assert not any(key.startswith("tradeoff/") for key in result.metrics), "there was nothing to measure against"


def test_judged_at_the_original_resolution(workbench):
    """Images of 72 px, which the network sees at 48: matrices and frontier count every pixel of the files."""
    setting = ("loss=plain", "loss.target=road", "dataset.size_px=72")
    original, tracker = run(workbench, *setting, "trainer.eval_resolution=original")
    resized, _ = run(workbench, *setting)
    source = Aerial(n_train=4, n_val=4, n_test=3, size_px=72)
    for split, matrices in (("val", original.val), ("test", original.test)):
        labels = [source.load(split, index)[1] for index in range(len(source.ids(split)))]
        pixels = [np.bincount(own.ravel(), minlength=256)[:5].tolist() for own in labels]
        np.testing.assert_array_equal(matrices.sum(axis=2), pixels)
    assert resized.val.sum(axis=(1, 2)).max() <= 48 * 48
    # The loss stays that of the labels that the network was trained for.
    assert original.metrics["val/loss_base"] == resized.metrics["val/loss_base"]
    # The same network on nearly the same labels.
    assert original.metrics["val/miou"] == pytest.approx(resized.metrics["val/miou"], abs=0.05)
    assert original.metrics["val/miou"] != resized.metrics["val/miou"]
    kept = unpack_frontier(tracker.artifacts["frontier/val.npz"])
    place, road = kept.log_odds.tolist().index(0.0), kept.targets.index(2)
    np.testing.assert_array_equal(kept.hits[road][:, place], np.diagonal(original.val, axis1=1, axis2=2))


def test_tradeoff_against_a_control(workbench):
    result, _ = run(workbench, "loss=soften_fn")
    total = result.val.sum(axis=0)
    # A control with a perfect road and everything else as here: the road's whole loss is the cost.
    control = total.copy()
    control[2] = 0
    control[2, 2] = total[2].sum()
    measured, _ = run(workbench, "loss=soften_fn", control=lambda: control)
    np.testing.assert_array_equal(measured.val, result.val)  # same seed, same process, same numbers
    before = control[2, 2] / (control[2].sum() + control[:, 2].sum() - control[2, 2])
    after = total[2, 2] / (total[2].sum() + total[:, 2].sum() - total[2, 2])
    assert measured.metrics["tradeoff/target_cost"] == pytest.approx(100 * (before - after))


def test_the_plain_control_is_measured_against_itself(workbench):
    result, _ = run(workbench, "loss=plain", control=lambda: "itself")
    assert result.metrics["tradeoff/target_cost"] == result.metrics["tradeoff/others_gain"] == 0


@pytest.mark.parametrize(("most", "targets"), [(32, range(5)), (4, [2])])
def test_the_plain_control_keeps_its_post_hoc_frontier(workbench, monkeypatch, most, targets):
    """At threshold 1/2 it is the network as it is: the confusion matrix of each image."""
    monkeypatch.setattr("fnmask.trial_files._MOST_FRONTIERS", most)
    result, tracker = run(workbench, "loss=plain", "loss.target=road")
    for split, matrices in (("val", result.val), ("test", result.test)):
        kept = unpack_frontier(tracker.artifacts[f"frontier/{split}.npz"])
        assert kept.targets == tuple(targets)
        as_it_is = kept.log_odds.tolist().index(0.0)
        for hits, predicted in zip(kept.hits, kept.predicted, strict=True):
            np.testing.assert_array_equal(hits[:, as_it_is], np.diagonal(matrices, axis1=1, axis2=2))
            np.testing.assert_array_equal(predicted[:, as_it_is], matrices.sum(axis=1))


def test_what_an_epoch_s_hook_raises_ends_the_trial(workbench):
    def give_up(epoch, metrics, matrix):
        raise TrialPruned(f"given up at epoch {epoch}")

    asked = []
    with pytest.raises(TrialPruned, match="epoch 1"):
        run(workbench, "loss=plain", on_epoch=give_up, control=lambda: asked.append("control"))
    assert not asked, "the control is asked for at the end alone"


def test_a_trial_asks_before_every_batch_whether_it_goes_on(workbench):
    asked = []

    def stop_at_the_third():
        asked.append("batch")
        if len(asked) == 3:
            raise KeyboardInterrupt

    epochs = []
    with pytest.raises(KeyboardInterrupt):
        # Four images in batches of two.
        run(workbench, "loss=plain", on_batch=stop_at_the_third, on_epoch=lambda epoch, *_: epochs.append(epoch))
    assert epochs == [1]


def test_the_best_epoch_is_one_with_the_mask_at_full_strength(workbench):
    overrides = ("trainer.select=best", "trainer.epochs=3", "loss=attenuate_fn", "loss.warmup_epochs=2")
    seen = {}
    result, _ = run(workbench, *overrides, on_epoch=lambda epoch, metrics, _: seen.update({epoch: metrics["val/miou"]}))
    assert result.metrics["best/epoch"] == 3  # epochs 1 and 2 trained another loss
    result, _ = run(
        workbench, "trainer.select=best", "trainer.epochs=3", "loss=plain", "optimizer.learning_rate=0.3",
        on_epoch=lambda epoch, metrics, _: seen.update({epoch: metrics["val/miou"]}),
    )  # fmt: skip
    assert result.metrics["val/miou"] == max(seen.values())


def test_train_labels_alone_are_widened(workbench):
    wide = workbench.load(check_job(compose_config(*SMALL, "label_noise=over_wide", "label_noise.target=road")))
    clean = workbench.load(check_job(compose_config(*SMALL, "label_noise=none")))
    assert (wide.train.labels == 2).sum() > 1.2 * (clean.train.labels == 2).sum()
    np.testing.assert_array_equal(wide.val.labels, clean.val.labels)
    np.testing.assert_array_equal(wide.test.labels, clean.test.labels)
    assert wide.counts.pixels[2] == (wide.train.labels == 2).sum()


def test_a_trial_stops_when_it_gets_no_better(workbench):
    seen = []
    still = ("trainer.epochs=60", "trainer.patience_epochs=2", "optimizer.learning_rate=1e-9", "loss.warmup_epochs=2")
    result, tracker = run(
        workbench, "loss=attenuate_fn", "loss.ramp_epochs=0", *still,
        on_epoch=lambda epoch, metrics, matrix: seen.append(metrics["val/miou"]),
    )  # fmt: skip
    # Epochs 1 and 2 train without the mask. Weights stand still; the statistics of the batch norms settle.
    best = 3 + int(np.argmax(seen[2:]))
    assert len(seen) == best + 2
    assert len(seen) < 60
    assert result.metrics["best/epoch"] == len(seen)
    assert set(tracker.metrics["val/miou"]) == set(range(1, len(seen) + 1))
