"""The search space as it is written in `study.space`, `study.when` and `study.zip`, checked and read."""

from collections.abc import Callable, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution

from fnmask.binding import ConfigError
from fnmask.hydra_errors import explain_grammar
from fnmask.sweep.grammar import EVERY_CLASS, Value, choice_values, quote, read_distribution
from fnmask.sweep.space import Hook, Space

Conditions = Mapping[str, Mapping[str, Sequence[Value]]]


def read_space(
    entries: Mapping[str, str],
    *,
    when: Conditions,
    class_names: Callable[[], Sequence[str]],
    zipped: Sequence[Sequence[str]] = (),
    hook: Hook | None = None,
) -> Space:
    """Read a search space.

    Args:
        entries: Hydra key -> `choice(...)`, `interval(...)`, `tag(log, interval(...))` or `every_class`.
        when: conditions, see `Space`.
        class_names: gives what `every_class` stands for.
        zipped: lists of keys whose choices go together by their place.
        hook: see `Space`.

    Raises:
        ConfigError: a sweep that cannot be searched, a condition on a parameter that is not searched or that can never
            hold, or choices that cannot be zipped.
    """
    distributions: dict[str, BaseDistribution] = {}
    values: dict[str, list[Value]] = {}
    faults: list[str] = []
    for name, text in entries.items():
        try:
            parsed = _parse(name, text, class_names)
            distributions[name] = read_distribution(name, parsed)
            if isinstance(parsed.value(), ChoiceSweep):
                values[name] = choice_values(parsed)
        except HydraException as error:
            faults.append(f"{name}: got {text!r}: {explain_grammar(error)}")
        except ConfigError as error:
            faults.extend(error.faults)
    searched = ", ".join(entries) or "nothing"
    for name, conditions in when.items():
        missing = [key for key in (name, *conditions) if key not in entries]
        faults += [f"study.when: {key} is not searched. Searched: {searched}." for key in missing]
    faults += [fault for name in when for fault in _check_condition(name, when[name], distributions)]
    faults += [fault for keys in zipped for fault in _check_zip(keys, entries, values, when)]
    twice = [key for keys in zipped for key in keys if sum(key in others for others in zipped) > 1]
    faults += [f"study.zip: {key} stands in two lists. Join them." for key in dict.fromkeys(twice)]
    if faults:
        raise ConfigError(faults)
    followers = {_leader(keys, values): keys for keys in zipped}
    pairs = {leader: {key: tuple(values[key]) for key in keys if key != leader} for leader, keys in followers.items()}
    led = {key: leader for leader, keys in pairs.items() for key in keys}
    # A parameter comes after the leaders of those that its condition names.
    needs = {name: {led.get(other, other) for other in conditions} for name, conditions in when.items()}
    own = [name for name in entries if name not in led]
    space = Space({name: distributions[name] for name in _in_order(own, needs)}, when, pairs, hook)
    unreachable = [name for name in space.distributions if not space.is_reachable(name)]
    if unreachable:
        raise ConfigError(
            f"study.when.{name}: never asked: no combination of {', '.join(when[name])} meets its condition, given "
            "their own conditions."
            for name in unreachable
        )
    return space


def _parse(name: str, text: str, class_names: Callable[[], Sequence[str]]) -> Override:
    if text.strip() == EVERY_CLASS:
        text = f"choice({','.join(map(quote, class_names()))})"
    return OverridesParser.create().parse_override(f"{name}={text}")


def _check_condition(
    name: str, conditions: Mapping[str, Sequence[Value]], distributions: Mapping[str, BaseDistribution]
) -> list[str]:
    """A condition on a value that cannot be chosen would silently never hold."""
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


def _check_zip(
    keys: Sequence[str], entries: Mapping[str, str], values: Mapping[str, Sequence[Value]], when: Conditions
) -> list[str]:
    """Lists that go together by their place."""
    shown = ", ".join(keys)
    if len(keys) < 2:
        return [f"study.zip: got [{shown}]. Give two keys or more."]
    unknown = [key for key in keys if key not in entries]
    if unknown:
        searched = ", ".join(entries) or "nothing"
        return [f"study.zip: {key} is not searched. Searched: {searched}." for key in unknown]
    intervals = [key for key in keys if key not in values]
    if intervals:
        return [f"study.zip: {key} is no choice(...), and has no places to go by." for key in intervals]
    lengths = {key: len(values[key]) for key in keys}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        return [f"study.zip: {told} values. Zipped choices have the same number of them."]
    if any(key in when for key in keys):
        return [
            f"study.zip: {key} hangs on a condition; what is zipped is always asked." for key in keys if key in when
        ]
    if not _leaders(keys, values):
        return [f"study.zip: [{shown}]: one of them must have values that all differ, to tell the pairs apart."]
    return []


def _leaders(keys: Sequence[str], values: Mapping[str, Sequence[Value]]) -> list[str]:
    return [key for key in keys if len(set(map(repr, values[key]))) == len(values[key])]


def _leader(keys: Sequence[str], values: Mapping[str, Sequence[Value]]) -> str:
    """The key that stands for the list in Optuna: its values tell the places apart."""
    return _leaders(keys, values)[0]


def _in_order(names: Sequence[str], needs: Mapping[str, set[str]]) -> list[str]:
    """The names, each after those that its condition needs."""
    ordered: list[str] = []
    waiting = list(names)
    while waiting:
        ready = [name for name in waiting if all(other in ordered for other in needs.get(name, ()))]
        if not ready:
            raise ConfigError([f"study.when: {', '.join(waiting)} depend on each other in a circle."])
        ordered += ready
        waiting = [name for name in waiting if name not in ready]
    return ordered
