"""Compose and check the config of one trial of a sweep."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict

from fnmask.config import MOVES_NOTHING, TrialConfig, check
from fnmask.hydra_errors import HYDRA_ERRORS, explain, is_complaint


class Composer:
    """Composes jobs as Hydra's launchers do, from the master config of a multirun."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = loader
        self._master = master
        # Hydra takes a fifth of a second for each, and a plan asks for the same ones again.
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
        key = tuple(overrides)
        if key not in self._composed:
            self._composed[key] = self._loader.load_sweep_config(self._master, list(overrides))
        return copy.deepcopy(self._composed[key])

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


def check_job(cfg: DictConfig) -> TrialConfig:
    """Check a composed job config that still has Hydra's node."""
    choices = {str(group): str(option) for group, option in cfg.hydra.runtime.choices.items() if "/" not in str(group)}
    job = cfg.copy()
    with open_dict(job):
        del job["hydra"]
    return check(job, choices)


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
