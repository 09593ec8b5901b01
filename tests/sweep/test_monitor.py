"""What a person sees of a sweep: plain lines in order, and the display of a terminal."""

import io
import re

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from fnmask.sweep.monitor import SweepMonitor, describe_end, draw
from fnmask.sweep.snapshot import Running, Snapshot
from fnmask.sweep.study import BUDGET, EPOCH, LABEL, OUTCOME, REASON

MIOU = {"val/miou": "maximize"}
TWO = {"tradeoff/others_gain": "maximize", "tradeoff/target_cost": "minimize"}


@pytest.fixture
def study():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield optuna.create_study(direction="maximize")
    optuna.logging.set_verbosity(before)


def plain(width=200):
    return Console(file=io.StringIO(), width=width, force_terminal=False)


def watch(study, console, **changes):
    return SweepMonitor(study, **{"directions": MIOU, "n_trials": 5, "console": console} | changes)


def lines(console):
    """What was printed, times left out: they depend on how fast the test runs."""
    text = console.file.getvalue()
    return re.sub(r"\d+ s$|\d+:\d\d left", "TIME", text, flags=re.MULTILINE).splitlines()


def begin(study, label):
    trial = study.ask()
    trial.set_user_attr(LABEL, label)
    return trial


def end(study, trial, outcome, value=None, reason=""):
    trial.set_user_attr(OUTCOME, outcome)
    trial.set_user_attr(REASON, reason)
    state = TrialState.PRUNED if outcome == "pruned" else TrialState.FAIL
    study.tell(trial, value, state=None if value is not None else state)


def test_plain_lines_tell_the_story_in_order(study):
    console = plain()
    monitor = watch(study, console)
    first = begin(study, "plain seed=0")
    monitor._look()
    for epoch, miou in ((1, 0.25), (2, 0.5)):
        first.set_user_attr(EPOCH, [epoch, 2, miou])
        monitor._look()
    end(study, first, "complete", 0.5)
    second = begin(study, "ignore_fn [road]")
    monitor._look()
    end(study, second, "failed:nonfinite", reason="train/loss became nan")
    monitor._look()
    monitor._look()
    assert lines(console) == [
        "trial 0: plain seed=0   (0 of 5 done)",
        "  trial 0: epoch 1 of 2   val mIoU 0.250   TIME",
        "  trial 0: epoch 2 of 2   val mIoU 0.500   TIME",
        "[complete] trial 0 plain seed=0   val/miou 0.500   TIME",
        "trial 1: ignore_fn [road]   (1 of 5 done)",
        "[failed:nonfinite] trial 1 ignore_fn [road]   train/loss became nan   TIME",
    ]


def test_a_trial_that_began_and_went_on_between_two_looks_has_both_lines(study):
    console = plain()
    monitor = watch(study, console)
    begin(study, "plain").set_user_attr(EPOCH, [3, 9, 0.125])
    monitor._look()
    assert lines(console) == ["trial 0: plain   (0 of 5 done)", "  trial 0: epoch 3 of 9   val mIoU 0.125   TIME"]


def test_a_trial_without_a_label_is_not_told_until_it_has_one(study):
    console = plain()
    monitor = watch(study, console)
    trial = study.ask()
    study.enqueue_trial({})
    monitor._look()
    assert lines(console) == []
    trial.set_user_attr(LABEL, "plain")
    monitor._look()
    assert lines(console) == ["trial 0: plain   (0 of 5 done)"]


def test_what_ended_before_is_no_news_and_the_last_look_comes_after_the_end(study):
    end(study, begin(study, "old"), "complete", 0.5)
    console = plain()
    with watch(study, console):
        end(study, begin(study, "new"), "complete", 0.75)
    assert lines(console)[-1] == "[complete] trial 1 new   val/miou 0.750   TIME"
    assert not any("old" in line for line in lines(console))


def test_a_budget_that_a_later_call_has_changed_is_told(study):
    console = plain()
    study.set_user_attr(BUDGET, 40)
    begin(study, "plain")
    watch(study, console)._look()
    assert lines(console) == ["trial 0: plain   (0 of 40 done)"]


def test_every_look_calls_back(study):
    looks = []
    with watch(study, plain(), on_look=lambda: looks.append(1)):
        pass
    assert looks


@pytest.mark.parametrize(
    ("outcome", "value", "reason", "expected"),
    [
        ("complete", 0.5, "", "[complete] trial 0 plain   val/miou 0.500   TIME"),
        ("infeasible", 0.5, "", "[infeasible] trial 0 plain   val/miou 0.500   TIME"),
        ("pruned", None, "given up at epoch 3", "[pruned] trial 0 plain   given up at epoch 3   TIME"),
        ("interrupted", None, "KeyboardInterrupt: ", "[interrupted] trial 0 plain   KeyboardInterrupt:    TIME"),
    ],
)
def test_how_a_trial_ended(study, outcome, value, reason, expected):
    end(study, begin(study, "plain"), outcome, value, reason)
    told = describe_end(study.trials[0], outcome, list(MIOU))
    assert re.sub(r"\d+ s$", "TIME", told) == expected


