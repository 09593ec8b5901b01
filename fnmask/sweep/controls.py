"""The controls of a sweep: what its trials are measured against."""

from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution

from fnmask.binding import ConfigError
from fnmask.config import REFERENCE_NODES, TrialConfig
from fnmask.schema import StudyConfig
from fnmask.sweep.composer import Composer
from fnmask.sweep.grammar import override, overrides_of
from fnmask.sweep.space import Space
from fnmask.sweep.study import Control

# The key that every loss has, controls too.
TARGET = "loss.target"


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
    held = [name for name in space.distributions if name.partition(".")[0] in REFERENCE_NODES]
    intervals = [name for name in held if not isinstance(space.distributions[name], CategoricalDistribution)]
    _check_measurable(study, intervals)
    # A control is read for one target: where the search chooses among several, for the first.
    target = [override(TARGET, space.some_values(TARGET)[0])] if TARGET in space.distributions else []
    if not target and "target" not in first.resolved["loss"]:  # a loss that names its classes in another way
        target = [f"{TARGET}=[{','.join(map(str, first.loss.targets))}]"]
    # Neither the budget nor the storage, which may hold a password, is a control's to keep.
    shared = [text for text in fixed if not text.lstrip("+~").startswith("study.")]
    controls: dict[tuple[str, str], Control] = {}
    for control, own in sorted(study.controls.items(), key=lambda item: item[0] != "plain"):
        kept = composer.control([*shared, *target], own)
        for chosen in space.combinations_of([name for name in held if name not in intervals]):
            overrides = (*kept, *overrides_of(chosen))
            reference = composer.check(overrides).reference
            # One is enough where a searched setting moves nothing.
            controls.setdefault((control, reference), Control(control, overrides, reference, chosen))
    return tuple(controls.values())


def _check_measurable(study: StudyConfig, intervals: Sequence[str]) -> None:
    """A trade-off is measured against a plain control with the same value of everything that is held fixed."""
    measured = [key for key in study.directions if key.startswith("tradeoff/")]
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
