"""A sweep, decided before any training: what it varies, its controls, its budget, and that every option of it works."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import CategoricalDistribution

from fnmask.binding import ConfigError, suggest
from fnmask.config import REFERENCE_NODES, StudyConfig, TrialConfig, digest, read_class_names, read_study
from fnmask.sweep.composer import Composer, fixed_settings
from fnmask.sweep.grammar import Value, free_entries, override, split_arguments
from fnmask.sweep.space import Space, parse_space
from fnmask.sweep.study import Control

# Grids up to this size are checked combination by combination, larger spaces option by option.
_CHECKED_COMBINATIONS = 64


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
        n_trials: trials to finish, controls among them.
        base: the checked config with the first value of every choice.
        fingerprint: what must not change when the study is taken up again.
    """

    study: StudyConfig
    name: str
    fixed: tuple[str, ...]
    space: Space
    controls: tuple[Control, ...]
    grid: tuple[Mapping[str, Value], ...] | None
    n_trials: int
    base: TrialConfig
    fingerprint: Mapping[str, Any]

    def overrides(self, chosen: Mapping[str, Value]) -> tuple[str, ...]:
        """Overrides of the trial with these values."""
        return (*self.fixed, *(override(name, value) for name, value in chosen.items()))


def make_plan(composer: Composer, arguments: Sequence[str]) -> Plan:
    """Read and check a sweep.

    Args:
        composer: composes the trials.
        arguments: the command line's overrides.

    Raises:
        ConfigError: every fault found, in the space, in the controls, or in a config that the space can choose.
    """
    searched, fixed = split_arguments(arguments)
    shared = composer.compose(fixed)
    study = read_study(shared)
    space = parse_space(
        free_entries(study.space, fixed) | searched, when=study.when, class_names=lambda: read_class_names(shared)
    )
    if not space.distributions:
        raise ConfigError(["study.space: nothing is searched. Give a preset (+sweeps=NAME) or KEY=choice(...)."])
    base = composer.check((*fixed, *_first_values(space)))
    _check_directions(study, base)
    controls = _make_controls(composer, study, space, fixed)
    grid = tuple(space.combinations()) if study.sampler == "grid" else None
    _check_options(composer, space, fixed)
    settings = {key: value for key, value in fixed_settings(shared).items() if key not in space.distributions}
    fingerprint = {
        "space": space.describe(),
        "controls": dict(study.controls),
        "directions": dict(study.directions),
        "sampler": study.sampler,
        **settings,
    }
    return Plan(
        study=study,
        name=_name(study, base, fingerprint),
        fixed=fixed,
        space=space,
        controls=controls,
        grid=grid,
        n_trials=_budget(study, len(controls), grid),
        base=base,
        fingerprint=fingerprint,
    )


def _name(study: StudyConfig, base: TrialConfig, fingerprint: Mapping[str, Any]) -> str:
    if study.name is None:
        return f"sweep_{digest(fingerprint)[:8]}"
    try:
        return study.name.format(**base.choices)
    except (KeyError, IndexError, ValueError):
        allowed = [f"{{{group}}}" for group in base.choices]
        raise ConfigError([f"study.name: got {study.name!r}. Allowed in braces: {', '.join(allowed)}."]) from None


def _first_values(space: Space) -> tuple[str, ...]:
    chosen: dict[str, Value] = {}
    for name in space.distributions:
        if space.is_asked(name, chosen):
            chosen[name] = space.some_values(name)[0]
    return tuple(override(name, value) for name, value in chosen.items())


def _check_directions(study: StudyConfig, base: TrialConfig) -> None:
    allowed = base.metric_keys()
    unknown = [key for key in study.directions if key not in allowed]
    if unknown:
        raise ConfigError([f"study.directions: got {key!r}. {suggest(key, allowed)}" for key in unknown])


def _make_controls(composer: Composer, study: StudyConfig, space: Space, fixed: Sequence[str]) -> tuple[Control, ...]:
    """Every control, for every value of what a comparison holds fixed; the plain ones first."""
    held = [name for name in space.distributions if name.partition(".")[0] in REFERENCE_NODES]
    faults = [
        f"{name}: an interval gives every trial another {name}, and none a plain control to be measured against. "
        f"Write {name}=choice(...)."
        for name in held
        if not isinstance(space.distributions[name], CategoricalDistribution)
    ]
    if faults:
        raise ConfigError(faults)
    controls = []
    for control, own in sorted(study.controls.items(), key=lambda item: item[0] != "plain"):
        kept = composer.control(fixed, own)
        for chosen in space.combinations_of(held):
            overrides = (*kept, *(override(name, value) for name, value in chosen.items()))
            controls.append(Control(control, overrides, composer.check(overrides).reference))
    tradeoffs = [key for key in study.directions if key.startswith("tradeoff/")]
    if tradeoffs and "plain" not in study.controls:
        raise ConfigError(
            [f"study.controls: {tradeoffs[0]} is measured against the control 'plain', which is missing."]
        )
    return tuple(controls)


def _check_options(composer: Composer, space: Space, fixed: Sequence[str]) -> None:
    """Compose and bind every value of every parameter; in a small space every combination."""
    combinations = list(itertools.islice(space.samples(), _CHECKED_COMBINATIONS + 1))
    if len(combinations) > _CHECKED_COMBINATIONS:
        combinations = list(space.each_value_once())
    faults: dict[str, None] = {}
    for chosen in combinations:
        try:
            composer.check((*fixed, *(override(name, value) for name, value in chosen.items())))
        except ConfigError as error:
            told = " ".join(override(name, value) for name, value in chosen.items())
            faults |= dict.fromkeys(f"{fault}  [with {told}]" for fault in error.faults)
    if faults:
        raise ConfigError(list(faults))


def _budget(study: StudyConfig, n_controls: int, grid: Sequence[object] | None) -> int:
    if grid is not None:
        return n_controls + len(grid)
    if study.n_trials is None:
        raise ConfigError([f"study.n_trials: missing. Give study.n_trials=N, of which {n_controls} are controls."])
    if study.n_trials <= n_controls:
        fault = f"study.n_trials: got {study.n_trials}, and {n_controls} of them are controls. Give more."
        raise ConfigError([fault])
    return study.n_trials
