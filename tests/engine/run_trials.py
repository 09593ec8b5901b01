"""Runs trials one after the other in this process and prints what they computed.

    python run_trials.py '[["loss=plain"], ["loss=plain", "seed=1"]]'

Used by `test_fresh_process.py`; every number as it is, so that two processes can be compared bit by bit.
"""

import hashlib
import json
import sys
import tempfile

from composing import SMALL, check

from fnmask.tracking.tracker import MemoryTracker
from fnmask.trial import run_trial
from fnmask.workbench import Workbench


class Watched(Workbench):
    """Remembers the weights that trials began with."""

    def prepare(self, config):
        network = super().prepare(config)
        self.began = hashlib.sha256(b"".join(array.tobytes() for array in network.capture().model)).hexdigest()
        return network


def main():
    bench, told = Watched(), []
    for overrides in json.loads(sys.argv[1]):
        with tempfile.TemporaryDirectory() as root:
            tracker = MemoryTracker()
            small = [word for word in SMALL if not (word.startswith("backbone.") and "backbone=unet" in overrides)]
            config = check(*small, f"root={root}", "trainer.deterministic=true", *overrides)
            result = run_trial(config, tracker, workbench=bench)
        metrics = {key: values for key, values in tracker.metrics.items() if not key.startswith("engine/")}
        told.append({"began": bench.began, "metrics": repr(metrics), "test": result.test.tolist()})
    print(json.dumps(told))


if __name__ == "__main__":
    main()
