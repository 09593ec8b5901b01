"""A preset's search where the command line has spoken: there the last word wins, and what hung on it is settled."""

from collections.abc import Callable, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep

from fnmask.sweep.grammar import Value, choice_values

Entries = Mapping[str, str]
Conditions = Mapping[str, Mapping[str, Sequence[Value]]]


def narrow(
    space: Entries,
    when: Conditions,
    fixed: Sequence[str],
    searched: Entries,
    keys_of: Callable[[str, str], frozenset[str]],
) -> tuple[dict[str, str], dict[str, dict[str, Sequence[Value]]]]:
    """What is left to search of a preset.

    Args:
        space: parameter -> text, the preset's.
        when: parameter -> {other parameter: values for which it is asked}.
        fixed: overrides of the command line that give one value.
        searched: parameter -> text, the command line's.
        keys_of: (group, override that chooses its option) -> keys of that option.

    Returns:
        Space and conditions without the parameters that were given a value, or that the chosen option of their group
        lacks, or whose condition a given value, or a shorter choice, rules out. A condition that a given value meets is
        dropped; of one that a shorter choice meets in part, that part stays.
    """
    when = {name: _shorten(conditions, space, searched) for name, conditions in when.items()}
    parsed = {text: OverridesParser.create().parse_override(text) for text in fixed}
    given = {item.key_or_group: item.value() for item in parsed.values() if not item.is_delete()}
    options = {item.key_or_group: text for text, item in parsed.items() if "." not in item.key_or_group}

    def is_open(name: str) -> bool:
        bare = name.lstrip("+")
        group, _, key = bare.partition(".")
        lacking = bool(key) and group in options and key.partition(".")[0] not in keys_of(group, options[group])
        conditions = when.get(name, {}).items()
        ruled_out = any(not values or (other in given and given[other] not in values) for other, values in conditions)
        return bare not in given and not lacking and not ruled_out

    entries = {name: text for name, text in space.items() if is_open(name)}
    closed = set(space) - set(entries)
    left = {
        name: {other: values for other, values in conditions.items() if other not in given}
        for name, conditions in when.items()
        if name not in closed
    }
    return entries, {name: conditions for name, conditions in left.items() if conditions}


def _shorten(
    conditions: Mapping[str, Sequence[Value]], space: Entries, searched: Entries
) -> dict[str, Sequence[Value]]:
    """The conditions without values that the preset has and the command line's own choice has not."""
    shorter: dict[str, Sequence[Value]] = {}
    for other, values in conditions.items():
        before, now = _choices(other, space), _choices(other, searched)
        # What the preset does not have either is a mistake, to be told as one.
        shorter[other] = [value for value in values if now is None or value in now or value not in (before or [])]
    return shorter


def _choices(name: str, entries: Entries) -> list[Value] | None:
    """The values of a choice; None when the parameter is no choice, or not there."""
    if name not in entries:
        return None
    parsed = OverridesParser.create().parse_override(f"{name}={entries[name]}")
    return choice_values(parsed) if isinstance(parsed.value(), ChoiceSweep) else None
