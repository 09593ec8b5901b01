"""The three sentences say what the table shows, and no more."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hand_worked import DOWN, PLAIN, SOFT, sweep_of, table_of, trial

from fnmask.compare.plots import pareto_figure
from fnmask.compare.runs import Trial
from fnmask.compare.verdict import verdict

LIKE = [[82, 18, 0], [10, 40, 0], [0, 10, 40]]


def told(*trials: Trial) -> str:
    sweep = sweep_of(*trials)
    return " ".join(verdict(sweep, table_of(sweep)))


def test_one_seed_settles_nothing() -> None:
    text = told(
        trial(0, "plain", PLAIN, control="plain"),
        trial(1, "soft", SOFT),
        trial(2, "down", DOWN, control="class_downweight"),
    )
    assert text.startswith(
        "1 masked loss and 1 class down-weighting for road against the plain control, 1 seed, 3 test"
    )
    assert "soft wins most: +13.2 points of IoU for the other classes" in text
    assert "and +4.5 for the target itself" in text
    assert "down gives +8.3 points" in text
    assert "less than the first" in text
    assert "One seed settles nothing" in text
    assert "significant" not in text


def test_what_is_printed_as_equal_is_called_so() -> None:
    nearly = [[950001, 49999, 0], [200000, 300000, 0], [0, 0, 500000]]
    text = told(
        trial(0, "plain", [[10000 * count for count in row] for row in PLAIN], control="plain"),
        trial(1, "soft", [[10000 * count for count in row] for row in SOFT]),
        trial(2, "down", nearly, control="class_downweight"),
    )
    assert "as much as the first" in text


def test_like_is_compared_with_like() -> None:
    trials = [
        trial(0, "plain", PLAIN, control="plain", targets=("land",)),
        trial(1, "soft road", SOFT),
        trial(2, "down car", DOWN, control="class_downweight", targets=("car",)),
    ]
    assert "simply weighting" not in told(*trials), "a control of another target"
    # An ordinary trial of the search may have the control's loss; it wins least here, and counts all the same.
    text = told(*trials, trial(3, "down road", LIKE, loss="downweight"))
    assert "soft road wins most" in text
    assert "down road gives" in text


def test_a_control_that_wins_more_is_said_to() -> None:
    text = told(
        trial(0, "plain", PLAIN, control="plain"),
        trial(1, "soft", LIKE),
        trial(2, "down", SOFT, control="class_downweight"),
    )
    assert "more than the first" in text


def test_down_weighting_by_the_search_is_no_masked_variant() -> None:
    trials = [trial(0, "plain", PLAIN, control="plain"), trial(1, "down", SOFT, loss="downweight")]
    trials.append(trial(2, "plain · median_frequency", SOFT, loss="plain"))
    assert "no masked variant" in told(*trials)
    traces = {trace.name: trace for trace in pareto_figure(table_of(sweep_of(*trials))).data}
    assert traces["down-weighted road"].marker.symbol == "diamond"


def test_who_wants_the_target_kept_is_told_of_a_cheap_one() -> None:
    dear = [[98, 2, 0], [45, 5, 0], [0, 0, 50]]
    cheap = [[84, 16, 0], [10, 40, 0], [0, 9, 41]]
    text = told(trial(0, "plain", PLAIN, control="plain"), trial(1, "dear", dear), trial(2, "cheap", cheap))
    assert "If its misses do not matter, dear wins most" in text
    assert "if it may lose at most 1 point, cheap wins most" in text
    text = told(trial(0, "plain", PLAIN, control="plain"), trial(1, "dear", dear))
    assert "no mask wins anything" in text


def test_where_no_mask_wins_anything_none_is_praised() -> None:
    worse = [[70, 30, 0], [10, 40, 0], [0, 20, 30]]
    text = told(trial(0, "plain", PLAIN, control="plain"), trial(1, "worse", worse), trial(2, "same", PLAIN))
    assert "No mask wins anything for the other classes, same does best with 0.0 points" in text
    assert "wins most" not in text


def test_targets_are_judged_one_by_one() -> None:
    text = told(
        trial(0, "plain", PLAIN, control="plain"),
        trial(1, "soft road", SOFT),
        trial(2, "soft car", SOFT, targets=("car",)),
        trial(3, "soft both", SOFT, targets=("road", "car")),
    )
    assert "road: whether or not its misses matter, soft road wins most: +13.2" in text
    assert "car: whether or not its misses matter, soft car wins most: +5.5" in text
    assert "road and car: whether or not its misses matter, soft both wins most: +6.4" in text


def test_seeds_are_those_that_are_paired() -> None:
    plain = seeds_of("plain", PLAIN, shift=1, control="plain")
    assert "intervals over 3 seeds and" in told(*plain[:3], *seeds_of("soft", SOFT, shift=1))
    assert "intervals over 3 and 4 seeds and" in told(
        *plain, *seeds_of("soft", SOFT, shift=1), *seeds_of("short", SOFT, shift=1)[1:]
    )


def test_one_seed_beside_others_of_several_is_said_to_be_one() -> None:
    plain, few = seeds_of("plain", PLAIN, shift=1, control="plain"), "(one seed, so over images alone)"
    text = told(*plain, *seeds_of("some", LIKE, shift=1), trial(9, "once", SOFT))
    assert re.search(r"once wins most: \+\S+ points of IoU for the other classes \[[^]]+\] " + re.escape(few), text)
    assert few not in told(*plain, *seeds_of("some", SOFT, shift=1))
    assert few not in told(plain[0], trial(9, "once", SOFT)), "the last sentence says it of all"


def test_a_name_stays_as_it_is_where_the_target_is_not_to_be_seen() -> None:
    unseen = [[80, 20, 0], [0, 0, 0], [0, 10, 40]]
    text = told(trial(0, "plain", unseen, control="plain"), trial(1, "soft", [[90, 10, 0], [0, 0, 0], [0, 0, 50]]))
    assert "What masks cost is unknown, since the split shows no pixel of the target; soft wins most: +15.0" in text
    assert "\N{EN DASH}" not in text


def test_no_more_names_than_a_sentence_holds() -> None:
    trials = [one for name in "abcde" for one in seeds_of(name, SOFT, shift=1)]
    text = told(*seeds_of("plain", PLAIN, shift=1, control="plain"), *trials)
    assert "the gain of a, b, c and 2 more" in text


def test_a_single_image_says_nothing_of_chance() -> None:
    trials = [*seeds_of("plain", PLAIN, shift=1, control="plain"), *seeds_of("soft", SOFT, shift=1)]
    alone = [
        replace(one, matrices={key: own.sum(axis=0, keepdims=True) for key, own in one.matrices.items()})
        for one in trials
    ]
    text = told(*alone)
    assert "1 test image." in text
    assert "Nothing can be said about chance" in text
    assert "a single image" in text


def seeds_of(variant: str, matrix: list[list[int]], *, shift: float, control: str = "") -> list[Trial]:
    """Four seeds that differ by a few pixels of land, more of them as `shift` grows."""
    made = []
    for seed in range(4):
        own = np.array(matrix)
        moved = int(shift * [1, -1, 2, -2][(seed + len(variant)) % 4])
        own[0, 0] -= moved
        own[0, 1] += moved
        made.append(trial(seed, variant, own.tolist(), seed=seed, control=control))
    return made


def test_a_large_and_steady_gain_is_significant() -> None:
    text = told(*seeds_of("plain", PLAIN, shift=1, control="plain"), *seeds_of("soft", SOFT, shift=1))
    assert "significant by 95 % intervals over 4 seeds and the images" in text
    assert "the gain of soft" in text
    assert "Bonferroni" in text


@pytest.mark.parametrize("shift", [2, 4])
def test_noise_is_not_significant_and_the_least_that_would_be_is_told(shift: float) -> None:
    trials = [*seeds_of("plain", PLAIN, shift=shift, control="plain"), *seeds_of("soft", LIKE, shift=shift)]
    text = told(*trials)
    assert "Nothing is significant" in text
    assert "would have to exceed" in text


def test_without_a_control_nothing_is_claimed() -> None:
    text = told(trial(0, "soft", SOFT))
    assert "without a plain control" in text
    assert "cannot be rated" in text
    assert "Nothing can be said" in text
