"""Hydra's override grammar on one side, Optuna's distributions on the other."""

import math
from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, Quote, QuotedString, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from fnmask.binding import ConfigError
from fnmask.hydra_errors import explain_grammar

Value = bool | int | float | str | None

# In a preset that must serve any data set: a choice of all its classes.
EVERY_CLASS = "every_class"

# Whole numbers in a row beyond this many are written back as their two ends.
_LONGEST_LISTED_RANGE = 12


def override(name: str, value: Value) -> str:
    """`name=value` in Hydra's grammar, of a value that is written as it is: texts are quoted where they were."""
    if value is None:
        return f"{name}=null"
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    return f"{name}={value}"


def override_of_setting(name: str, value: object) -> str:
    """`name=value` in Hydra's grammar, of a value as it stands in a resolved config: lists and mappings too."""
    return f"{name}={_written(value)}"


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_written(key)}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return str(as_chosen(value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def as_chosen(value: Value) -> Value:
    """A value as a search holds it: a text that Hydra would not read back as itself is quoted."""
    return value if not isinstance(value, str) or _is_bare(value) else quote(value)


def overrides_of(chosen: Mapping[str, Value]) -> tuple[str, ...]:
    """The values as overrides."""
    return tuple(override(name, value) for name, value in chosen.items())


def split_arguments(arguments: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Divide the command line's overrides into those that sweep (key -> text) and those that all trials share.

    Raises:
        ConfigError: an override outside Hydra's grammar.
    """
    searched: dict[str, str] = {}
    fixed = []
    for argument in arguments:
        try:
            parsed = OverridesParser.create().parse_override(argument)
        except HydraException as error:
            raise ConfigError([f"{argument}: {explain_grammar(error, argument)}"]) from None
        # With what belongs to it, as in `+key` and `loss/timing@loss`.
        name, _, text = argument.partition("=")
        # Of a key that is given twice the last word wins, as in Hydra.
        for other in [key for key in searched if key.lstrip("+") == name.lstrip("+~")]:
            del searched[other]
        if parsed.is_sweep_override() or parsed.value() == EVERY_CLASS:
            searched[name] = text
        else:
            fixed.append(argument)
    return searched, tuple(fixed)


def read_distribution(name: str, parsed: Override) -> BaseDistribution:
    """Optuna's side of a sweep override.

    Raises:
        ConfigError: a sweep that has no such side; the message says what to write.
    """
    value = parsed.value()
    if isinstance(value, ChoiceSweep):
        choices = list({repr(item): item for item in choice_values(parsed)}.values())
        # 1, 1.0 and true are one choice to Optuna, as they are equal in Python.
        equal = [item for place, item in enumerate(choices) if item in choices[:place]]
        if equal:
            same = [item for item in choices if item == equal[0]]
            raise ConfigError([f"{name}: got {', '.join(map(repr, same))}, which are equal. Keep one of them."])
        return CategoricalDistribution(choices)
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        unknown = value.tags - {"log"}
        if unknown:
            raise ConfigError([f"{name}: got the tag {', '.join(sorted(unknown))}. Allowed: log."])
        log = "log" in value.tags
        finite = math.isfinite(value.start) and math.isfinite(value.end)
        if not value.start < value.end or (log and value.start <= 0) or not finite:
            rule = "0 < start < end" if log else "start < end"
            fault = f"{name}: got the interval from {value.start:g} to {value.end:g}. It needs {rule}, both finite."
            raise ConfigError([fault])
        if isinstance(value.start, int) and isinstance(value.end, int):
            return IntDistribution(value.start, value.end, log=log)
        return FloatDistribution(value.start, value.end, log=log)
    if isinstance(value, RangeSweep):
        items = list(value.range())
        if not items:
            raise ConfigError([f"{name}: got {parsed.input_line!r}, which holds no value. Write choice(a,b)."])
        in_a_row = len(items) > _LONGEST_LISTED_RANGE and items == list(range(int(items[0]), int(items[-1]) + 1))
        listed = ",".join(str(item) for item in items)
        advice = f"int(interval({items[0]},{items[-1]}))" if in_a_row else f"choice({listed})"
        fault = f"{name}: range(...) is refused: Hydra leaves out its end, Optuna counts it in. Write {name}={advice}"
        raise ConfigError([fault])
    raise ConfigError(
        [f"{name}: got {parsed.input_line!r}. Write choice(a,b), interval(a,b) or tag(log,interval(a,b))."]
    )


def choice_values(parsed: Override) -> list[Value]:
    """The values of a choice as they were written, one as often as it was."""
    value = parsed.value()
    assert isinstance(value, ChoiceSweep)
    return [_scalar(item, parsed) for item in value.list]


def _scalar(item: object, parsed: Override) -> Value:
    """A choice as Optuna can store it: lists and dicts stay in Hydra's notation."""
    if isinstance(item, QuotedString | str):
        text = item.text if isinstance(item, QuotedString) else item
        return as_chosen(text)
    if item is None or isinstance(item, bool | int | float):
        return item
    return Override._get_value_element_as_str(item)  # type: ignore[arg-type]


def _is_bare(text: str) -> bool:
    """Whether Hydra reads the text back as the same string without quotes; it does not for `null`, `1` or `a,b`."""
    try:
        read = OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException:
        return False
    return isinstance(read, str) and read == text


def quote(text: str) -> str:
    """The text as a string in Hydra's grammar, whatever it holds."""
    return QuotedString(text, Quote.single).with_quotes()


def describe(distribution: BaseDistribution) -> str:
    """The distribution in words."""
    if isinstance(distribution, CategoricalDistribution):
        return f"choice({', '.join(map(str, distribution.choices))})"
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    kind = "integer interval" if isinstance(distribution, IntDistribution) else "interval"
    return f"{'log ' if distribution.log else ''}{kind}({distribution.low:g}, {distribution.high:g})"
