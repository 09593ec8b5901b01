"""The outcome of a check: findings and numbers of every split, as an object and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fnmask.check.finding import SEVERITIES, Finding, Place, Severity, count_text, listed
from fnmask.data.source import Split

# Raised when the same images give other findings: a report that was kept is then made anew.
CHECK_VERSION = 3


@dataclass(frozen=True)
class SplitReport:
    """Numbers of one split, as plain values.

    Attributes:
        images: named by the split.
        readable: of them, those that the numbers below are of.
        class_pixels: of each class.
        images_with: images that have the class.
        void_pixels: pixels without annotation.
        smallest: height and width in px of the image with the fewest pixels.
        largest: of the one with the most.
    """

    images: int
    readable: int
    class_pixels: tuple[int, ...]
    images_with: tuple[int, ...]
    void_pixels: int
    smallest: tuple[int, int]
    largest: tuple[int, int]

    @property
    def labeled(self) -> int:
        """Pixels of a class."""
        return sum(self.class_pixels)

    @property
    def void_share(self) -> float:
        """Of all pixels, in [0, 1]; 0 without any."""
        return self.void_pixels / max(self.labeled + self.void_pixels, 1)

    def class_share(self, label: int) -> float:
        """Of a class among the labeled pixels, in [0, 1]; 0 without any."""
        return self.class_pixels[label] / max(self.labeled, 1)


@dataclass(frozen=True)
class CheckReport:
    """What is known of a data set after its check.

    Attributes:
        name: of the set.
        digest: of its content; empty where it cannot be taken.
        class_names: C names.
        class_colors: C colors, red, green, blue in [0, 255].
        splits: numbers by split; none for one without images.
        findings: errors first.
    """

    name: str
    digest: str
    class_names: tuple[str, ...]
    class_colors: tuple[tuple[int, int, int], ...]
    splits: dict[Split, SplitReport]
    findings: tuple[Finding, ...]

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self.findings if finding.severity == severity]

    def summary(self) -> str:
        """Such as `1 error, 2 warnings, 0 hints`."""
        return ", ".join(count_text(len(self.of(severity)), severity) for severity in SEVERITIES)


def finding_text(finding: Finding, most: int = 3) -> str:
    """A finding in one paragraph, with the first few places: the words of the check, and of a refused training."""
    where = listed([str(place) for place in finding.where if place.id], most, between="; ")
    return f"{finding.message} [{where}]" if where else finding.message


def to_json(report: CheckReport) -> str:
    """The report with everything in it; `from_json` reads it back."""
    return json.dumps({"version": CHECK_VERSION, "summary": report.summary(), **asdict(report)}, indent=1) + "\n"


def from_json(text: str) -> CheckReport:
    """A report that `to_json` wrote.

    Raises:
        ValueError: it is none, or of another version.
    """
    try:
        content = json.loads(text)
        if content["version"] != CHECK_VERSION:
            raise ValueError(f"version {content['version']}, not {CHECK_VERSION}")
        return CheckReport(
            name=content["name"],
            digest=content["digest"],
            class_names=tuple(content["class_names"]),
            class_colors=_tuples(content["class_colors"]),
            splits={split: SplitReport(**_plain(own)) for split, own in content["splits"].items()},
            findings=tuple(
                Finding(**{**own, "where": tuple(Place(**place) for place in own["where"])})
                for own in content["findings"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"This is no report of a data check: {error}.") from error


def _plain(own: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}


def _tuples(rows: Sequence[Sequence[int]]) -> Any:
    return tuple(tuple(row) for row in rows)
