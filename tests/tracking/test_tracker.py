"""The closed set of outcomes and the memory tracker."""

import math

import pytest

from fnmask.tracking.tracker import OUTCOMES, SWEEP_OUTCOMES, MemoryTracker, Tracker, status_of


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("queued", "RUNNING"),
        ("running", "RUNNING"),
        ("complete", "FINISHED"),
        ("infeasible", "FINISHED"),
        ("pruned", "FINISHED"),
        ("failed:config", "FAILED"),
        ("failed:nonfinite", "FAILED"),
        ("failed:memory", "FAILED"),
        ("failed:crash", "FAILED"),
        ("failed:timeout", "FAILED"),
        ("interrupted", "KILLED"),
        ("lost", "KILLED"),
    ],
)
def test_status_of_a_trial_outcome(outcome: str, status: str) -> None:
    assert outcome in OUTCOMES
    assert status_of(outcome) == status


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("running", "RUNNING"),
        ("finished", "FINISHED"),
        ("error", "FAILED"),
        ("refused", "FAILED"),
        ("stopped", "FAILED"),
        ("incomplete", "KILLED"),
        ("interrupted", "KILLED"),
    ],
)
def test_status_of_a_sweep_outcome(outcome: str, status: str) -> None:
    assert outcome in SWEEP_OUTCOMES
    assert status_of(outcome) == status


def test_the_two_tables_above_cover_the_trial_outcomes() -> None:
    assert len(OUTCOMES) == 12


def test_unknown_outcome_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"'done'.*complete.*pruned"):
        status_of("done")


def test_memory_tracker_keeps_what_it_is_told() -> None:
    tracker: Tracker = MemoryTracker()
    tracker.log_metrics({"val/miou": 0.25, "val/iou/road": math.nan}, step=0)
    tracker.log_metrics({"val/miou": 0.5}, step=1)
    tracker.log_artifact("confusion/val.csv", b"1,2")
    tracker.set_tags({"fnmask.variant": "plain"})
    tracker.finish("failed:crash", "out of ideas")
    assert isinstance(tracker, MemoryTracker)
    assert tracker.metrics == {"val/miou": {0: 0.25, 1: 0.5}}
    assert tracker.latest() == {"val/miou": 0.5}
    assert tracker.artifacts == {"confusion/val.csv": b"1,2"}
    assert tracker.outcome == "failed:crash"
    assert tracker.tags["fnmask.reason"] == "out of ideas"


def test_closed_memory_tracker_refuses_more() -> None:
    tracker = MemoryTracker()
    tracker.finish("complete")
    with pytest.raises(RuntimeError, match="already closed"):
        tracker.log_metrics({"val/miou": 0.5}, step=0)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "a\\b", "a/."])
def test_artifact_names_stay_inside_the_run(name: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        MemoryTracker().log_artifact(name, b"")
