"""What docs/draw_losses.py draws of each option of `loss=`: which curves, on which base, read how."""

from collections.abc import Callable
from dataclasses import dataclass

from fnmask.losses import bases, variants
from fnmask.losses.spec import BaseSpec, LossSpec

# How the two other classes of the example share what the target leaves.
REST = (0.9, 0.1)

CROSSENTROPY = bases.crossentropy(label_smoothing=None, normalizer="valid")
DICE = bases.dice(smoothing=0.0)

# (number of classes, target, the class that it is mostly taken for) -> variant
Make = Callable[[int, int, int], LossSpec]


@dataclass(frozen=True)
class Picture:
    """What is drawn of one option.

    Attributes:
        curves: legend -> variant; the image is tinted by the first.
        base: what it is put on.
        by_gradient: draws the share of the plain gradient that is left, where there is no weight to be drawn.
        label: true class of the pixel on the left; 0 is the target.
        labels: true classes of the pixels that share its batch, one at every probability.
        rest: how the two other classes share the rest, for each curve; None: `REST`.
    """

    curves: dict[str, Make]
    base: BaseSpec = CROSSENTROPY
    by_gradient: bool = False
    label: int = 0
    labels: tuple[int, ...] = (0, 1, 2)
    rest: tuple[tuple[float, float], ...] | None = None


def of(name: str, **numbers: object) -> Make:
    """A variant by the name of its function."""
    function = getattr(variants, name)
    return lambda classes, target, rival: function(num_classes=classes, target=target, **numbers)


def confusion(reading: str) -> Make:
    """One confusion is harmless: the target, called its rival."""
    return lambda classes, target, rival: variants.weigh_confusions(
        num_classes=classes, confusions={target: {rival: 0.0}}, reading=reading
    )


def several(name: str, key: str, values: tuple[float, ...], **numbers: object) -> dict[str, Make]:
    """One curve for each value of a number."""
    return {f"{key} {value:g}": of(name, **{key: value}, **numbers) for value in values}


PICTURES = {
    "plain": Picture({"plain": of("plain")}),
    "class_downweight": Picture(several("downweight_class", "alpha", (0.5, 0, 1)), by_gradient=True),
    "ignore_fn": Picture({"the mask": of("ignore_false_negatives")}),
    "attenuate_fn": Picture(several("attenuate_false_negatives", "alpha", (0.5, 0.1, 1))),
    "soften_fn": Picture(
        several("soften_false_negatives", "power", (1, 0.5, 2), alpha=0.0)
        | {"alpha 0.5": of("soften_false_negatives", alpha=0.5, power=1.0)}
    ),
    "margin_fn": Picture(several("soften_by_margin", "temperature", (1, 0.2, 4), alpha=0.0)),
    "improbable_fn": Picture(several("attenuate_improbable", "threshold", (0.1, 0.3, 0.6), alpha=0.0)),
    "confident_fn": Picture(several("attenuate_confident", "threshold", (0.8, 0.6, 0), alpha=0.0)),
    "confusions": Picture(
        {
            "harmless rival": confusion("argmax"),
            "by expectation": confusion("expectation"),
            "another rival": confusion("argmax"),
        },
        rest=(REST, REST, REST[::-1]),
    ),
    "attenuate_fp": Picture(several("attenuate_false_positives", "alpha", (0, 0.5, 1)), label=1),
    "expected_cost": Picture(
        {
            "cost alone, alpha 0.5": of("expected_cost", alpha=0.5, cost_weight=1.0, crossentropy_weight=0.0),
            "alpha 0": of("expected_cost", alpha=0.0, cost_weight=1.0, crossentropy_weight=0.0),
            "with cross-entropy": of("expected_cost", alpha=0.5, cost_weight=1.0, crossentropy_weight=1.0),
        },
        by_gradient=True,
    ),
    "label_set": Picture(several("accept_other_labels", "alpha", (0.5, 0.1, 0.9)), by_gradient=True),
    "relabel_fn": Picture(several("relabel_false_negatives", "alpha", (0.5, 0, 1)), by_gradient=True),
    "region_fn": Picture(several("mask_regions", "alpha", (0, 0.5, 1)), base=DICE, by_gradient=True),
    "class_tversky": Picture(several("attenuate_in_score", "alpha", (0, 0.5, 1)), base=DICE, by_gradient=True),
    "hardest_fn": Picture(
        {f"fraction {each:g}": of("mine_kept_pixels", alpha=0.0, hardest_fraction=each) for each in (0.25, 0.5, 1)},
        by_gradient=True,
        labels=(0,),
    ),
}