def three_running(**changes):
    settings = {
        "n_trials": 40,
        "done": 12,
        "running": (
            Running(12, "soften_fn road alpha=0.25", 4, 30, 0.4123, 95.0),
            Running(13, "attenuate_fn [water] alpha=0.5", 15, 30, 0.3877, 410.0),
            Running(15, "", 0, 0, None, 2.0),
        ),
        "queued": 1,
        "pruned": 3,
        "failed": 2,
        "lost": 0,
        "best": ("soften_fn road alpha=0.5", (1.234, -0.567)),
        "front": 4,
        "hypervolume": 12.345,
        "left_s": 3725.0,
    }
    return Snapshot(**settings | changes)


def render(snapshot, directions=TWO, width=130):
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True, legacy_windows=False)
    console.print(draw(snapshot, list(directions)))
    return console.export_text()


def test_the_display_has_counts_best_volume_and_bars():
    counts, best, front, *rows = render(three_running()).splitlines()
    # What there is none of is left out.
    assert "12 of 40 done · 3 running · 1 queued · 3 pruned · 2 failed · 1:02:05 left" in counts
    # 12 of 40 of a bar of 24 are 7.2, with a gap after them.
    assert counts.startswith("━" * 7 + "╺" + "━" * 16 + " ")
    objectives = "tradeoff/others_gain 1.234, tradeoff/target_cost -0.567"
    assert best.rstrip() == f"best: {objectives}   soften_fn road alpha=0.5"
    assert front.rstrip() == "front: 4 trials, hypervolume 12.3"
    assert len(rows) == 3
    assert re.match(r"   12 soften_fn road alpha=0\.25 +[━╺]{8}  epoch 4 of 30 mIoU 0\.412 1:35", rows[0])
    assert re.match(r"   13 attenuate_fn \[water\] alpha=0\.5 [━╺]{8} epoch 15 of 30 mIoU 0\.388 6:50", rows[1])
    assert re.match(r"   15 … +━{8} +starting +0:02", rows[2])


def test_a_display_of_one_objective_has_neither_front_nor_volume():
    text = render(three_running(best=("plain", (0.5,)), hypervolume=None), MIOU)
    assert "best: val/miou 0.500   plain" in text
    assert "front" not in text
    assert "hypervolume" not in text


def test_a_display_of_a_sweep_that_has_just_begun():
    text = render(three_running(done=0, running=(), queued=0, pruned=0, failed=0, best=None, left_s=None))
    assert "0 of 40 done · 0 running · ? left" in text
    assert "best" not in text


def test_a_display_shows_eight_running_trials_and_says_how_many_more():
    text = render(three_running(running=tuple(Running(n, f"trial{n}", 1, 2, 0.5, 1.0) for n in range(20))))
    assert "trial7" in text
    assert "trial8" not in text
    assert "and 12 more" in text


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_display_shortens_labels_and_keeps_the_epochs(width):
    rows = [line for line in render(three_running(), width=width).splitlines() if re.match(r" +1\d ", line)]
    assert ["epoch 4 of 30" in rows[0], "epoch 15 of 30" in rows[1], "starting" in rows[2]] == [True] * 3
    assert ("…" in rows[1]) == (width == 60)


def test_on_a_terminal_the_display_is_drawn_and_lines_go_above_it(study, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    console = Console(file=io.StringIO(), width=100, force_terminal=True, legacy_windows=False)
    study.set_user_attr(BUDGET, 3)
    with watch(study, console):
        end(study, begin(study, "plain"), "complete", 0.5)
        begin(study, "ignore_fn road").set_user_attr(EPOCH, [1, 2, 0.25])
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "[complete] trial 0 plain   val/miou 0.500" in text
    assert "1 of 3 done · 1 running" in text
    assert "ignore_fn road" in text
    assert "best: val/miou 0.500   plain" in text
    # Lines of trials that begin or go on are for those who have no display.
    assert "trial 1: ignore_fn road" not in text


def test_in_ci_there_are_plain_lines_even_on_a_terminal(study, monkeypatch):
    monkeypatch.setenv("CI", "true")
    console = Console(file=io.StringIO(), width=100, force_terminal=True, legacy_windows=False)
    with watch(study, console):
        end(study, begin(study, "plain"), "complete", 0.5)
    text = console.file.getvalue()
    assert "[complete] trial 0 plain" in text
    assert "━" not in text
