import io
import re

import pytest
from rich.console import Console

from fnmask import progress as module
from fnmask.progress import RunProgress, format_duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock:
        now_s = 0.0

    monkeypatch.setattr(module.time, "monotonic", lambda: Clock.now_s)
    return Clock


def plain_console():
    return Console(file=io.StringIO(), force_terminal=False, width=40)


def terminal():
    # Wide enough for the bar and its note; no colors, so that the text can be read back.
    return Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None, legacy_windows=False)


def test_plain_lines(clock):
    console = plain_console()
    with RunProgress("soften_fn road alpha=0.3 · median_frequency", 3, console=console) as shown:
        clock.now_s = 30
        shown.end_epoch(1, 0.12345)
        clock.now_s = 50
        shown.end_epoch(2, 0.5)
        clock.now_s = 60
        shown.end_epoch(3, 0.25)
    # After the first epoch two of 30 s are left, after the second one of 25 s. Lines are wider than the console: a log
    # is not wrapped.
    assert console.file.getvalue().splitlines() == [
        "soften_fn road alpha=0.3 · median_frequency",
        "  epoch 1 of 3   val mIoU 0.123   1:00 left",
        "  epoch 2 of 3   val mIoU 0.500   0:25 left",
        "  epoch 3 of 3   val mIoU 0.250   0:00 left",
    ]


def test_how_it_ended(clock):
    shown = RunProgress("plain", 2, console=plain_console())
    clock.now_s = 12.4
    assert shown.describe_end("complete", "") == "[complete] plain   12 s"
    assert shown.describe_end("failed:crash", "ValueError: too wide") == (
        "[failed:crash] plain   ValueError: too wide   12 s"
    )


def test_terminal_shows_a_bar_instead_of_a_line_per_epoch(clock):
    console = terminal()
    with RunProgress("ignore_fn road", 4, console=console) as shown:
        clock.now_s = 10
        shown.end_epoch(1, 0.25)
        shown._bars.refresh()
        drawn = console.file.getvalue()
    assert re.search(r"ignore_fn road +\S+ +epoch 1 of 4 +val mIoU 0\.250 +0:30 left", drawn)
    assert "\n  epoch" not in drawn


@pytest.mark.parametrize("console", [plain_console(), terminal()], ids=["plain", "terminal"])
def test_labels_are_shown_as_they_are(clock, console):
    with RunProgress("crop_size=[red,96] [/red]", 1, console=console) as shown:
        shown.end_epoch(1, 0.5)
        shown._bars.refresh()
        drawn = console.file.getvalue()
    assert "crop_size=[red,96] [/red]" in drawn


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3, "0:00"), (0.9, "0:00"), (125, "2:05"), (3599, "59:59"), (3725, "1:02:05")]
)
def test_durations(seconds, told):
    assert format_duration(seconds) == told
