"""Config nodes against signatures: `_target_` names a callable, the other keys are its keyword arguments.

A node is checked without calling anything: each key against the parameters, each value against its annotation
(`Annotated[float, Ge(0)]`, `Literal[...]`), and every fault is collected, so that a person mends all of them at once.
"""

import difflib
import importlib
import inspect
import json
import sys
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

Model = TypeVar("Model", bound=BaseModel)
Checked = TypeVar("Checked")


class ConfigError(Exception):
    """One or more faults in a composed config: each names its key, what was given and what is allowed."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True)
class Bound:
    """A callable with checked keyword arguments, waiting for the ones that only the trial knows."""

    path: str
    function: Callable[..., Any]
    kwargs: Mapping[str, Any]

    def __call__(self, **known: Any) -> Any:
        """Call it with the keyword arguments from the config and those `known` that it asks for."""
        accepted = inspect.signature(self.function).parameters
        return self.function(**self.kwargs, **{key: value for key, value in known.items() if key in accepted})


def describe_faults(error: ValidationError, *, prefix: str, allowed: Collection[str]) -> list[str]:
    """Pydantic's findings in fnmask's words: `key: given: what is allowed`."""
    faults = []
    for place, item in _as_meant(error.errors()):
        key = ".".join([prefix, *(str(part) for part in place)])
        if item["type"] == "extra_forbidden":
            faults.append(f"{key}: unknown key. {suggest(str(item['loc'][-1]), allowed)}")
        elif item["type"] == "missing":
            faults.append(f"{key}: missing. Give {key}=VALUE.")
        else:
            faults.append(f"{key}: got {item['input']!r}. {item['msg']}.")
    return faults


def _as_meant(errors: Sequence[Mapping[str, Any]]) -> Iterator[tuple[tuple[int | str, ...], Mapping[str, Any]]]:
    """Place and error; of a value that may be one or a list of them pydantic reports both, here the kind given."""
    for item in errors:
        place = item["loc"]
        rivals = [other for other in errors if other["loc"][:1] == place[:1] and len(other["loc"]) > 1]
        of_lists = [other for other in rivals if str(other["loc"][1]).startswith("list[")]
        if not of_lists:
            yield place, item
        elif (item in of_lists) == any(other["type"] != "list_type" for other in of_lists):
            yield (place[0], *place[2:]), item


def suggest(given: str, allowed: Collection[str]) -> str:
    """`Did you mean ...? Allowed: ...` for a name that is none of the allowed ones."""
    close = difflib.get_close_matches(given, [name for name in allowed if name != given], n=1)
    return (f"Did you mean {close[0]}? " if close else "") + f"Allowed: {', '.join(allowed) or 'nothing'}."


def validate(model: type[Model], node: Mapping[str, Any], *, prefix: str) -> Model:
    """Read a node into a typed model.

    Raises:
        ConfigError: a key or value that the model does not allow, all of them at once.
    """
    try:
        # As JSON, whose lists also serve where a tuple is asked for, even by a model that is strict about numbers.
        return model.model_validate_json(json.dumps(dict(node)))
    except ValidationError as error:
        faults = describe_faults(error, prefix=prefix, allowed=list(model.model_fields))
        raise ConfigError(faults) from None


def with_faults(faults: Sequence[str], action: Callable[[], Checked]) -> Checked:
    """What the action returns, unless it or something before it found a fault: then all of them are raised."""
    try:
        result = action()
    except ConfigError as error:
        raise ConfigError([*faults, *error.faults]) from None
    if faults:
        raise ConfigError(faults)
    return result


def bind(node: Mapping[str, Any], *, prefix: str, known: Collection[str] = ()) -> Bound:
    """Check a `_target_` node against the signature it names, calling nothing.

    Args:
        node: `_target_` (an import path) and keyword arguments.
        prefix: dotted key of the node, for messages.
        known: parameters that the caller gives and the config must not.

    Raises:
        ConfigError: no such callable, or arguments that do not fit it.
    """
    path = str(node.get("_target_", ""))
    try:
        module_name, _, name = path.rpartition(".")
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, ValueError, AttributeError) as error:
        fault = f"{prefix}._target_: got {path!r}. It must be the import path of a callable ({error})."
        raise ConfigError([fault]) from None
    if not callable(function):
        raise ConfigError([f"{prefix}._target_: got {path!r}. It must be the import path of a callable."])
    try:
        model = _signature_model(function, known)
    except ValueError as error:
        raise ConfigError([f"{prefix}._target_: got {path!r}, whose arguments cannot be checked ({error})."]) from None
    checked = validate(model, {key: value for key, value in node.items() if key != "_target_"}, prefix=prefix)
    return Bound(path, function, {key: getattr(checked, key) for key in model.model_fields})


def _signature_model(function: Callable[..., Any], known: Collection[str]) -> type[BaseModel]:
    """The keyword parameters of a callable as a pydantic model that allows nothing else."""
    called = function.__init__ if inspect.isclass(function) else function
    parameters = inspect.signature(function).parameters
    asked = {name: item for name, item in parameters.items() if name not in known and item.kind is not item.VAR_KEYWORD}
    # Only what is asked for is evaluated: other annotations may name types of a backend that is not loaded here.
    typed = {name: item.annotation for name, item in asked.items() if item.annotation is not inspect.Parameter.empty}
    annotated = SimpleNamespace(__annotations__=typed)
    hints = typing.get_type_hints(annotated, vars(sys.modules[called.__module__]), include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in asked.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    fields |= {name: (hint, ...) for name, hint in _unpacked(called, parameters).items()}
    config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, protected_namespaces=(), allow_inf_nan=False, strict=True
    )
    return create_model(getattr(function, "__name__", "target"), __config__=config, **fields)


def _unpacked(called: Callable[..., Any], parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The keys of `**name: Unpack[SomeTypedDict]`, all of them required."""
    extra = [item for item in parameters.values() if item.kind is item.VAR_KEYWORD]
    if not extra:
        return {}
    annotation = typing.get_type_hints(called, include_extras=True).get(extra[0].name)
    if typing.get_origin(annotation) is not typing.Unpack:
        raise ValueError(f"**{extra[0].name} takes anything")
    return typing.get_type_hints(typing.get_args(annotation)[0], include_extras=True)
