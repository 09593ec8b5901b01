"""The controls of a sweep: what its trials are measured against."""

from collections.abc import Iterator, Mapping, Sequence

from optuna.distributions import CategoricalDistribution

from fnmask.binding import ConfigError
from fnmask.config import REFERENCE_NODES, TrialConfig
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer
from fnmask.sweep.grammar import Value, override, override_of_setting, overrides_of
from fnmask.sweep.space import Space
from fnmask.sweep.study import Control

# The key that every loss has, controls too.
TARGET = "loss.target"

BEST_KNOWN = "best_known"


def make_controls(
    composer: Composer, study: StudyConfig, space: Space, fixed: Sequence[str], first: TrialConfig
) -> tuple[Control, ...]:
    """Every control, for every value of what a comparison holds fixed; the plain ones first.

    Args:
        composer: composes the controls.
        study: names them.
        space: what the search varies.
        fixed: overrides of every trial.
        first: the config with the first value of every choice.

    Raises:
        ConfigError: a direction needs a control that cannot be, or the config of a control is at fault.
    """
    _check_measurable(study, _held_intervals(space))
    if BEST_KNOWN in study.controls:
        raise ConfigError([f"study.controls: the name {BEST_KNOWN!r} is taken: see study.best_known."])
    # A control is read for one target: where the search chooses among several, for the first.
    target = [override(TARGET, value) for value in _targets(space)[:1]]
    if not target and "target" not in first.resolved["loss"]:  # a loss that names its classes in another way
        target = [f"{TARGET}=[{','.join(map(str, first.loss.targets))}]"]
    return tuple(
        control
        for name, own in sorted(study.controls.items(), key=lambda item: item[0] != "plain")
        for control in _control_everywhere(composer, name, own, space, [*_shared(fixed), *target])
    )


def _targets(space: Space) -> Sequence[Value]:
    """The targets that the search chooses among."""
    if TARGET in space.distributions:
        return space.some_values(TARGET)
    return next((others[TARGET] for others in space.zipped.values() if TARGET in others), ())


def make_best_known(
    composer: Composer, space: Space, fixed: Sequence[str], settings: Mapping[str, Sequence[str]]
) -> tuple[Control, ...]:
    """The best known setting as a control, for every value of what a comparison holds fixed.

    Args:
        composer: composes the controls.
        space: what the search varies.
        fixed: overrides of every trial.
        settings: `TrialConfig.ground` -> overrides of the best trial there.
    """
    found: list[Control] = []
    for ground, own in settings.items():
        try:
            controls = list(_control_everywhere(composer, BEST_KNOWN, own, space, _shared(fixed), ground=ground))
        except ConfigError:
            continue  # what was tried there does not fit here, such as a mask that this base does not take
        found += controls
    return tuple(found)


def _control_everywhere(
    composer: Composer, name: str, own: Sequence[str], space: Space, shared: Sequence[str], *, ground: str | None = None
) -> Iterator[Control]:
    """One control for each reference; one is enough where a searched setting moves nothing."""
    kept = composer.control(shared, own)
    intervals = _held_intervals(space)
    seen = set()
    for chosen in space.combinations_of([key for key in _held(space) if key not in intervals]):
        overrides = (*kept, *overrides_of(chosen))
        config = composer.check(overrides)
        if config.reference not in seen and ground in (None, config.ground):
            seen.add(config.reference)
            yield Control(name, overrides, config.reference, chosen)


def _held(space: Space) -> list[str]:
    """Searched keys that a comparison holds fixed."""
    return [key for key in space.keys if key.lstrip("+").partition(".")[0] in REFERENCE_NODES]


def _held_intervals(space: Space) -> list[str]:
    choices = {key for key in _held(space) if isinstance(space.distributions.get(key), CategoricalDistribution)}
    zipped = {key for others in space.zipped.values() for key in others}
    return [key for key in _held(space) if key not in choices | zipped]


def _shared(fixed: Sequence[str]) -> list[str]:
    """Neither the budget nor the storage, which may hold a password, is a control's to keep."""
    return [text for text in fixed if not text.lstrip("+~").startswith("study")]


def _check_measurable(study: StudyConfig, intervals: Sequence[str]) -> None:
    """A trade-off is measured against a plain control with the same value of everything that is held fixed."""
    measured = [key for key in (*study.directions, *study.constraints) if key.startswith("tradeoff/")]
    if not measured:
        return
    if "plain" not in study.controls:
        raise ConfigError([f"study.controls: {measured[0]} is measured against the control 'plain', which is missing."])
    if intervals:
        raise ConfigError(
            f"{name}: an interval gives every trial another {name}, and none a plain control to be measured against. "
            f"Write {name}=choice(...), or search for a metric that needs no control, such as "
            "'study.directions={val/miou: maximize}'."
            for name in intervals
        )


def localize(overrides: Sequence[str], fixed: Sequence[str]) -> tuple[str, ...]:
    """Overrides of a control on another machine than the one where the sweep was begun.

    Args:
        overrides: as they were written down there.
        fixed: those of every trial here, with what differs here.
    """

    def is_local(text: str) -> bool:
        key = text.lstrip("+").partition("=")[0]
        return key == "root" or key.startswith(("dataset.", "tracking"))

    return (*(text for text in overrides if not is_local(text)), *filter(is_local, [*overrides, *fixed]))


def setting_of(config: TrialConfig, overrides: Sequence[str], durations: Sequence[str]) -> list[str]:
    """Loss and weighting of a trial as overrides that mean the same in another study.

    Args:
        config: of the trial.
        overrides: all of the trial's.
        durations: settings of a loss that follow from the length of the training unless they were given.
    """
    given = {text.partition("=")[0] for text in overrides}
    setting = []
    for group in ("loss", "weighting"):
        setting.append(f"{group}={config.choices[group]}")
        for key, value in config.resolved[group].items():
            if key != "_target_" and (key not in durations or f"{group}.{key}" in given):
                setting.append(override_of_setting(f"{group}.{key}", value))
    return setting
