"""What a run reports to, and the closed set of ways in which it can end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, get_args

Outcome = Literal[
    "queued",
    "running",
    "complete",
    "infeasible",
    "pruned",
    "failed:config",
    "failed:nonfinite",
    "failed:memory",
    "failed:crash",
    "failed:timeout",
    "interrupted",
    "lost",
]

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

OUTCOMES: tuple[str, ...] = get_args(Outcome)

SWEEP_OUTCOMES: tuple[str, ...] = ("running", "finished", "error", "refused", "stopped", "incomplete", "interrupted")

_STATUS_OF: dict[str, RunStatus] = {
    "queued": "RUNNING",
    "running": "RUNNING",
    "complete": "FINISHED",
    "infeasible": "FINISHED",
    "pruned": "FINISHED",
    "finished": "FINISHED",
    "interrupted": "KILLED",
    "lost": "KILLED",
    "incomplete": "KILLED",
    "error": "FAILED",
    "refused": "FAILED",
    "stopped": "FAILED",
}


def status_of(outcome: str) -> RunStatus:
    """The status that a tracking store shows for the outcome of a trial or of a sweep.

    Args:
        outcome: one of `OUTCOMES` (trials) or `SWEEP_OUTCOMES` (sweeps).

    Returns:
        `RUNNING` while work may still come, `FINISHED` for a result that counts against the budget, `KILLED` when
        the run was cut off from outside, `FAILED` for the rest.

    Raises:
        ValueError: the outcome is in neither set.

    Example:
        >>> status_of("pruned"), status_of("failed:memory")
        ('FINISHED', 'FAILED')
    """
    if outcome not in OUTCOMES + SWEEP_OUTCOMES:
        allowed = ", ".join(dict.fromkeys(OUTCOMES + SWEEP_OUTCOMES))
        raise ValueError(f"Unknown outcome {outcome!r}. Allowed: {allowed}.")
    return _STATUS_OF.get(outcome, "FAILED")


NO_TAGS: Mapping[str, str] = MappingProxyType({})


class Tracker(Protocol):
    """Receives what one run reports. Four methods, so that another tracker is easy to write.

    A tracker is used by one thread. After `finish` nothing more is reported.
    """

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the numbers of one step (an epoch, counted from 0). A NaN says "absent" and is not recorded."""

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep a file under `name`, a relative path with forward slashes; a second call replaces the first."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or overwrite short texts about the run."""

    def finish(self, outcome: str, reason: str = "", tags: Mapping[str, str] = NO_TAGS) -> None:
        """Close the run with one of `OUTCOMES`, and in words why it ended so, when it did not end well.

        `tags` are set with the outcome, in the same call of a store.
        """


@dataclass
class MemoryTracker:
    """A tracker that keeps everything in the process: for `tracking=none`, and for tests.

    Attributes:
        metrics: `{key: {step: value}}`, without the NaN values.
        artifacts: `{name: content}`.
        tags: `{name: text}`; `finish` adds `fnmask.outcome` and `fnmask.reason`, as in a store.
        outcome: the outcome given to `finish`, `"running"` before.
        reason: the reason given to `finish`.
    """

    metrics: dict[str, dict[int, float]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    outcome: str = "running"
    reason: str = ""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record the numbers of one step; NaN values are left out."""
        self._check_open()
        for key, value in metrics.items():
            if value == value:  # NaN differs from itself
                self.metrics.setdefault(key, {})[step] = float(value)

    def log_artifact(self, name: str, content: bytes) -> None:
        """Keep the bytes under `name`."""
        self._check_open()
        check_artifact_name(name)
        self.artifacts[name] = content

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or overwrite tags."""
        self.tags.update(tags)

    def finish(self, outcome: str, reason: str = "", tags: Mapping[str, str] = NO_TAGS) -> None:
        """Close the run."""
        self._check_open()
        status_of(outcome)
        self.outcome, self.reason = outcome, reason
        self.tags.update({**tags, "fnmask.outcome": outcome, "fnmask.reason": reason})

    def latest(self) -> dict[str, float]:
        """The last recorded value of every metric."""
        return {key: steps[max(steps)] for key, steps in self.metrics.items()}

    def _check_open(self) -> None:
        if self.outcome != "running":
            raise RuntimeError(f"This run is already closed with outcome {self.outcome!r}; start a new one to report.")


def check_artifact_name(name: str) -> None:
    """Refuse artifact names that would lie outside the run's folder.

    Raises:
        ValueError: the name is empty, absolute, has a backslash, or an empty, `.` or `..` part.
    """
    if "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise ValueError(
            f"Artifact name {name!r} is not allowed. Give a relative path with forward slashes, such as "
            "'confusion/val.csv'."
        )
