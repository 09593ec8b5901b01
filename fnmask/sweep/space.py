"""The search space: what a sweep varies, under which conditions, and in which combinations."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from fnmask.binding import ConfigError
from fnmask.hydra_errors import explain_grammar
from fnmask.sweep.grammar import EVERY_CLASS, Value, describe, quote, read_distribution


@dataclass(frozen=True)
class Space:
    """What a sweep varies.

    Attributes:
        distributions: Hydra key -> Optuna distribution, each after the parameters that its condition names.
        when: Hydra key -> {other key: values for which the parameter is asked}; no entry: always asked.
    """

    distributions: Mapping[str, BaseDistribution]
    when: Mapping[str, Mapping[str, Sequence[Value]]]

    def is_asked(self, name: str, chosen: Mapping[str, Value]) -> bool:
        """Whether the parameter applies, given the values chosen so far."""
        conditions = self.when.get(name, {})
        return all(other in chosen and chosen[other] in values for other, values in conditions.items())

    def suggest(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        """Ask Optuna for a value of every parameter that applies."""
        chosen: dict[str, Value] = {}
        for name, distribution in self.distributions.items():
            if self.is_asked(name, chosen):
                chosen[name] = _suggest(trial, name, distribution)
        return chosen

    def first(self) -> dict[str, Value]:
        """One combination: the first value of every parameter that applies."""
        return next(self.samples())

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Every combination of the choices, without those that differ only in parameters that do not apply.

        Raises:
            ConfigError: a parameter is an interval.
        """
        return self._combine(self.choices)

    def combinations_of(self, names: Sequence[str]) -> Iterator[dict[str, Value]]:
        """Every combination of some of the parameters, as far as they apply; nothing named: one, empty."""
        needed = dict.fromkeys(names)
        for name in reversed(list(self.distributions)):
            if name in needed:
                needed |= dict.fromkeys(self.when.get(name, {}))
        part = Space({name: self.distributions[name] for name in self.distributions if name in needed}, self.when)
        seen = []
        for chosen in part.samples():
            wanted = {name: value for name, value in chosen.items() if name in names}
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
                chosen: dict[str, Value] = {}
                for each in self.distributions:
                    if self.is_asked(each, chosen):
                        chosen[each] = value if each == name else needed.get(each, self.some_values(each)[0])
                if chosen not in seen:
                    seen.append(chosen)
                    yield chosen

    def _needed(self, name: str) -> dict[str, Value]:
        """Values of other parameters under which this one is asked, their own conditions among them."""
        needed: dict[str, Value] = {}
        for other, values in self.when.get(name, {}).items():
            needed |= {**self._needed(other), other: values[0]}
        return needed

    def some_values(self, name: str) -> tuple[Value, ...]:
        """The values of a choice, the two ends of an interval."""
        distribution = self.distributions[name]
        if isinstance(distribution, FloatDistribution | IntDistribution):
            return (distribution.low, distribution.high)
        return self.choices(name)

    def _combine(self, values_of: Callable[[str], tuple[Value, ...]]) -> Iterator[dict[str, Value]]:
        seen = set()
        for values in itertools.product(*(values_of(name) for name in self.distributions)):
            chosen: dict[str, Value] = {}
            for name, value in zip(self.distributions, values, strict=True):
                if self.is_asked(name, chosen):
                    chosen[name] = value
            key = tuple(sorted((name, repr(value)) for name, value in chosen.items()))
            if key not in seen:
                seen.add(key)
                yield chosen

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
        return described


def parse_space(
    entries: Mapping[str, str],
    *,
    when: Mapping[str, Mapping[str, Sequence[Value]]],
    class_names: Callable[[], Sequence[str]],
) -> Space:
    """Read a search space.

    Args:
        entries: Hydra key -> `choice(...)`, `interval(...)`, `tag(log, interval(...))` or `every_class`.
        when: conditions, see `Space`.
        class_names: gives what `every_class` stands for.

    Raises:
        ConfigError: a sweep that cannot be searched, or a condition on a parameter that is not searched.
    """
    distributions: dict[str, BaseDistribution] = {}
    faults = []
    for name, text in entries.items():
        every_class = text.strip() == EVERY_CLASS
        try:
            parsed = OverridesParser.create().parse_override(
                f"{name}=choice({','.join(map(quote, class_names()))})" if every_class else f"{name}={text}"
            )
            distributions[name] = read_distribution(name, parsed)
        except HydraException as error:
            faults.append(f"{name}: got {text!r}: {explain_grammar(error)}")
        except ConfigError as error:
            faults.extend(error.faults)
    searched = ", ".join(entries) or "nothing"
    for name, conditions in when.items():
        missing = [key for key in (name, *conditions) if key not in entries]
        faults += [f"study.when: {key} is not searched. Searched: {searched}." for key in missing]
    faults += [fault for name in when for fault in _check_condition(name, when[name], distributions)]
    if faults:
        raise ConfigError(faults)
    return Space({name: distributions[name] for name in _in_order(entries, when)}, when)


def _check_condition(
    name: str, conditions: Mapping[str, Sequence[Value]], distributions: Mapping[str, BaseDistribution]
) -> list[str]:
    """A parameter whose condition can never hold would silently not be searched."""
    faults = []
    for other, values in conditions.items():
        distribution = distributions.get(other)
        if distribution is not None and not isinstance(distribution, CategoricalDistribution):
            faults.append(f"study.when.{name}.{other}: {other} is an interval. A condition needs a choice(...).")
        if isinstance(distribution, CategoricalDistribution):
            wrong = [value for value in values if value not in distribution.choices]
            if wrong or not values:
                allowed = ", ".join(map(str, distribution.choices))
                faults.append(f"study.when.{name}.{other}: got {wrong or values}. Allowed: {allowed}.")
    return faults


def _suggest(trial: optuna.trial.Trial, name: str, distribution: BaseDistribution) -> Value:
    if isinstance(distribution, CategoricalDistribution):
        value: Value = trial.suggest_categorical(name, distribution.choices)
        return value
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _in_order(names: Mapping[str, str], when: Mapping[str, Mapping[str, Sequence[Value]]]) -> list[str]:
    """The names, each after those that its condition needs."""
    ordered: list[str] = []
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if all(other in ordered for other in when.get(name, {}))]
        if not ready:
            raise ConfigError([f"study.when: {', '.join(waiting)} depend on each other in a circle."])
        ordered += ready
        waiting = [name for name in waiting if name not in ready]
    return ordered
