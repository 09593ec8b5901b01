"""Every loss and every base of `conf/` through a real trial; and the guard that takes a mask off."""

import logging
import math

import pytest
from composing import SMALL, compose_config

from fnmask.presets import conf_dir
from fnmask.sweep.composer import check_job
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench

BASES = sorted(path.stem for path in (conf_dir() / "base").glob("*.yaml"))
LOSSES = sorted(path.stem for path in (conf_dir() / "loss").glob("*.yaml"))
NEEDS = {
    "confusions": ["loss.confusions={road:{land:0.2,building:0}}"],
    "region_fn": ["base=dice"],
    "class_tversky": ["base=tversky"],
}


@pytest.fixture(scope="module")
def workbench():
    return Workbench()


def run(workbench, *overrides):
    tracker = MemoryTracker()
    config = check_job(compose_config(*SMALL, "tracking.overlay_images=0", "trainer.test=false", *overrides))
    return run_trial(config, tracker, workbench=workbench), tracker


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains(workbench, loss):
    mask = [] if loss in ("plain", "class_downweight") else ["loss.ramp_epochs=0.5", "loss.recall_off=0.01"]
    result, _ = run(workbench, f"loss={loss}", *NEEDS.get(loss, []), *mask)
    assert math.isfinite(result.metrics["train/loss"])
    assert math.isfinite(result.metrics["val/miou"])


@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
def test_every_base_trains_under_a_soft_mask(workbench, base):
    result, _ = run(workbench, "loss=soften_fn", f"base={base}", "loss.warmup_epochs=0")
    assert math.isfinite(result.metrics["train/loss"])


def test_the_guard_takes_the_mask_off_and_says_so(workbench, caplog):
    never = ["loss=attenuate_fn", "loss.warmup_epochs=0", "loss.recall_off=0.99", "loss.recall_on=1.0"]
    with caplog.at_level(logging.WARNING, logger="fnmask.fit"):
        _, tracker = run(workbench, *never)
    # An untrained network does not find every road: on in the first epoch, off in the second.
    assert tracker.metrics["train/ramp"] == {1: 1.0, 2: 0.0}
    (record,) = caplog.records
    assert record.getMessage().startswith("Epoch 1: the mask is off, since recall 0.")
    assert record.getMessage().endswith("is below 0.99; back on at 1.")
    assert tracker.metrics["train/masked_fraction"][2] == 0
