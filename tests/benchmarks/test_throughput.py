"""`python -m benchmarks.throughput`: what it makes of the times and files of the contestants; nothing is trained."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import process_tree
from benchmarks.dummy import compose
from benchmarks.process_tree import run_watched
from benchmarks.throughput import SIZES, masks
from benchmarks.throughput_contestants import CONTESTANTS, Outcome, our_arguments, read_outcome
from fnmask.data.aerial import Aerial
from fnmask.sweep.plan import make_plan

OTHER = next(contestant for contestant in CONTESTANTS if not contestant.is_ours)
MEMORY_IS_TOLD = Path("/proc/self/smaps_rollup").exists()


def note_trials(folder, *trials):
    """The file that the trials of others leave: when each ended, and its seconds in steps."""
    lines = [json.dumps({"begin_s": 0.0, "end_s": end_s, "steps_s": steps_s}) for end_s, steps_s in trials]
    (folder / "trials.jsonl").write_text("\n".join(lines) + "\n")


def plan(network="tiny", count=24, *, share=True):
    """What our sweep makes of its command line."""
    request = {**SIZES, "network": network, "trials": masks(count), "folder": "somewhere"}
    mode, *words = our_arguments(request, share=share)
    assert mode == "--multirun"
    return make_plan(compose(words)[1], words)


def watch(tmp_path, program, *, timeout_s=60):
    command = [sys.executable, "-c", program]
    return run_watched(command, cwd=tmp_path, env=os.environ, log=tmp_path / "log", timeout_s=timeout_s)


def test_a_longer_run_takes_its_median_trial_more_often():
    outcome = Outcome(4, 100.0, 500.0, (9.0, 30.0, 10.0), 0.4, 0.6)
    longer = outcome.scaled(10)
    # Six trials of 10 s more; 10 s in steps for each of the trials, of 160 s.
    assert (longer.n_trials, longer.wall_s, longer.in_steps) == (10, 160.0, pytest.approx(100 / 160))
    assert (longer.peak_mib, longer.warm_trials_s, longer.in_steps_warm) == (500.0, (9.0, 30.0, 10.0), 0.6)


def test_a_run_that_is_as_long_stays_as_it_is():
    outcome = Outcome(4, 100.0, 500.0, (9.0, 30.0, 10.0), 0.4, 0.6)
    assert outcome.scaled(4) is outcome
    assert outcome.scaled(2) is outcome


def test_the_trials_of_others_are_read_in_the_order_of_their_ends(tmp_path):
    note_trials(tmp_path, (110.0, 4.0), (125.0, 3.0), (117.0, 2.0))
    outcome = read_outcome(OTHER, tmp_path, 3, wall_s=30.0, peak_mib=700.0)
    assert outcome.warm_trials_s == [7.0, 8.0]
    assert outcome.in_steps == pytest.approx(9 / 30)
    assert outcome.in_steps_warm == pytest.approx(5 / 15)
    assert (outcome.n_trials, outcome.wall_s, outcome.peak_mib) == (3, 30.0, 700.0)


@pytest.mark.parametrize("wanted", [2, 4])
def test_a_run_with_another_number_of_trials_does_not_count(tmp_path, wanted):
    note_trials(tmp_path, (110.0, 4.0), (125.0, 3.0), (117.0, 2.0))
    with pytest.raises(RuntimeError, match=f"{OTHER.name}: 3 of {wanted} trials"):
        read_outcome(OTHER, tmp_path, wanted, wall_s=30.0, peak_mib=700.0)


def test_our_sweep_runs_every_mask_once_and_no_control():
    found = plan()
    ours = [(chosen["loss.target"], chosen["loss.alpha"]) for chosen in found.grid]
    wanted = [(Aerial.class_names[mask["target"]], mask["alpha"]) for mask in masks(24)]
    assert sorted(ours) == sorted(wanted)
    assert (found.controls, found.n_trials) == ((), 24)


def test_a_shorter_sweep_begins_with_the_same_masks():
    found = plan(count=8)
    assert [(chosen["loss.target"], chosen["loss.alpha"]) for chosen in found.grid[:8]] == [
        (Aerial.class_names[mask["target"]], mask["alpha"]) for mask in masks(8)
    ]
    assert found.n_trials == 8


def test_our_trials_are_as_long_and_as_large_as_those_of_the_others():
    base = plan(count=6, share=False).base
    trainer, source = base.trainer, base.source
    assert (trainer.epochs, trainer.steps_per_epoch) == (SIZES["epochs"], SIZES["steps_per_epoch"])
    assert trainer.batch_size == trainer.eval_batch_size == SIZES["batch_size"]
    assert base.loss.timing.warmup_epochs == SIZES["epochs"] / 2
    assert len(source.ids("train")) == SIZES["n_train"]
    assert len(source.ids("val")) == SIZES["n_val"]
    assert base.dataset.train_size == base.dataset.image_size == (SIZES["size_px"],) * 2
    assert (trainer.share_steps, trainer.test) == (False, False)


def test_our_network_is_the_one_that_was_asked_for():
    assert plan().base.choices["backbone"] == "tiny"
    base = plan("mobilenetv2").base
    assert (base.choices["backbone"], base.resolved["backbone"]["encoder"]) == ("unet", "mobilenetv2")
    assert base.trainer.share_steps


@pytest.mark.skipif(not MEMORY_IS_TOLD, reason="memory is measured by what Linux tells of a process")
def test_memory_is_that_of_children_and_of_their_children(tmp_path, monkeypatch):
    monkeypatch.setattr(process_tree, "_LOOK_EVERY_S", 0.05)
    program = "import time; held = b'x' * (200 << 20); time.sleep(0.6)"
    for _ in range(2):
        program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}], check=True)"
    code, peak_mib = watch(tmp_path, f"{program}; print('done'); sys.exit(3)")
    assert code == 3
    assert 200 < peak_mib < 300
    assert (tmp_path / "log").read_text() == "done\n"


def test_what_takes_too_long_is_killed(tmp_path, monkeypatch):
    started, popen = [], subprocess.Popen

    def remember(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(process_tree.subprocess, "Popen", remember)
    with pytest.raises(subprocess.TimeoutExpired):
        watch(tmp_path, "import time; time.sleep(60)", timeout_s=0.5)
    assert started[0].wait(10) == -signal.SIGKILL
