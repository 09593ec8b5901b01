"""Decision rules: thresholds that are moved after training, such as `road>0.8`.

    predict c  iff  p_c / (p_c + p_r) > t,  otherwise the best other class r = argmax_{k != c} z_k

which is the same as z_c - z_r > log(t / (1 - t)), and so as an argmax over logits with an offset:

    argmax_k (z_k + b_k),   b_c = -log(t / (1 - t)),   0 for every class without a threshold

The second form holds for several classes at once, costs nothing, and fits into any exported network.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.binding import ConfigError, suggest

_EXAMPLE = "Write CLASS>THRESHOLD, several with commas: road>0.8,tree>0.65"


@dataclass(frozen=True)
class Decision:
    """Thresholds on the contest of a class with the best other one.

    Attributes:
        thresholds: class name and t in (0, 1), in the order of the classes; 1/2 is argmax.
        logit_offsets: b, one for each class, 0 where no threshold is moved.
    """

    thresholds: tuple[tuple[str, float], ...] = ()
    logit_offsets: tuple[float, ...] = ()

    def __str__(self) -> str:
        """As `read_decision` takes it; empty for argmax."""
        return ",".join(f"{name}>{threshold!r}" for name, threshold in self.thresholds)

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits `(..., C)` whose argmax is the decision."""
        if not self.thresholds:
            return logits
        return np.asarray(logits + np.asarray(self.logit_offsets, np.float32), np.float32)


def read_decision(text: str, class_names: Sequence[str]) -> Decision:
    """Read a rule such as `road>0.8,tree>0.65`.

    Args:
        text: class names with their thresholds; empty for argmax.
        class_names: the C classes of the network.

    Raises:
        ConfigError: not such a rule, an unknown class, one that comes twice, or a threshold outside (0, 1).

    Example:
        >>> rule = read_decision("road>0.8", ["land", "road"])
        >>> str(rule), [round(offset, 3) for offset in rule.logit_offsets]
        ('road>0.8', [0.0, -1.386])
    """
    found: dict[str, float] = {}
    faults = []
    for part in _parts(text, class_names):
        name, is_rule, number = (piece.strip() for piece in part.rpartition(">"))
        if not is_rule or not re.fullmatch(r"[0-9.]+(e-?[0-9]+)?", number):
            faults.append(f"decision: got {part!r}. {_EXAMPLE}.")
        elif name not in class_names:
            faults.append(f"decision: got the class {name!r}. {suggest(name, class_names)}")
        elif name in found:
            faults.append(f"decision: got {name!r} twice. Give one threshold for each class.")
        elif not 0 < _number(number) < 1:
            faults.append(f"decision: got {part!r}. A threshold lies between 0 and 1; 0.5 leaves the class as it is.")
        else:
            found[name] = float(number)
    if faults:
        raise ConfigError(faults)
    thresholds = tuple((name, found[name]) for name in class_names if name in found)
    offsets = tuple(-math.log(found[name] / (1 - found[name])) + 0.0 if name in found else 0.0 for name in class_names)
    return Decision(thresholds, offsets)


def _parts(text: str, class_names: Sequence[str]) -> list[str]:
    """What stands between commas; those in the name of a class belong to it, of two such names to the longer one."""
    names = sorted((re.escape(name) for name in class_names if "," in name), key=len, reverse=True)
    found = re.findall(rf"\s*(?:{'|'.join(names)})?[^,]*", text)
    return [part.strip() for part in found if part.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # such as 0.8.1
        return math.nan
