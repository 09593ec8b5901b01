"""What a check of a data set finds, as data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fnmask.data.source import Split

Severity = Literal["error", "warning", "hint"]
"""An error forbids training, a warning is kept with every run, a hint says what to look at."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Place:
    """An image that a finding is about.

    Attributes:
        split: of the image; empty where it belongs to none.
        id: of the image, or a file.
        detail: what about it.
    """

    split: Split | Literal[""]
    id: str
    detail: str = ""

    def __str__(self) -> str:
        name = f"{self.split}/{self.id}" if self.split else self.id
        return f"{name}: {self.detail}" if self.detail else name


@dataclass(frozen=True)
class Finding:
    """One thing to know of a data set.

    Attributes:
        severity: how bad it is.
        kind: such as `unreadable`; the same for the same kind of trouble, for programs.
        message: a sentence or two with the numbers, and how to mend it.
        where: images or files, the most telling first.
        count: of what the message counts; not less than `where` has entries, unless an entry names several.
    """

    severity: Severity
    kind: str
    message: str
    where: tuple[Place, ...] = ()
    count: int = 1


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Errors first, otherwise as they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def count_text(count: int, what: str) -> str:
    """Such as `1 image` or `2 images`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def listed(names: Sequence[str], most: int = 3, *, between: str = ", ") -> str:
    """The first few names, and that there are more."""
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
