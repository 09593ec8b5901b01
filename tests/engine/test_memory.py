"""What a long-lived worker holds: warm networks are bounded, and those that go are freed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, tempfile
from pathlib import Path
from composing import SMALL, check
from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench

def resident_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20

n_trials, n_structures = map(int, sys.argv[1:])
bench, seen = Workbench(), []
with tempfile.TemporaryDirectory() as root:
    for number in range(n_trials):
        width = 4 + number % n_structures
        config = check(
            *SMALL, f"root={root}", f"backbone.width={width}", f"seed={number % 5}", "tracking.overlay_images=0",
            f"loss.alpha={number / n_trials}", f"loss={('soften_fn', 'attenuate_fn')[number % 2]}",
            f"optimizer.weight_decay={number % 3}", f"trainer.share_steps={number % 4 == 0}",
        )
        run_trial(config, MemoryTracker(), workbench=bench)
        seen.append(resident_mib())
print(json.dumps(seen))
"""


def resident_mib(n_trials, n_structures):
    """Of a process, after each of its trials."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, str(n_trials), str(n_structures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_200_trials_over_3_structures_need_no_more_than_the_first_ten():
    seen = resident_mib(200, 3)
    assert max(seen[10:]) < 1.1 * seen[9], seen[::10]


@pytest.mark.slow
def test_networks_that_are_not_kept_are_freed():
    # Every trial builds a network and drops another one, of which 15 MiB would stay if its graphs did.
    seen = resident_mib(60, 5)
    assert (seen[-1] - seen[19]) / 40 < 8, seen[::5]
