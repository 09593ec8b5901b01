"""A sweep, decided before any training: what it varies, its controls, its budget, and that every option of it works."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fnmask.binding import ConfigError, bind
from fnmask.config import TrialConfig, digest, read_source, read_study, single_run_faults
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer, fixed_settings
from fnmask.sweep.constraints import Constraint, read_constraints
from fnmask.sweep.controls import make_controls
from fnmask.sweep.grammar import Value, overrides_of, split_arguments
from fnmask.sweep.narrowing import narrow
from fnmask.sweep.preflight import check_directions, check_keys, check_options, check_sampler, load_hook
from fnmask.sweep.pruners import Pruner
from fnmask.sweep.samplers import LARGEST_LISTED_SPACE, UNIQUE
from fnmask.sweep.space import Space
from fnmask.sweep.space_reader import read_space
from fnmask.sweep.study import Control


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
        full_epochs: epochs before every mask that the search can choose is at full strength, as far as it was checked.
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
    full_epochs: float
    base: TrialConfig
    fingerprint: Mapping[str, Any]

    def budget(self, n_controls: int) -> int:
        """Trials to finish with this many controls: no more than there are, since no combination is run twice."""
        return _budget(self.study, n_controls, self.n_combinations if self.grid is None else len(self.grid))

    def overrides(self, chosen: Mapping[str, Value]) -> tuple[str, ...]:
        """Overrides of the trial with these values."""
        return (*self.fixed, *overrides_of(chosen))


def make_plan(composer: Composer, arguments: Sequence[str], *, with_options: bool = True) -> Plan:
    """Read and check a sweep.

    Args:
        composer: composes the trials.
        arguments: the command line's overrides.
        with_options: compose and bind every option; a worker of a sweep that has begun need not.

    Raises:
        ConfigError: every fault found, in the space, in the controls, or in a config that the space can choose.
    """
    searched, fixed = split_arguments(arguments)
    shared = composer.compose(fixed)
    if faults := single_run_faults(shared):
        raise ConfigError(faults)
    study = read_study(shared)
    entries, when = narrow(
        study.space, study.when, fixed, searched, lambda group, option: composer.keys(group, [option])
    )
    closed = {*_given(fixed), *(key for key in study.space if key not in entries and key not in searched)}
    zipped = [keys for keys in study.zip if not closed.issuperset(keys)]
    hook = None if study.hook is None else load_hook(study.hook)
    space = read_space(
        entries | searched, when=when, class_names=lambda: read_source(shared).class_names, zipped=zipped, hook=hook
    )
    if not space.distributions and hook is None:
        raise ConfigError(["study.space: nothing is searched. Give a preset (+sweeps=NAME) or KEY=choice(...)."])
    check_keys(space)
    check_sampler(study, space)
    base = composer.check((*fixed, *space.overrides(space.first())))
    check_directions(study, base)
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
    full_epochs = check_options(composer, space, fixed, base, references) if with_options else 0.0
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
        full_epochs=full_epochs,
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
