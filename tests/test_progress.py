import io
import re

import pytest
from rich.console import Console

from fnmask import progress as module
from fnmask.progress import SweepProgress


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
    # Wide enough for both bars; no colors, so that the text can be read back.
    return Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None, legacy_windows=False)


def test_plain_lines(clock):
    console = plain_console()
    with SweepProgress(3, n_finished=1, console=console) as shown:
        shown.begin_trial("soften_fn road alpha=0.3 · median_frequency", 2)
        clock.now_s = 30
        shown.end_epoch(1, 0.12345)
        clock.now_s = 60
        shown.end_epoch(2, 0.5)
        shown.end_trial("complete", "val/miou 0.500")
        shown.begin_trial("plain", 2)
        clock.now_s = 70
        shown.end_epoch(1, 0.25)
        shown.end_trial("failed:crash", "ValueError: too wide")
    # Two trials of 60 s are left after epoch 1 of the first, less the 30 s that it has run; then one, less 10 s.
    # Lines are wider than the console: a log is not wrapped.
    assert console.file.getvalue().splitlines() == [
        "trial 2 of 3: soften_fn road alpha=0.3 · median_frequency",
        "  epoch 1 of 2   val mIoU 0.123   1:30 left",
        "  epoch 2 of 2   val mIoU 0.500   1:00 left",
        "[complete] soften_fn road alpha=0.3 · median_frequency   val/miou 0.500   60 s",
        "trial 3 of 3: plain",
        "  epoch 1 of 2   val mIoU 0.250   0:50 left",
        "[failed:crash] plain   ValueError: too wide   10 s",
    ]


def test_a_failed_trial_is_not_counted(clock):
    console = plain_console()
    with SweepProgress(2, console=console) as shown:
        for outcome in ("failed:nonfinite", "complete", "complete"):
            shown.begin_trial("x", 1)
            shown.end_trial(outcome, "")
    numbered = re.findall(r"trial (\d) of 2", console.file.getvalue())
    assert numbered == ["1", "1", "2"]


def test_time_left_is_the_median_trial_and_never_below_zero(clock):
    console = plain_console()
    with SweepProgress(5, console=console) as shown:
        for duration_s in (10, 300, 20):
            shown.begin_trial("x", 1)
            clock.now_s += duration_s
            shown.end_trial("complete", "")
        shown.begin_trial("x", 1)
        clock.now_s += 5
        shown.end_epoch(1, 0.5)
        clock.now_s += 500
        shown.end_epoch(1, 0.5)
    # Median of 10, 300 and 20 s, twice, less 5 s.
    assert re.findall(r"(\S+) left", console.file.getvalue()) == ["0:35", "0:00"]


def test_terminal_shows_bars_instead_of_a_line_per_epoch(clock):
    console = terminal()
    with SweepProgress(3, n_finished=1, console=console) as shown:
        shown.begin_trial("ignore_fn road", 4)
        clock.now_s = 10
        shown.end_epoch(1, 0.25)
        shown._bars.refresh()
        drawn = console.file.getvalue()
        assert re.search(r"trial 2 of 3 +\S+ +1:10 left", drawn)
        assert re.search(r"ignore_fn road +\S+ +epoch 1 of 4 +val mIoU 0\.250", drawn)
        shown.end_trial("complete", "val/miou 0.250")
    drawn = console.file.getvalue()
    assert "[complete] ignore_fn road   val/miou 0.250   10 s" in drawn
    assert re.search(r"trial 2 of 3 +\S+ +0:10 left", drawn)


@pytest.mark.parametrize("console", [plain_console(), terminal()], ids=["plain", "terminal"])
def test_labels_are_shown_as_they_are(clock, console):
    with SweepProgress(1, console=console) as shown:
        shown.begin_trial("crop_size=[red,96] [/red]", 1)
        shown.end_epoch(1, 0.5)
        shown._bars.refresh()
        drawn = console.file.getvalue()
    assert "crop_size=[red,96] [/red]" in drawn


def test_a_trial_that_ends_before_it_begins_is_not_called_by_another_s_name(clock):
    console = plain_console()
    with SweepProgress(2, console=console) as shown:
        shown.begin_trial("plain", 1)
        clock.now_s = 60
        shown.end_trial("complete", "")
        shown.end_trial("failed:config", "ConfigError: loss.alpha: got -1.")
    assert "plain" not in console.file.getvalue().splitlines()[-1]
    assert console.file.getvalue().splitlines()[-1].startswith("[failed:config] ")
