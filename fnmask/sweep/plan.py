"""A sweep, decided before any training: what it varies, its controls, its budget, and that every option of it works."""

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fnmask.binding import ConfigError, suggest
from fnmask.config import TrialConfig, digest, read_class_names, read_study
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer, fixed_settings
from fnmask.sweep.controls import make_controls
from fnmask.sweep.grammar import Value, overrides_of, split_arguments
from fnmask.sweep.narrowing import narrow
from fnmask.sweep.space import Space, parse_space
from fnmask.sweep.study import Control

# Grids up to this size are checked combination by combination, larger spaces option by option.
_CHECKED_COMBINATIONS = 16


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
        return (*self.fixed, *overrides_of(chosen))


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
    entries, when = narrow(study.space, study.when, fixed, lambda group, option: composer.keys(group, [option]))
    space = parse_space(entries | searched, when=when, class_names=lambda: read_class_names(shared))
    if not space.distributions:
        raise ConfigError(["study.space: nothing is searched. Give a preset (+sweeps=NAME) or KEY=choice(...)."])
    base = composer.check((*fixed, *overrides_of(space.first())))
    _check_directions(study, base)
    controls = make_controls(composer, study, space, fixed, base)
    grid = tuple(space.combinations()) if study.sampler == "grid" else None
    # Without a trade-off among the directions nothing has to be measured against a control.
    measured = any(key.startswith("tradeoff/") for key in study.directions)
    references = {control.reference for control in controls if control.name == "plain"} if measured else None
    _check_options(composer, space, fixed, base, references)
    settings = {key: value for key, value in fixed_settings(shared).items() if key not in space.distributions}
    fingerprint = {
        "space": space.describe(),
        "controls": dict(study.controls),
        "directions": dict(study.directions),
        "sampler": study.sampler,
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
        n_trials=_budget(study, len(controls), grid),
        base=base,
        fingerprint=fingerprint,
    )


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
    faults: dict[str, None] = {}
    for chosen in combinations:
        words = overrides_of(chosen)
        found = _find_faults(composer, (*fixed, *words), base, references)
        faults |= dict.fromkeys(f"{fault}  [with {' '.join(words)}]" for fault in found)
    if faults:
        raise ConfigError(faults)


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


def _budget(study: StudyConfig, n_controls: int, grid: Sequence[object] | None) -> int:
    if grid is not None and study.n_trials is None:
        return n_controls + len(grid)
    if study.n_trials is None:
        raise ConfigError([f"study.n_trials: missing. Give study.n_trials=N, of which {n_controls} are controls."])
    if study.n_trials <= n_controls:
        fault = f"study.n_trials: got {study.n_trials}, and {n_controls} of them are controls. Give more."
        raise ConfigError([fault])
    return study.n_trials if grid is None else min(study.n_trials, n_controls + len(grid))
