"""The replay of a pruning rule over finished trials, by hand."""

import pytest

from benchmarks.pruning import Finished, replay
from fnmask.sweep.dominance import DominanceRule

RULE = DominanceRule(margin_points=1.0, patience_epochs=2, n_startup_trials=1)


def trial(*scores, first_epoch=0, is_control=False):
    """One whose two objectives are equal in every epoch."""
    curve = {epoch: (score, score) for epoch, score in enumerate(scores, 1)}
    return Finished(curve, (scores[-1], scores[-1]), first_epoch, is_control)


def test_nothing_is_given_up_without_a_margin_between():
    found = replay([trial(5, 5, 5, 5), trial(4.5, 4.5, 4.5, 4.5)], RULE)
    assert (found.given_up, found.saved, found.lost_front) == (0, 0, (0, 1))


def test_a_worse_trial_is_given_up_after_two_epochs():
    found = replay([trial(5, 5, 5, 5), trial(1, 1, 1, 1)], RULE)
    # Two of eight epochs, and one of two trials.
    assert (found.given_up, found.saved, found.lost_front, found.lost_volume) == (0.5, 0.25, (0, 1), 0)


def test_epochs_before_the_full_mask_do_not_count():
    found = replay([trial(5, 5, 5, 5), trial(1, 1, 1, 1, first_epoch=1)], RULE)
    assert found.saved == 1 / 8
    assert replay([trial(5, 5, 5, 5), trial(1, 1, 1, 1, first_epoch=2)], RULE).saved == 0


def test_what_would_have_come_first_in_the_end_is_lost():
    found = replay([trial(2, 2, 2, 2), trial(0, 0, 0, 3)], RULE)
    # Above the worst score in each objective, 2, it alone holds all of the volume.
    assert found.lost_front == (1, 1)
    assert found.lost_volume == pytest.approx(1)


def test_a_control_is_never_given_up():
    assert replay([trial(5, 5, 5, 5), trial(1, 1, 1, 1, is_control=True)], RULE).given_up == 0


def test_a_trial_that_was_given_up_is_no_rival():
    # The second would dominate the third, but it was itself given up.
    rule = DominanceRule(margin_points=1.0, patience_epochs=1, n_startup_trials=1)
    trials = [trial(9, 1, 1, 1), trial(5, 5, 5, 5), trial(9, 2, 2, 2)]
    assert replay(trials, rule).given_up == pytest.approx(1 / 3)
