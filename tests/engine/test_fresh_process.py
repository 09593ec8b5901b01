"""A trial in a process that has run many others computes what it computes alone in a new one, bit by bit."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fnmask.presets import conf_dir

# The loss of the first epoch is that of the first batch.
FEW = ["trainer.epochs=2", "trainer.steps_per_epoch=1"]
NEEDS = {
    "confusions": ["loss.confusions={road: {land: 0.2}}"],
    "region_fn": ["base=dice"],
    "class_tversky": ["base=tversky"],
}
BASES = ["focal", "generalized_crossentropy", "crossentropy_dice", "lovasz_softmax", "jaccard", "focal_tversky"]
ENCODERS = ["mobilenetv2", "resnet18", "efficientnetb0"]


def losses():
    variants = sorted(path.stem for path in (conf_dir() / "loss").glob("*.yaml"))
    bases = sorted(path.stem for path in (conf_dir() / "base").glob("*.yaml"))
    return [
        *([f"loss={variant}", *NEEDS.get(variant, [])] for variant in variants),
        *(["loss=attenuate_fn", f"base={base}"] for base in BASES if base in bases),
    ]


def run(trials):
    script = Path(__file__).with_name("run_trials.py")
    env = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    command = [sys.executable, str(script), json.dumps(trials)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_each_as_in_a_fresh_process(trials):
    order = [*trials, *trials]
    random.Random(0).shuffle(order)
    warm = run(order)
    for trial in trials:
        (fresh,) = run([trial])
        for place in (place for place, other in enumerate(order) if other == trial):
            assert warm[place] == fresh, f"{trial} in place {place}"


@pytest.mark.slow
def test_every_loss_structure():
    assert_each_as_in_a_fresh_process([[*FEW, *loss, f"seed={place % 2}"] for place, loss in enumerate(losses())])


@pytest.mark.slow
def test_three_encoders_with_their_optimizers():
    optimizers = ["optimizer.name=sgd", "optimizer.weight_decay=0.01", "trainer.jit_compile=true"]
    trials = [
        ["backbone=unet", f"backbone.encoder={encoder}", *FEW, optimizer, f"seed={seed}"]
        for seed, (encoder, optimizer) in enumerate(zip(ENCODERS, optimizers, strict=True))
    ]
    assert_each_as_in_a_fresh_process(trials)
