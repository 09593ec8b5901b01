"""Times contestants side by side, so that what else the machine does falls on all of them alike.

A round runs every contestant once, in shuffled order, and the reference after every few of them. A contestant's ratio
is its median over the median of the reference; the spread is the quartiles of the ratio round by round, where the
reference of a round is the median of its runs in that round.
"""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

Run = Callable[[], float]
"""Runs once and returns the seconds it took."""

REFERENCE_EVERY = 6
SLOW = 8.0  # times the reference
SLOW_ROUNDS_SHARE = 0.2


@dataclass(frozen=True)
class Ratio:
    """How a contestant compares with the reference.

    Attributes:
        median: of the contestant's seconds, over that of the reference.
        low: the lower quartile of the ratio round by round.
        high: the upper quartile.
        rounds: how many there were.
    """

    median: float
    low: float
    high: float
    rounds: int


@dataclass(frozen=True)
class Timings:
    """The seconds of every run: of a contestant one for each round that it took part in, None for the others."""

    reference: str
    seconds: Mapping[str, Sequence[float | None]]

    def median(self, name: str) -> float:
        """Seconds of a contestant."""
        return median(second for second in self.seconds[name] if second is not None)

    def ratio(self, name: str, of: str | None = None) -> Ratio:
        """A contestant over another one, by default over the reference."""
        of = of or self.reference
        pairs = zip(self.seconds[name], self.seconds[of], strict=True)
        by_round = [mine / theirs for mine, theirs in pairs if mine is not None and theirs is not None]
        low, _, high = quantiles(by_round, n=4, method="inclusive") if len(by_round) > 1 else by_round * 3
        return Ratio(self.median(name) / self.median(of), low, high, len(by_round))


def timed(function: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interleave(
    runs: Mapping[str, Run], *, reference: str, rounds: int, warmup: int = 2, seed: int = 0, log: Callable[[str], None]
) -> Timings:
    """Times every contestant in shuffled rounds.

    A contestant that takes more than `SLOW` times the reference in the last warm-up runs in a fifth of the rounds, at
    least three, spread evenly.

    Args:
        runs: contestant -> how to run it once; compiled before.
        reference: the contestant that the others are compared with.
        rounds: at least 1.
        warmup: rounds before them that do not count, at least 1.
        seed: of the order.
        log: told at the end of every round.
    """
    others = [name for name in runs if name != reference]
    order = random.Random(seed)
    for _ in range(warmup):
        last = {name: runs[name]() for name in (reference, *others)}
    few = min(rounds, max(3, math.ceil(rounds * SLOW_ROUNDS_SHARE)))
    chosen = {index * rounds // few for index in range(few)}
    seconds: dict[str, list[float | None]] = {name: [] for name in runs}
    for index in range(rounds):
        taking_part = [name for name in others if last[name] <= SLOW * last[reference] or index in chosen]
        order.shuffle(taking_part)
        taken: dict[str, float] = {}
        of_reference = []
        for place, name in enumerate(taking_part):
            if place % REFERENCE_EVERY == 0:
                of_reference.append(runs[reference]())
            taken[name] = runs[name]()
        seconds[reference].append(median(of_reference or [runs[reference]()]))
        for name in others:
            seconds[name].append(taken.get(name))
        log(f"round {index + 1} of {rounds}: reference {1e3 * (seconds[reference][-1] or 0):.0f} ms")
    return Timings(reference, seconds)
