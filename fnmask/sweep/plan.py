"""A sweep, decided before any training: what it varies, its controls, its budget, and that every option of it works."""

import importlib
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.distributions import CategoricalDistribution

from fnmask.binding import ConfigError, bind, suggest
from fnmask.config import TrialConfig, digest, read_class_names, read_study
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer, fixed_settings
from fnmask.sweep.constraints import Constraint, read_constraints
from fnmask.sweep.controls import make_controls
from fnmask.sweep.grammar import Value, overrides_of, split_arguments
from fnmask.sweep.narrowing import narrow
from fnmask.sweep.pruners import Pruner
from fnmask.sweep.samplers import LARGEST_LISTED_SPACE, UNIQUE
from fnmask.sweep.space import Hook, Space
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import Control

# Grids up to this size are checked combination by combination, larger spaces option by option.
_CHECKED_COMBINATIONS = 16
# Nodes that no trial has for itself.
_SHARED = ("study", "tracking", "root", "hydra")
# Trials that are made up to see what a hook asks for.
_HOOK_SAMPLES = 16


@dataclass(frozen=True)
class Plan:
    """Everything that is the same for all trials of a sweep.

    Attributes:
        study: the checked `study` node.
        name: of the study.
        fixed: overrides of every trial.
        space: what the search varies.
        controls: what runs first.
        grid: the combinations to run, or None when a sampler chooses.
        n_combinations: of choices alone, when no sampler runs one twice; None for any other space.
        n_trials: trials to finish, controls among them.
        constraints: what a trial must keep to.
        pruner: when a trial is given up.
        base: the checked config with the first value of every choice.
        fingerprint: what must not change when the study is taken up again.
    """

    study: StudyConfig
    name: str
    fixed: tuple[str, ...]
    space: Space
    controls: tuple[Control, ...]
    grid: tuple[Mapping[str, Value], ...] | None
    n_combinations: int | None
    n_trials: int
    constraints: tuple[Constraint, ...]
    pruner: Pruner
    base: TrialConfig
    fingerprint: Mapping[str, Any]

    def budget(self, n_controls: int) -> int:
        """Trials to finish with this many controls: no more than there are, since no combination is run twice."""
        return _budget(self.study, n_controls, self.n_combinations if self.grid is None else len(self.grid))

    def overrides(self, chosen: Mapping[str, Value]) -> tuple[str, ...]:
        """Overrides of the trial with these values."""
        return (*self.fixed, *overrides_of(chosen))


def make_plan(composer: Composer, arguments: Sequence[str], *, check_options: bool = True) -> Plan:
    """Read and check a sweep.

    Args:
        composer: composes the trials.
        arguments: the command line's overrides.
        check_options: compose and bind every option; a worker of a sweep that has begun need not.

    Raises:
        ConfigError: every fault found, in the space, in the controls, or in a config that the space can choose.
    """
    searched, fixed = split_arguments(arguments)
    shared = composer.compose(fixed)
    study = read_study(shared)
    entries, when = narrow(
        study.space, study.when, fixed, searched, lambda group, option: composer.keys(group, [option])
    )
    closed = {*_given(fixed), *(key for key in study.space if key not in entries and key not in searched)}
    zipped = [keys for keys in study.zip if not closed.issuperset(keys)]
    hook = None if study.hook is None else _load_hook(study.hook)
    space = read_space(
        entries | searched, when=when, class_names=lambda: read_class_names(shared), zipped=zipped, hook=hook
    )
    if not space.distributions and hook is None:
        raise ConfigError(["study.space: nothing is searched. Give a preset (+sweeps=NAME) or KEY=choice(...)."])
    _check_keys(space)
    _check_sampler(study, space)
    base = composer.check((*fixed, *space.overrides(space.first())))
    _check_directions(study, base)
    if study.seeds > 1 and "seed" in space.keys:
        raise ConfigError(["study.seeds: seed is searched as well. Give study.seeds=1, or take seed out of the space."])
    constraints = read_constraints(study.constraints, base.metric_keys())
    pruner = cast(Pruner, bind(study.pruner, prefix="study.pruner")())
    pruner.check(len(study.directions), study.seeds)
    controls = make_controls(composer, study, space, fixed, base)
    grid = tuple(space.combinations()) if study.sampler == "grid" else None
    # Without a trade-off among the directions nothing has to be measured against a control.
    measured = any(key.startswith("tradeoff/") for key in (*study.directions, *study.constraints))
    references = {control.reference for control in controls if control.name == "plain"} if measured else None
    if check_options:
        _check_options(composer, space, fixed, base, references)
    n_combinations = space.n_combinations(LARGEST_LISTED_SPACE) if study.sampler in UNIQUE else None
    settings = {key: value for key, value in fixed_settings(shared).items() if key not in space.keys}
    fingerprint = {
        "space": space.describe(),
        "controls": dict(study.controls),
        "directions": dict(study.directions),
        "sampler": study.sampler,
        **_unless_default(study),
        "data": base.data_digest,
        **settings,
    }
    return Plan(
        study=study,
        name=_name(study, base, fingerprint),
        fixed=fixed,
        space=space,
        controls=controls,
        grid=grid,
        n_combinations=n_combinations,
        n_trials=_budget(study, len(controls), n_combinations if grid is None else len(grid)),
        constraints=constraints,
        pruner=pruner,
        base=base,
        fingerprint=fingerprint,
    )


