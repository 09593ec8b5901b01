"""What determines a training up to each of its steps, as a digest: equal digests, equal steps."""

import functools
import hashlib
import importlib.metadata
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from fnmask.engine.schedule import Course
from fnmask.losses.build import AnyLoss
from fnmask.tracking.lineage import code_digest

_PACKAGES = ("tensorflow", "keras", "numpy", "segmentation-models")


class Trail:
    """The digests of a training.

    Args:
        ground: all that is the same at every step, as plain values: network, data and its order, optimizer, seed.
        course: what changes from step to step.
    """

    def __init__(self, ground: Mapping[str, Any], course: Course) -> None:
        text = json.dumps(
            {**ground, "code": code_digest(), "versions": package_versions()}, sort_keys=True, default=str
        )
        self._ground, self._course = text.encode(), course

    def keys(self, steps: Iterable[int]) -> dict[int, str]:
        """Digests of the training after these numbers of steps, by the number."""
        wanted = set(steps)
        hashed = hashlib.sha256(self._ground)
        losses: dict[int, bytes] = {}
        found: dict[int, str] = {}
        for step in range(max(wanted, default=-1) + 1):
            if step in wanted:
                found[step] = hashed.hexdigest()[:32]
            loss, share = self._course.at(step, masked=True)
            if id(loss) not in losses:
                losses[id(loss)] = _digest_loss(loss)
            hashed.update(losses[id(loss)])
            hashed.update(struct.pack("<dd", self._course.schedule.learning_rate_at(step), share))
        return found


def _digest_loss(loss: AnyLoss) -> bytes:
    """Of its structure and its numbers, but for the ramp."""
    hashed = hashlib.sha256(repr(loss.structure).encode())
    for name, value in sorted(loss.numbers.items()):
        if name != "ramp":
            hashed.update(name.encode() + value.tobytes())
    return hashed.digest()


@functools.cache
def package_versions() -> dict[str, str]:
    """Of what computes."""
    return {package: importlib.metadata.version(package) for package in _PACKAGES}
