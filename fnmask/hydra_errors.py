"""Hydra's complaints in fnmask's words: the key, what was given, what is allowed."""

import re
import shlex
from collections.abc import Callable, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fnmask.binding import ConfigError, suggest

HYDRA_ERRORS = (HydraException, OmegaConfBaseException)

# Hydra refuses `loss=null` and `loss=5` with a ValueError that does not name the key.
_NOT_AN_OPTION = "Config group override must be a string"

Compose = Callable[[Sequence[str]], DictConfig]


def is_complaint(error: Exception) -> bool:
    """Whether Hydra or OmegaConf refuses what it was given, rather than anything having broken."""
    return isinstance(error, HYDRA_ERRORS) or _NOT_AN_OPTION in str(error)


def explain(error: Exception, compose: Compose, overrides: Sequence[str]) -> ConfigError:
    """A `ConfigError` that says the same.

    Args:
        error: what Hydra or OmegaConf raised while composing.
        compose: composes a config from overrides, to see which keys exist.
        overrides: those at fault among others.
    """
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file:
        group, _, given = error.missing_cfg_file.rpartition("/")
        return ConfigError([f"{group}: got {given!r}. {suggest(given, list(error.options))}"])
    text = str(error)
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown and "not in struct" in f"{text}{error.__cause__}":
        return ConfigError([_explain_unknown(unknown.group(1), _compose_options(compose, overrides))])
    if _NOT_AN_OPTION in text:
        return ConfigError(_explain_no_option(compose([]), overrides))
    return ConfigError(_explain_unread(overrides) or [explain_grammar(error)])


def _explain_unread(overrides: Sequence[str]) -> list[str]:
    """The overrides that Hydra cannot read, each with what to write."""
    faults = []
    for text in overrides:
        try:
            OverridesParser.create().parse_override(text)
        except HydraException as error:
            faults.append(f"{text}: {explain_grammar(error, text)}")
    return faults


def explain_grammar(error: Exception, override: str = "") -> str:
    """What is wrong with the text of an override, and how to write it where that is known."""
    text = str(error).strip()
    if "NoneType is incompatible" in text:
        # Only the function is typed so: a list without its name takes null.
        return f"{text}\nHydra's choice(...) takes no null: write the bare list, null,OTHER."
    key, _, value = override.partition("=")
    # What begins so was meant to be a list, a mapping or a text in quotes already.
    if not value or value.lstrip().startswith(("[", "{", '"', "'")):
        return text
    quoted = f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    return f"{text}\nA text that holds such signs stands in quotes of its own: {shlex.quote(quoted)}."


def _compose_options(compose: Compose, overrides: Sequence[str]) -> DictConfig:
    """The config with the options that were chosen, whose keys are those that exist; without them if they fail too."""
    try:
        return compose([text for text in overrides if "." not in text.partition("=")[0]])
    except HYDRA_ERRORS:
        return compose([])


def _explain_unknown(key: str, existing: DictConfig) -> str:
    """What there is at the deepest level that does exist."""
    if isinstance(OmegaConf.select(existing, key), DictConfig):
        return (
            f"{key}: has entries already, from a preset. Add to them with '+{key}={{...}}', or replace them: "
            f"'~{key}' '+{key}={{...}}'."
        )
    parts = key.split(".")
    for depth in reversed(range(len(parts))):
        above = ".".join(parts[:depth])
        node = OmegaConf.select(existing, above) if above else existing
        if isinstance(node, DictConfig):
            names = [str(name) for name in node if name not in ("hydra", "_target_")]
            allowed = [f"{above}.{name}" if above else name for name in names]
            return f"{key}: unknown key. {suggest('.'.join(parts[: depth + 1]), allowed)}"
    return f"{key}: unknown key."


def _explain_no_option(existing: DictConfig, overrides: Sequence[str]) -> list[str]:
    parsed = [OverridesParser.create().parse_override(text) for text in overrides]
    return [
        f"{item.key_or_group}: got {item.value()!r}. It is a group: give the name of one of its options."
        for item in parsed
        if isinstance(existing.get(item.key_or_group), DictConfig) and not isinstance(item.value(), str | list)
    ]
