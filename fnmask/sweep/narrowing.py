"""A preset's search where the command line has spoken: there the last word wins, and what hung on it is settled."""

from collections.abc import Callable, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser

from fnmask.sweep.grammar import Value

Entries = Mapping[str, str]
Conditions = Mapping[str, Mapping[str, Sequence[Value]]]


def narrow(
    space: Entries, when: Conditions, fixed: Sequence[str], keys_of: Callable[[str, str], frozenset[str]]
) -> tuple[dict[str, str], dict[str, dict[str, Sequence[Value]]]]:
    """What is left to search of a preset.

    Args:
        space: parameter -> text, the preset's.
        when: parameter -> {other parameter: values for which it is asked}.
        fixed: overrides of the command line that give one value.
        keys_of: (group, override that chooses its option) -> keys of that option.

    Returns:
        Space and conditions without the parameters that were given a value, or that the chosen option of their group
        lacks, or whose condition a given value rules out. A condition that a given value meets is dropped.
    """
    parsed = {text: OverridesParser.create().parse_override(text) for text in fixed}
    given = {item.key_or_group: item.value() for item in parsed.values() if not item.is_delete()}
    options = {item.key_or_group: text for text, item in parsed.items() if "." not in item.key_or_group}

    def is_open(name: str) -> bool:
        bare = name.lstrip("+")
        group, _, key = bare.partition(".")
        lacking = bool(key) and group in options and key.partition(".")[0] not in keys_of(group, options[group])
        ruled_out = any(other in given and given[other] not in values for other, values in when.get(name, {}).items())
        return bare not in given and not lacking and not ruled_out

    entries = {name: text for name, text in space.items() if is_open(name)}
    closed = set(space) - set(entries)
    left = {
        name: {other: values for other, values in conditions.items() if other not in given}
        for name, conditions in when.items()
        if name not in closed
    }
    return entries, {name: conditions for name, conditions in left.items() if conditions}
