"""What the benchmarks make of the seconds that they measure; worked out by hand, without a clock."""

from collections import Counter

import pytest

from benchmarks.timing import Timings, interleave


def silent(line):
    pass


def test_ratio_is_that_of_the_medians_and_its_spread_goes_round_by_round():
    timings = Timings("stock", {"stock": [1.0, 2.0, 4.0, 2.0, 2.0], "ours": [0.5, 1.0, 1.0, 2.0, 1.0]})
    ratio = timings.ratio("ours")
    # Medians 1 and 2; by round 0.5, 0.5, 0.25, 1, 0.5, whose quartiles are 0.5 and 0.5.
    assert (ratio.median, ratio.low, ratio.high, ratio.rounds) == (0.5, 0.5, 0.5, 5)
    assert timings.ratio("stock", "ours").median == 2.0


def test_ratio_leaves_out_the_rounds_without_the_contestant():
    timings = Timings("stock", {"stock": [1.0, 9.0, 1.0, 1.0, 1.0], "ours": [3.0, None, 4.0, None, 8.0]})
    ratio = timings.ratio("ours")
    assert (ratio.median, ratio.low, ratio.high, ratio.rounds) == (4.0, 3.5, 6.0, 3)


def test_every_round_runs_everyone_in_an_order_of_its_own():
    order = []

    def runs(name, seconds):
        def run():
            order.append(name)
            return seconds

        return run

    contestants = {"stock": runs("stock", 2.0), "a": runs("a", 1.0), "b": runs("b", 3.0), "c": runs("c", 2.0)}
    timings = interleave(contestants, reference="stock", rounds=6, warmup=2, log=silent)
    assert Counter(order) == dict.fromkeys(contestants, 8)  # with the warm-up
    rounds = [tuple(order[start : start + 4]) for start in range(8, 32, 4)]
    assert len(set(rounds)) > 1
    assert [timings.ratio(name).median for name in "abc"] == [0.5, 1.5, 1.0]


def test_slow_contestants_run_in_a_fifth_of_the_rounds():
    contestants = {"stock": lambda: 1.0, "quick": lambda: 2.0, "slow": lambda: 30.0}
    timings = interleave(contestants, reference="stock", rounds=20, warmup=1, log=silent)
    assert timings.ratio("quick").rounds == 20
    assert timings.ratio("slow").rounds == 4
    assert timings.ratio("slow").median == pytest.approx(30.0)
    assert [index for index, seconds in enumerate(timings.seconds["slow"]) if seconds] == [0, 5, 10, 15]
