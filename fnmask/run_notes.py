"""A run in words, for its page in the tracking store: what its loss does, and how it did against its control."""

import math
from collections.abc import Mapping
from typing import Any

from fnmask.config import TrialConfig
from fnmask.metrics.readings import slug
from fnmask.tracking.passwords import hide_in_text

# What the loss does, by the function that makes it; in braces the names of the targets and its own settings.
_LOSSES = {
    "plain": "No mask: every pixel counts in full.",
    "downweight_class": "No mask: every pixel of {target} weighs {alpha}, hit or missed. A mask has to beat this.",
    "ignore_false_negatives": "A pixel of {target} that the network calls something else costs nothing.",
    "attenuate_false_negatives": "A pixel of {target} that the network calls something else weighs {alpha}.",
    "soften_false_negatives": (
        "A pixel of {target} weighs {alpha} + (1 - {alpha}) p^{power}, p the probability that the network gives "
        "{target}."
    ),
    "soften_by_margin": (
        "A pixel of {target} weighs {alpha} + (1 - {alpha}) sigmoid(lead / {temperature}), lead the logit of {target} "
        "less the best other one."
    ),
    "attenuate_improbable": "A pixel of {target} to which the network gives it less than {threshold} weighs {alpha}.",
    "attenuate_confident": (
        "A missed pixel of {target} weighs {alpha} where the network is sure of another class, by {threshold} or more."
    ),
    "weigh_confusions": "Confusions weigh as given, by true and predicted class: {confusions}.",
    "expected_cost": "What is minimized is the expected cost, where missing {target} costs {alpha} and other errors 1.",
    "accept_other_labels": "A pixel labeled {target} may in truth be any other class, with the share 1 - {alpha}.",
    "relabel_false_negatives": (
        "A missed pixel of {target} keeps its label by {alpha}, and takes the network's own by 1 - {alpha}."
    ),
    "mask_regions": "A missed pixel of {target} enters the regions that are scored with weight {alpha}.",
    "attenuate_in_score": "The false negatives of {target} weigh {alpha} in its own region score.",
    "mine_kept_pixels": (
        "A missed pixel of {target} weighs {alpha}; of the pixels that are left the hardest {hardest_fraction} count."
    ),
    "attenuate_false_positives": "A pixel of another class that the network calls {target} weighs {alpha}.",
}


def describe_run(config: TrialConfig, *, control: str, n_seeds: int = 1) -> str:
    """What is trained, in a paragraph of Markdown: what is masked, from when on, on which loss, how weighted.

    Args:
        config: of the run, or of the first seed of several.
        control: name of the control that it is, or nothing.
        n_seeds: of the trial.
    """
    node = config.resolved["loss"]
    targets = _listed(config.target_names)
    function = str(node["_target_"]).rpartition(".")[2]
    told = _LOSSES.get(function, "The loss `{_target_}`, read for {target}.")
    told = told.format_map({**{key: _short(value) for key, value in node.items()}, "target": targets})
    timing = config.loss.timing
    parts = [f"The control *{control}*." if control else "", told]
    if not config.loss.is_unmasked and timing.full_epochs:
        ramp = f", fades in over {timing.ramp_epochs:g}" if timing.ramp_epochs else ""
        parts.append(f"The mask waits for {timing.warmup_epochs:g} of {config.trainer.epochs} epochs{ramp}.")
    weighting = config.choices.get("weighting", "none")
    weighted = "classes weigh the same" if weighting == "none" else f"classes are weighted by {weighting}"
    seeds = f"seed {config.seed}" if n_seeds == 1 else f"{n_seeds} seeds from {config.seed} on"
    names = [config.choices.get(key, key) for key in ("base", "backbone", "dataset")]
    parts.append(f"Base loss {names[0]}, {weighted}; {names[1]} on {names[2]}, {seeds}.")
    return hide_in_text(" ".join(part for part in parts if part))


def describe_result(config: TrialConfig, metrics: Mapping[str, Any]) -> str:
    """How it did on validation, against its control where it has one; nothing where it was not measured."""
    gain, cost = metrics.get("tradeoff/others_gain", math.nan), metrics.get("tradeoff/target_cost", math.nan)
    prefix = "best" if config.trainer.select == "best" else "val"
    overall = metrics.get(f"{prefix}/miou")
    if overall is None:
        return ""
    ious = {name: metrics.get(f"{prefix}/iou/{slug(name)}", math.nan) for name in config.target_names}
    own = "".join(f", {name} {_percent(value)}" for name, value in ious.items())
    told = f"On validation: IoU of all classes {_percent(overall)} %, without the target "
    told += f"{_percent(metrics.get(f'{prefix}/miou_without_target', math.nan))}{own}."
    if config.is_plain or math.isnan(gain):
        return told
    lost = "" if math.isnan(cost) else f" and {-cost:+.1f} for {_listed(config.target_names)}"
    against = "against the plain control of the same seed"
    return f"**{gain:+.1f} points of IoU for the other classes{lost}, {against}.** {told}"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{100 * share:.1f}"


def _listed(names: tuple[str, ...]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "no class"
