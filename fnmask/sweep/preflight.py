"""What is checked of a sweep before any training: every option, and that the search can use what it is given."""

import importlib
import itertools
import re
from collections.abc import Collection, Sequence
from typing import cast

import optuna
from optuna.distributions import CategoricalDistribution

from fnmask.binding import ConfigError, suggest
from fnmask.config import TrialConfig
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer
from fnmask.sweep.grammar import Value, overrides_of
from fnmask.sweep.samplers import LARGEST_LISTED_SPACE
from fnmask.sweep.space import Hook, Space

# Grids up to this size are checked combination by combination, larger spaces option by option.
_CHECKED_COMBINATIONS = 16
# Nodes that no trial has for itself.
_SHARED = ("study", "tracking", "root", "hydra")
# Trials that are made up to see what a hook asks for.
_HOOK_SAMPLES = 16


def load_hook(path: str) -> Hook:
    """The function that an import path names."""
    module, _, name = path.rpartition(".")
    try:
        hook = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        fault = f"study.hook: got {path!r}: {error}. Give PACKAGE.MODULE.FUNCTION, which Python can import."
        raise ConfigError([fault]) from None
    if not callable(hook):
        raise ConfigError([f"study.hook: {path!r} is no function of (trial, chosen)."])
    return cast(Hook, hook)


def check_keys(space: Space) -> None:
    """What a trial does not read, or all trials share, would be searched in vain."""
    shared = [key for key in space.keys if re.split("[./@]", key.lstrip("+"))[0] in _SHARED]
    if shared:
        raise ConfigError([f"{key}: is the same for all trials of a sweep, and cannot be searched." for key in shared])


def check_sampler(study: StudyConfig, space: Space) -> None:
    """CMA-ES moves a normal distribution over numbers: it has nothing to say of choices, conditions and fronts."""
    if study.sampler == "grid" and space.hook is not None:
        fault = (
            "study.hook: study.sampler=grid lists what it runs, and a hook asks for more. Take sampler=tpe or random."
        )
        raise ConfigError([fault])
    choices_alone = all(isinstance(of, CategoricalDistribution) for of in space.distributions.values())
    if study.sampler == "grid" and choices_alone and space.n_combinations(LARGEST_LISTED_SPACE) is None:
        fault = (
            f"study.sampler: a grid of more than {LARGEST_LISTED_SPACE} combinations is never run. Take tpe or random."
        )
        raise ConfigError([fault])
    if study.sampler != "cma_es":
        return
    choices = [name for name, of in space.distributions.items() if isinstance(of, CategoricalDistribution)]
    faults = [
        f"{name}: study.sampler=cma_es takes intervals alone. Write interval(...), or sampler=tpe." for name in choices
    ]
    if len(study.directions) > 1:
        faults.append("study.directions: study.sampler=cma_es takes one. Take sampler=tpe or nsga2 for several.")
    if space.when:
        faults.append("study.when: study.sampler=cma_es takes no conditions. Take sampler=tpe.")
    if len(space.distributions) == 1 and not choices:
        faults.append("study.space: study.sampler=cma_es needs two intervals or more. Take sampler=tpe.")
    if faults:
        raise ConfigError(faults)


def check_directions(study: StudyConfig, base: TrialConfig) -> None:
    """Refuse objectives that there are not, or that a masked loss would move."""
    allowed = base.metric_keys()
    unknown = [key for key in study.directions if key not in allowed]
    if unknown:
        raise ConfigError([f"study.directions: got {key!r}. {suggest(key, allowed)}" for key in unknown])


def check_options(
    composer: Composer, space: Space, fixed: Sequence[str], base: TrialConfig, references: Collection[str] | None
) -> float:
    """Compose and bind every value of every parameter; in a small space every combination.

    Args:
        composer: composes them.
        space: what is searched.
        fixed: overrides of every trial.
        base: the config with the first value of every choice.
        references: those of the plain controls, where something is measured against them.

    Returns:
        Epochs before the mask of every one of them is at full strength.

    Raises:
        ConfigError: every fault found, with the values that make it.
    """
    combinations = list(itertools.islice(space.samples(), _CHECKED_COMBINATIONS + 1))
    if len(combinations) > _CHECKED_COMBINATIONS:
        combinations = list(space.each_value_once())
    candidates = [space.expand(combination) for combination in combinations] if space.hook is None else _try_hook(space)
    faults: dict[str, None] = {}
    full_epochs = base.loss.timing.full_epochs
    for chosen in candidates:
        words = overrides_of(chosen)
        try:
            config = composer.check((*fixed, *words))
            full_epochs = max(full_epochs, config.loss.timing.full_epochs)
            found: Sequence[str] = _find_misfits(config, base, references)
        except ConfigError as error:
            found = error.faults
        faults |= dict.fromkeys(f"{fault}  [with {' '.join(words)}]" for fault in found)
    if faults:
        raise ConfigError(faults)
    return full_epochs


def _try_hook(space: Space) -> list[dict[str, Value]]:
    """What a hook asks for cannot be listed: some trials as a random search would have them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    tried = []
    for _ in range(_HOOK_SAMPLES):
        try:
            tried.append(space.suggest(study.ask()))
        except Exception as error:  # the user's own code
            raise ConfigError([f"study.hook: {type(error).__name__}: {error}"]) from error
    return tried


def _find_misfits(config: TrialConfig, base: TrialConfig, references: Collection[str] | None) -> list[str]:
    """What keeps a trial out of this sweep, although it could be trained."""
    if config.source.class_names != base.source.class_names:
        return ["dataset: the trials of a sweep must share one list of classes. Run one sweep for each data set."]
    if references is not None and config.reference not in references:
        return ["study.controls: no plain control has this trial's seed, network, data, optimizer and budget."]
    return []
