"""Trials that share their first steps end with the numbers that they would have had without."""

from dataclasses import replace

import numpy as np
import pytest
from composing import SMALL, check

from fnmask.outcomes import TrialPruned
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench

# Two steps in an epoch; the mask counts from step 5, in the middle of the third epoch.
MASKED = ("trainer.epochs=4", "loss=attenuate_fn", "loss.warmup_epochs=2.5", "loss.ramp_epochs=0")


@pytest.fixture(scope="module")
def bench():
    return Workbench()


def run(bench, root, *overrides, shared=True, **kwargs):
    tracker = MemoryTracker()
    own = (f"root={root}", f"trainer.share_steps={str(shared).lower()}", "optimizer.schedule=constant")
    config = check(*SMALL, *own, *overrides)
    return run_trial(config, tracker, workbench=bench, **kwargs), tracker


def shared_steps(tracker):
    return int(tracker.latest()["engine/shared_steps"])


def assert_equal(mine, theirs):
    """Every number of two trials: of the epochs, of the judged one, per image of validation and test."""
    (one, told), (other, expected) = mine, theirs
    logged = [{key: of.metrics[key] for key in of.metrics if key[:7] != "engine/"} for of in (told, expected)]
    np.testing.assert_equal(*logged)
    np.testing.assert_equal(one.metrics, other.metrics)
    np.testing.assert_array_equal(one.val, other.val)
    np.testing.assert_array_equal(one.test, other.test)


@pytest.mark.parametrize(
    "variant",
    ["attenuate_fn", "relabel_fn", pytest.param("soften_fn", marks=pytest.mark.slow),
     pytest.param("expected_cost", marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_trial_branches_off_where_its_mask_begins(bench, tmp_path, variant):
    other = (*MASKED[:1], f"loss={variant}", *MASKED[2:], "loss.target=water")
    alone = run(bench, tmp_path, *other, shared=False)
    first = run(bench, tmp_path, *MASKED)
    branched = run(bench, tmp_path, *other)
    assert [shared_steps(tracker) for _, tracker in (alone, first, branched)] == [0, 0, 5]
    assert_equal(branched, alone)
    assert_equal(first, run(bench, tmp_path, *MASKED, shared=False))
    assert branched[0].metrics["train/masked_fraction"] != first[0].metrics["train/masked_fraction"]


def test_a_longer_budget_goes_on_from_the_shorter_one(bench, tmp_path):
    for overrides in (("loss=plain",), ("loss=ignore_fn", "loss.warmup_epochs=1", "loss.ramp_epochs=0")):
        long = (*overrides, "trainer.epochs=4")
        alone = run(bench, tmp_path, *long, shared=False)
        run(bench, tmp_path, *overrides, "trainer.epochs=2")
        longer = run(bench, tmp_path, *long)
        assert shared_steps(longer[1]) == 4
        assert_equal(longer, alone)
        again = run(bench, tmp_path, *long)
        assert shared_steps(again[1]) == 8
        assert_equal(again, alone)


def test_the_end_of_a_mask_under_a_cosine_is_of_no_use_to_others(bench, tmp_path):
    cosine = (*MASKED, "optimizer.schedule=cosine")
    runs = [run(bench, tmp_path, *cosine) for _ in range(2)]
    assert [shared_steps(tracker) for _, tracker in runs] == [0, 5]
    assert_equal(*runs)


def test_the_plain_control_and_a_mask_share_their_steps(bench, tmp_path):
    run(bench, tmp_path, "loss=plain", "trainer.epochs=2")
    masked = (*MASKED[:2], "loss.warmup_epochs=2", "loss.ramp_epochs=1")
    _, tracker = branched = run(bench, tmp_path, *masked)
    assert shared_steps(tracker) == 4
    assert_equal(branched, run(bench, tmp_path, *masked, shared=False))


@pytest.mark.slow
def test_what_changes_a_step_is_not_shared(bench, tmp_path):
    run(bench, tmp_path, *MASKED)
    for change in (
        *("seed=1", "optimizer.learning_rate=0.02", "optimizer.schedule=cosine", "optimizer.name=sgd"),
        *("weighting=inverse", "base.label_smoothing=0.1", "dataset.flips=none", "dataset.seed=1"),
        *("backbone.width=5", "trainer.batch_size=3", "label_noise=over_wide label_noise.target=road"),
    ):
        _, tracker = run(bench, tmp_path, *MASKED, *change.split())
        assert shared_steps(tracker) == 0, change


def test_the_best_epoch_and_a_gate_share_what_comes_before_the_mask(bench, tmp_path):
    for change in ("trainer.select=best", "loss.recall_off=0.3"):
        alone = run(bench, tmp_path, *MASKED, change, shared=False)
        for _ in range(2):
            branched = run(bench, tmp_path, *MASKED, change)
            assert_equal(branched, alone)
        assert shared_steps(branched[1]) == 5
    best = ("loss=plain", "trainer.select=best", "trainer.epochs=3", "optimizer.learning_rate=0.3")
    alone = run(bench, tmp_path, *best, shared=False)
    run(bench, tmp_path, "loss=plain", "trainer.epochs=3", "optimizer.learning_rate=0.3")
    assert_equal(run(bench, tmp_path, *best), alone)


def test_a_trial_that_is_given_up_leaves_nothing_half_done(bench, tmp_path):
    def give_up(epoch, metrics, matrix):
        raise TrialPruned(f"given up at epoch {epoch}")

    with pytest.raises(TrialPruned):
        run(bench, tmp_path, *MASKED, on_epoch=give_up)
    after = run(bench, tmp_path, *MASKED)
    assert shared_steps(after[1]) == 0
    assert_equal(after, run(bench, tmp_path, *MASKED, shared=False))


def test_a_hook_sees_the_epochs_that_were_shared(bench, tmp_path):
    seen = []
    for _ in range(2):
        run(bench, tmp_path, *MASKED, on_epoch=lambda epoch, metrics, matrix: seen.append((epoch, metrics["val/miou"])))
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert seen[:4] == seen[4:]


def test_weights_from_a_file_count_by_their_content(tmp_path):
    file = tmp_path / "encoder.weights.h5"
    bench, keys = Workbench(), []
    config = check(*SMALL, f"root={tmp_path}")
    for content in (b"one", b"two", b"one"):
        file.write_bytes(content)
        backbone = {**config.resolved["backbone"], "encoder_weights": str(file)}
        changed = replace(config, resolved={**config.resolved, "backbone": backbone})
        keys.append(bench.prepare(changed))
    assert keys[0] is keys[2]
    assert keys[0] is not keys[1]
