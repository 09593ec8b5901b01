"""The search space: what a sweep varies, under which conditions, and in which combinations."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from fnmask.binding import ConfigError
from fnmask.sweep.grammar import Value, as_chosen, describe, overrides_of

Hook = Callable[[optuna.trial.Trial, Mapping[str, Value]], Mapping[str, Value]]


@dataclass(frozen=True)
class Space:
    """What a sweep varies.

    A *combination* holds a value for every parameter that applies, as Optuna stores it; `expand` adds what goes with
    them.

    Attributes:
        distributions: Hydra key -> Optuna distribution, each after the parameters that its condition names.
        when: Hydra key -> {other key: values for which the parameter is asked}; no entry: always asked.
        zipped: Hydra key -> {other key: its values}; the others take the value at the same place as the key's own.
        hook: adds values of its own to a trial of the search.
    """

    distributions: Mapping[str, BaseDistribution]
    when: Mapping[str, Mapping[str, Sequence[Value]]]
    zipped: Mapping[str, Mapping[str, Sequence[Value]]] = field(default_factory=dict)
    hook: Hook | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Every Hydra key that the search gives a value to, the hook's own left out."""
        return tuple(key for name in self.distributions for key in (name, *self.zipped.get(name, ())))

    def expand(self, combination: Mapping[str, Value]) -> dict[str, Value]:
        """The values of every key: the combination's own, and those that are zipped to them."""
        expanded: dict[str, Value] = {}
        for name, value in combination.items():
            expanded[name] = value
            for other, values in self.zipped.get(name, {}).items():
                # By type as well: 1, 1.0 and true are equal in Python.
                place = [repr(choice) for choice in self.choices(name)].index(repr(value))
                expanded[other] = values[place]
        return expanded

    def overrides(self, combination: Mapping[str, Value]) -> tuple[str, ...]:
        """The combination as Hydra's overrides."""
        return overrides_of(self.expand(combination))

    def is_asked(self, name: str, combination: Mapping[str, Value]) -> bool:
        """Whether the parameter applies, given the values chosen so far."""
        conditions = self.when.get(name)
        if not conditions:
            return True
        chosen = self.expand(combination)
        return all(other in chosen and chosen[other] in values for other, values in conditions.items())

    def draw(self, choose: Callable[[str, BaseDistribution], Value]) -> dict[str, Value]:
        """A combination, with `choose` asked for the value of every parameter that applies."""
        drawn: dict[str, Value] = {}
        for name, distribution in self.distributions.items():
            if self.is_asked(name, drawn):
                drawn[name] = choose(name, distribution)
        return drawn

    def suggest(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        """Ask Optuna for the values of a trial, zipped ones and the hook's included."""
        chosen = self.expand(self.draw(lambda name, distribution: _suggest(trial, name, distribution)))
        if self.hook is None:
            return chosen
        return chosen | {key: as_chosen(value) for key, value in self.hook(trial, chosen).items()}

    def first(self) -> dict[str, Value]:
        """One combination: the first value of every parameter that applies."""
        return next(self.samples())

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Every combination of the choices.

        Raises:
            ConfigError: a parameter is an interval.
        """
        return self._combine(self.choices)

    def n_combinations(self, limit: int) -> int | None:
        """How many combinations there are; None: more than `limit`, or infinitely many."""
        if self.hook is not None or not all(map(_is_choice, self.distributions.values())):
            return None
        counted = sum(1 for _ in itertools.islice(self.combinations(), limit + 1))
        return counted if counted <= limit else None

    def combinations_of(self, keys: Sequence[str]) -> Iterator[dict[str, Value]]:
        """Every combination of some of the keys, as far as they apply; nothing named: one, empty."""
        leaders = {other: name for name, others in self.zipped.items() for other in others}
        needed = {leaders.get(key, key) for key in keys}
        for name in reversed(list(self.distributions)):
            if name in needed:
                needed |= {leaders.get(other, other) for other in self.when.get(name, {})}
        part = Space(
            {name: self.distributions[name] for name in self.distributions if name in needed}, self.when, self.zipped
        )
        seen = []
        for combination in part.samples():
            wanted = {key: value for key, value in part.expand(combination).items() if key in keys}
            if wanted not in seen:
                seen.append(wanted)
                yield wanted

    def samples(self) -> Iterator[dict[str, Value]]:
        """Every combination of the choices and of the ends of the intervals."""
        return self._combine(self.some_values)

    def each_value_once(self) -> Iterator[dict[str, Value]]:
        """A few combinations that hold every choice, and every interval's ends, at least once."""
        seen: list[dict[str, Value]] = []
        for name in self.distributions:
            needed = self._needed(name)
            for value in self.some_values(name):
                fixed = {**needed, name: value}
                chosen = self.draw(lambda each, _, fixed=fixed: fixed.get(each, self.some_values(each)[0]))  # type: ignore[misc]
                if chosen not in seen:
                    seen.append(chosen)
                    yield chosen

    def _needed(self, name: str) -> dict[str, Value]:
        """Values of other parameters under which this one is asked."""
        part = self._combine(self.some_values, until=name)
        return next((combination for combination in part if self.is_asked(name, combination)), {})

    def is_reachable(self, name: str) -> bool:
        """Whether any combination asks for the parameter."""
        part = self._combine(self.some_values, until=name)
        return any(self.is_asked(name, combination) for combination in part)

    def some_values(self, name: str) -> tuple[Value, ...]:
        """The values of a choice, the two ends of an interval."""
        distribution = self.distributions[name]
        if isinstance(distribution, FloatDistribution | IntDistribution):
            return (distribution.low, distribution.high)
        return self.choices(name)

    def choices(self, name: str) -> tuple[Value, ...]:
        """The values of a choice.

        Raises:
            ConfigError: the parameter is an interval.
        """
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return tuple(distribution.choices)
        raise ConfigError([f"{name}: an interval has no list of values. Write it as choice(...)."])

    def describe(self) -> dict[str, str]:
        """Hydra key -> its distribution and condition in words, to be printed and compared."""
        described = {}
        for name, distribution in self.distributions.items():
            conditions = [f"{other} in {list(values)}" for other, values in self.when.get(name, {}).items()]
            described[name] = " when ".join(
                [describe(distribution), *([" and ".join(conditions)] if conditions else [])]
            )
            for other, values in self.zipped.get(name, {}).items():
                described[other] = f"choice({', '.join(map(str, values))}) zipped with {name}"
        return described

    def _combine(
        self, values_of: Callable[[str], tuple[Value, ...]], *, until: str | None = None
    ) -> Iterator[dict[str, Value]]:
        """Combinations in order, the last parameter changing fastest; `until` leaves out that one and what follows.

        Of the parameters before `until`, only those that its conditions hang on are varied.
        """
        names = list(self.distributions)
        if until is not None:
            ancestors = self._ancestors(until)
            names = [name for name in names[: names.index(until)] if name in ancestors]

        def grow(place: int, combination: dict[str, Value]) -> Iterator[dict[str, Value]]:
            if place == len(names):
                yield combination
            elif self.is_asked(names[place], combination):
                for value in values_of(names[place]):
                    yield from grow(place + 1, {**combination, names[place]: value})
            else:
                yield from grow(place + 1, combination)

        return grow(0, {})

    def _ancestors(self, name: str) -> set[str]:
        leaders = {other: leader for leader, others in self.zipped.items() for other in others}
        found: set[str] = set()
        waiting = list(self.when.get(name, {}))
        while waiting:
            other = leaders.get(key := waiting.pop(), key)
            if other not in found:
                found.add(other)
                waiting += self.when.get(other, {})
        return found


def _is_choice(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


def _suggest(trial: optuna.trial.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