def _unless_default(study: StudyConfig) -> dict[str, Any]:
    """What else makes two searches different, where it is asked for."""
    kind = str(study.pruner.get("_target_", "")).rpartition(".")[2]
    asked = {
        "constraints": dict(study.constraints),
        "hook": study.hook,
        "seeds": study.seeds if study.seeds > 1 else None,
        "pruner": None if kind == "none" else dict(study.pruner),
    }
    return {key: value for key, value in asked.items() if value}


def _given(fixed: Sequence[str]) -> list[str]:
    return [text.lstrip("+~").partition("=")[0] for text in fixed]


def _load_hook(path: str) -> Hook:
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


def _check_keys(space: Space) -> None:
    """What a trial does not read, or all trials share, would be searched in vain."""
    shared = [key for key in space.keys if re.split("[./@]", key.lstrip("+"))[0] in _SHARED]
    if shared:
        raise ConfigError([f"{key}: is the same for all trials of a sweep, and cannot be searched." for key in shared])


def _check_sampler(study: StudyConfig, space: Space) -> None:
    """CMA-ES moves a normal distribution over numbers: it has nothing to say of choices, conditions and fronts."""
    if study.sampler == "grid" and space.hook is not None:
        fault = (
            "study.hook: study.sampler=grid lists what it runs, and a hook asks for more. Take sampler=tpe or random."
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


def _name(study: StudyConfig, base: TrialConfig, fingerprint: Mapping[str, Any]) -> str:
    if study.name is None:
        return f"sweep_{digest(fingerprint)[:8]}"
    try:
        name = study.name.format(**base.choices)
    except (AttributeError, LookupError, ValueError):
        allowed = [f"{{{group}}}" for group in base.choices]
        raise ConfigError([f"study.name: got {study.name!r}. Allowed in braces: {', '.join(allowed)}."]) from None
    # Folders and files are called by it.
    if not re.fullmatch(r"\w[\w .-]*", name):
        fault = f"study.name: got {name!r}. Allowed: letters, digits, blanks and _ - . after a letter or digit."
        raise ConfigError([fault])
    return name


def _check_directions(study: StudyConfig, base: TrialConfig) -> None:
    allowed = base.metric_keys()
    unknown = [key for key in study.directions if key not in allowed]
    if unknown:
        raise ConfigError([f"study.directions: got {key!r}. {suggest(key, allowed)}" for key in unknown])


def _check_options(
    composer: Composer, space: Space, fixed: Sequence[str], base: TrialConfig, references: Collection[str] | None
) -> None:
    """Compose and bind every value of every parameter; in a small space every combination."""
    combinations = list(itertools.islice(space.samples(), _CHECKED_COMBINATIONS + 1))
    if len(combinations) > _CHECKED_COMBINATIONS:
        combinations = list(space.each_value_once())
    candidates = [space.expand(combination) for combination in combinations] if space.hook is None else _try_hook(space)
    faults: dict[str, None] = {}
    for chosen in candidates:
        words = overrides_of(chosen)
        found = _find_faults(composer, (*fixed, *words), base, references)
        faults |= dict.fromkeys(f"{fault}  [with {' '.join(words)}]" for fault in found)
    if faults:
        raise ConfigError(faults)


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


def _find_faults(
    composer: Composer, overrides: Sequence[str], base: TrialConfig, references: Collection[str] | None
) -> Sequence[str]:
    """What is wrong with one combination."""
    try:
        config = composer.check(overrides)
    except ConfigError as error:
        return error.faults
    if config.source.class_names != base.source.class_names:
        return ["dataset: the trials of a sweep must share one list of classes. Run one sweep for each data set."]
    if references is not None and config.reference not in references:
        return ["study.controls: no plain control has this trial's seed, network, data, optimizer and budget."]
    return []


def _budget(study: StudyConfig, n_controls: int, n_combinations: int | None) -> int:
    if study.sampler == "grid" and study.n_trials is None:
        assert n_combinations is not None
        return n_controls + n_combinations
    if study.n_trials is None:
        raise ConfigError([f"study.n_trials: missing. Give study.n_trials=N, of which {n_controls} are controls."])
    if study.n_trials <= n_controls:
        fault = f"study.n_trials: got {study.n_trials}, and {n_controls} of them are controls. Give more."
        raise ConfigError([fault])
    # No combination is run twice, so there is no more to run.
    return study.n_trials if n_combinations is None else min(study.n_trials, n_controls + n_combinations)
