"""Compose and check the config of one trial of a sweep."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fnmask.config import MOVES_NOTHING, TrialConfig, check
from fnmask.hydra_errors import HYDRA_ERRORS, explain, is_complaint
from fnmask.sweep.grammar import Value

_MOST_COMPOSED = 64


class Composer:
    """Composes jobs as Hydra's launchers do, from the master config of a multirun."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        # Hydra takes a tenth of a second to compose: done once for the options of groups. The plain values of a trial
        # are set in a copy.
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], *, job_number: int = 0, folder: str = "0") -> DictConfig:
        """The job's config, with Hydra's own node.

        Args:
            overrides: all of the job's.
            job_number: Hydra's `job.num`.
            folder: where the job's files go, below `hydra.sweep.dir`.

        Raises:
            ConfigError: an override that does not fit.
        """
        try:
            cfg = self._compose(overrides)
        except (*HYDRA_ERRORS, ValueError) as error:
            if not is_complaint(error):
                raise
            raise explain(error, self._compose, overrides) from None
        with open_dict(cfg):
            cfg.hydra.job.id = str(job_number)
            cfg.hydra.job.num = job_number
            cfg.hydra.sweep.subdir = folder
        return cfg

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        options, values = split_values(overrides)
        cfg = self._compose_anew(options)
        try:
            for key, value in values.items():
                OmegaConf.update(cfg, key, value)
        except OmegaConfBaseException:
            # Hydra says what is wrong, such as with a key that there is not.
            return self._compose_anew(tuple(overrides))
        with open_dict(cfg):
            cfg.hydra.overrides.task = _of_the_task(overrides)
            cfg.hydra.job.override_dirname = _dirname(overrides, cfg.hydra.job.config.override_dirname)
        return cfg

    def _compose_anew(self, overrides: tuple[str, ...]) -> DictConfig:
        if overrides not in self._composed:
            # Values that only Hydra can set, such as lists, may be new in every trial.
            while len(self._composed) >= _MOST_COMPOSED:
                del self._composed[next(iter(self._composed))]
            self._composed[overrides] = self._loader.load_sweep_config(self._master, list(overrides))
        return copy.deepcopy(self._composed[overrides])

    def check(self, overrides: Sequence[str]) -> TrialConfig:
        """The checked config.

        Raises:
            ConfigError: every fault found.
        """
        return check_job(self.compose(overrides))

    def keys(self, group: str, overrides: Sequence[str]) -> frozenset[str]:
        """Keys that a group's option has."""
        return frozenset(str(key) for key in self.compose(overrides)[group])

    def control(self, fixed: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
        """Overrides of a control: the sweep's fixed ones, without those that the control's own options replace or lack.

        A control chooses its own loss and weighting: settings that were given for the searched ones (say a warm-up) and
        that the control does not have are left out.
        """
        parser = OverridesParser.create()
        options = {parsed.key_or_group for parsed in parser.parse_overrides(list(own))}
        keys = {group: self.keys(group, own) for group in options if "." not in group}
        kept = []
        for text, parsed in zip(fixed, parser.parse_overrides(list(fixed)), strict=True):
            group, _, key = parsed.key_or_group.partition(".")
            # With the option goes what hangs on it, such as loss/timing.
            replaced = any(parsed.key_or_group == option or group.startswith(f"{option}/") for option in options)
            lacking = group in keys and key and key.partition(".")[0] not in keys[group]
            if not replaced and not lacking:
                kept.append(text)
        return (*kept, *own)


def split_values(overrides: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Value]]:
    """Divide overrides into those that only Hydra can apply, and the values that may be set afterwards.

    Returns:
        Options of groups, additions, deletions, lists and the like; and `key=value` with a plain value.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    plain = [_is_plain(text, item) for text, item in zip(overrides, parsed, strict=True)]
    # Where one of these touches the same key, or what is above or below it, the order counts.
    others = [
        item.key_or_group
        for item, is_plain in zip(parsed, plain, strict=True)
        if not is_plain and ("." in item.key_or_group or item.type != OverrideType.CHANGE)
    ]
    values: dict[str, Value] = {
        item.key_or_group: cast(Value, item.value())
        for item, is_plain in zip(parsed, plain, strict=True)
        if is_plain and not any(_overlap(item.key_or_group, other) for other in others)
    }
    return tuple(text for text, item in zip(overrides, parsed, strict=True) if item.key_or_group not in values), values


def _is_plain(text: str, item: Override) -> bool:
    """Whether it is `key=value`, the value a number, a text, true, false or null, and the key no group's."""
    value = item.value()
    simple = value is None or isinstance(value, bool | int | float | str)
    # The option of a group has no dot; and text with an interpolation means something only where it stands.
    changes = "." in item.key_or_group and item.type == OverrideType.CHANGE and not item.is_hydra_override()
    return simple and changes and "${" not in text


def _overlap(key: str, other: str) -> bool:
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")


def _of_the_task(overrides: Sequence[str]) -> list[str]:
    """All but Hydra's own, which it keeps elsewhere."""
    return [text for text in overrides if not text.lstrip("+~").startswith(("hydra.", "hydra/"))]


def _dirname(overrides: Sequence[str], wording: DictConfig) -> str:
    """The overrides as a folder's name, as Hydra writes it."""
    keys = {text: text.lstrip("+~").partition("=")[0].partition("@")[0] for text in _of_the_task(overrides)}
    lines = sorted(text for text in _of_the_task(overrides) if keys[text] not in wording.exclude_keys)
    return str(wording.item_sep.join(lines).replace("=", wording.kv_sep))


def check_job(cfg: DictConfig) -> TrialConfig:
    """Check a composed job config that still has Hydra's node."""
    job = cfg.copy()
    with open_dict(job):
        del job["hydra"]
    return check(job, chosen_options(cfg))


def chosen_options(cfg: DictConfig) -> dict[str, str]:
    """Config group -> the option that was chosen, of a config that still has Hydra's node."""
    choices = cfg.hydra.runtime.choices
    return {str(group): str(option) for group, option in choices.items() if "/" not in str(group)}


def fixed_settings(cfg: DictConfig) -> dict[str, Any]:
    """The settings that all trials share, flattened with dots, without those that move no number."""
    moving = [str(key) for key in cfg if key not in ("hydra", "study", "tracking", "root")]
    settings = flatten(OmegaConf.to_container(OmegaConf.masked_copy(cfg, moving), resolve=True))
    # The data counts by its digest, wherever it lies; and how it is evaluated moves no number.
    unimportant = ("dataset.root", *(f"trainer.{key}" for key in MOVES_NOTHING))
    return {key: value for key, value in settings.items() if key not in unimportant}


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined with dots."""
    if not isinstance(node, Mapping):
        return {prefix: node}
    flat: dict[str, Any] = {}
    for key, value in node.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
