"""Which trials a worker has compiled steps for: it takes those first, where nothing else tells trials apart."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

# As many networks as an engine keeps.
_MOST = 3

# Choices that need a new trace: options of these groups, and these keys of theirs. Other keys are numbers of a step.
_GROUPS = ("backbone", "base", "dataset", "loss", "optimizer", "trainer")
_KEYS = (
    *("backbone.", "trainer.", "dataset.image_size", "dataset.crop_size", "optimizer.name", "optimizer.momentum"),
    *("base.normalizer", "loss.reading"),
)


class Warmth:
    """The structures of the trials that a worker ran last."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, None] = OrderedDict()

    def is_warm(self, chosen: Mapping[str, Any]) -> bool:
        """Whether a trial with these values finds its steps compiled."""
        return structure_of(chosen) in self._held

    def ran(self, chosen: Mapping[str, Any]) -> None:
        """A trial with these values has been run."""
        structure = structure_of(chosen)
        self._held[structure] = None
        self._held.move_to_end(structure)
        while len(self._held) > _MOST:
            self._held.popitem(last=False)


def structure_of(chosen: Mapping[str, Any]) -> str:
    """The same for trials whose values differ in numbers of a compiled step only.

    Example:
        >>> structure_of({"backbone": "unet", "loss": "ignore_fn", "loss.alpha": 0.5})
        '{"backbone": "unet", "loss": "ignore_fn"}'
    """
    kept = {key: value for key, value in chosen.items() if key in _GROUPS or key.startswith(_KEYS)}
    return json.dumps(kept, sort_keys=True)
