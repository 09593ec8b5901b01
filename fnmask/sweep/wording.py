"""A sweep in words, before it begins."""

from collections.abc import Mapping, Sequence

from optuna.distributions import CategoricalDistribution

from fnmask.metrics.readings import slug
from fnmask.sweep.plan import Plan
from fnmask.sweep.study import Control
from fnmask.tracking.runs_view import RunsView

_TRADEOFF = ("tradeoff/others_gain", "tradeoff/target_cost")
# More columns than these would push the others out of sight.
_MOST_CLASSES = 8


def describe_plan(plan: Plan, controls: Sequence[Control] | None = None, *, n_trials: int | None = None) -> str:
    """Budget, space, number of combinations, controls.

    Args:
        plan: the sweep.
        controls: all of them, with the best known; None: those of the plan.
        n_trials: trials to finish; None: the plan's, and the best known ones on top of a whole grid.
    """
    controls = plan.controls if controls is None else controls
    if n_trials is None:
        n_trials = plan.budget(len(controls))
    seeds = "" if plan.study.seeds == 1 else f", each with {plan.study.seeds} seeds"
    lines = [f"sweep {plan.name}: {n_trials} trials, {len(controls)} of them controls{seeds}"]
    lines += [f"  {key} = {text}" for key, text in plan.space.describe().items()]
    if plan.space.hook is not None:
        lines.append(f"  and what {plan.study.hook} asks for")
    lines.append(f"  {count_combinations(plan)}; sampler {plan.study.sampler}")
    lines += [f"  objective {metric}: {direction}" for metric, direction in plan.study.directions.items()]
    lines += [f"  constraint {of.metric} {of.side} {of.bound:g}" for of in plan.constraints]
    for control in controls:
        own = [text for text in control.overrides if text not in plan.fixed]
        lines.append(f"  control {control.name}: {' '.join(own)}")
    return "\n".join(lines)


def count_combinations(plan: Plan) -> str:
    """How many different trials the space holds."""
    number = plan.space.n_combinations(1_000_000)
    if number is not None:
        return f"{number} combinations"
    if plan.space.hook is not None:
        return "any number of combinations"
    choices = all(isinstance(of, CategoricalDistribution) for of in plan.space.distributions.values())
    return "more than a million combinations" if choices else "an interval, so any number of combinations"


def runs_view(plan: Plan) -> RunsView:
    """What the trials are read by in MLflow's runs table: objectives, trade-off, IoU of the targets and of the rest."""
    base = plan.base
    # The epoch that a trial is judged by need not be its last one.
    prefix = "best" if base.trainer.select == "best" else "val"
    classes = dict.fromkeys((*base.target_names, *base.source.class_names))
    ious = [f"{prefix}/iou/{slug(name)}" for name in classes]
    overall = [*_TRADEOFF, f"{prefix}/miou_without_target"]
    params = [key for key in plan.space.describe() if isinstance(_setting(base.resolved, key), int | float | str)]
    return RunsView(dict(plan.study.directions), (*overall, *ious[:_MOST_CLASSES]), params)


def _setting(settings: object, key: str) -> object:
    """The setting at a dotted key; None where there is none."""
    for part in key.split("."):
        settings = settings.get(part) if isinstance(settings, Mapping) else None
    return settings
