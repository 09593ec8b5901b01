"""The loss variants by name: each is a way to write an error matrix and to read it.

The functions here are what `conf/loss/*.yaml` names as `_target_`; they need no backend. `V0` ... `V14` are their names
in `docs/losses.md`. All take `num_classes` (C, at least 2) and `target`, a class id or several: the classes that the
variant is about, and that a comparison reads. Those with a mask take `alpha`, the weight of the errors it is about (one
number >= 0, or one for each target; 1 is the plain loss, above 1 they cost more), and the arguments of
`fnmask.losses.spec.Timing`. All raise ValueError for a target that is no class or named twice.
"""

from typing import Literal, Unpack

import numpy as np

from fnmask.losses.error_matrix import FloatArray, check_weight, class_ids, error_weights, weight_of_each
from fnmask.losses.kinds import Reading
from fnmask.losses.spec import (
    Fraction,
    LossSpec,
    Positive,
    Timing,
    TimingArguments,
    Weight,
    even_class_weights,
)

Target = int | list[int]
Alpha = Weight | list[Weight]


def plain(*, num_classes: int, target: Target) -> LossSpec:
    """V0: every error counts. The first control of every comparison; the target is only what is read."""
    return _spec(num_classes, _targets(target, num_classes), error_weights(num_classes))


def downweight_class(*, num_classes: int, target: Target, alpha: Alpha) -> LossSpec:
    """V0': every pixel of the target weighs alpha, hit or missed. The second control."""
    targets = _targets(target, num_classes)
    weights = even_class_weights(num_classes)
    for index, weight in weight_of_each(targets, alpha, name="alpha").items():
        weights[index] = weight
    return LossSpec(error_weights(num_classes), weights, targets)


def ignore_false_negatives(*, num_classes: int, target: Target, **timing: Unpack[TimingArguments]) -> LossSpec:
    """V1: a pixel of the target that the network calls something else costs nothing.

    Never predicting the target is an optimum of this loss; only the warm-up keeps training away from it.
    """
    return _let_off(num_classes, target, 0.0, "argmax", timing)


def attenuate_false_negatives(
    *, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V2, with several targets V6: a pixel of the target that the network calls something else weighs alpha.

    With two classes and no warm-up, the target is predicted where its probability exceeds 1 / (1 + alpha).
    """
    return _let_off(num_classes, target, alpha, "argmax", timing)


def soften_false_negatives(
    *, num_classes: int, target: Target, alpha: Alpha, power: Weight, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V3: a pixel of the target weighs alpha + (1 - alpha) p ** power, p the probability the network gives the target.

    With two classes and power 1 the target is predicted where its probability exceeds 2 / (3 + alpha), whatever the
    warm-up. Source: at alpha 0 the gradient is that of generalized cross-entropy with q = power (Zhang & Sabuncu 2018,
    arXiv:1805.07836), restricted to the target.
    """
    return _let_off(num_classes, target, alpha, "confidence", timing, power=power)


def soften_by_margin(
    *, num_classes: int, target: Target, alpha: Alpha, temperature: Positive, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V3m: a pixel of the target weighs alpha + (1 - alpha) sigmoid(margin / temperature).

    The margin is the target's logit minus that of the strongest other class. A temperature near 0 is V2.
    """
    return _let_off(num_classes, target, alpha, "margin", timing, temperature=temperature)


def attenuate_improbable(
    *, num_classes: int, target: Target, alpha: Alpha, threshold: Weight, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V4: a pixel of the target to which the network gives it less than `threshold` weighs alpha.

    Source: truncated generalized cross-entropy, Zhang & Sabuncu 2018, arXiv:1805.07836, restricted to the target.
    """
    return _let_off(num_classes, target, alpha, "threshold", timing, threshold=threshold)


def attenuate_confident(
    *, num_classes: int, target: Target, alpha: Alpha, threshold: Weight, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V4c: a missed pixel of the target weighs alpha where the network gives its own class at least `threshold`."""
    return _let_off(num_classes, target, alpha, "disagreement", timing, threshold=threshold)


def weigh_confusions(
    *,
    num_classes: int,
    confusions: dict[int, dict[int, Weight]],
    reading: Literal["argmax", "expectation"],
    **timing: Unpack[TimingArguments],
) -> LossSpec:
    """V7: single confusions, true class -> predicted class -> weight; the true classes are the targets."""
    targets = _targets(list(confusions), num_classes)
    if not all(confusions.values()):
        raise ValueError(
            f"confusions={confusions} names a true class without a predicted one; give {{true: {{called: w}}}}."
        )
    pairs = {(true, called): weight for true, row in confusions.items() for called, weight in row.items()}
    matrix = error_weights(num_classes, confusions=pairs)
    return _spec(num_classes, targets, matrix, reading=reading, timing=Timing(**timing))


def expected_cost(
    *,
    num_classes: int,
    target: Target,
    alpha: Alpha,
    cost_weight: Weight,
    crossentropy_weight: Weight,
    **timing: Unpack[TimingArguments],
) -> LossSpec:
    """V8: the expected cost of the predicted distribution, where missing the target costs alpha and all else 1."""
    shares = {"cost_weight": cost_weight, "crossentropy_weight": crossentropy_weight}
    if cost_weight == crossentropy_weight == 0:
        raise ValueError("cost_weight and crossentropy_weight are both 0, so nothing would be learned; raise one.")
    return _let_off(num_classes, target, alpha, "expected_cost", timing, **shares)


def accept_other_labels(
    *, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V9: a pixel labeled as the target may in truth be any other class, with the share 1 - alpha; alpha <= 1.

    Source: forward correction, Patrini et al. 2017, arXiv:1609.03683.
    """
    return _let_off(num_classes, target, _shares(alpha), "label_set", timing)


def relabel_false_negatives(
    *, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V10: a missed pixel of the target keeps its label by alpha, and takes the prediction's by 1 - alpha; alpha <= 1.

    Source: Reed et al. 2014, arXiv:1412.6596. It pushes misses away where p exceeds alpha; a contrast to the masks.
    """
    return _let_off(num_classes, target, _shares(alpha), "relabel", timing)


def mask_regions(*, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]) -> LossSpec:
    """V11: a missed pixel of the target enters the regions that are scored with weight alpha.

    True positives, false positives and false negatives of every class alike: the one form of a region loss that leaves
    no gradient at the missed pixels. On a base over pixels it would be V2, so it refuses those.
    """
    return _let_off(num_classes, target, alpha, "regions", timing)


def attenuate_in_score(
    *, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V12: the false negatives of the target weigh alpha in its own region score.

    They still count as false positives of the classes they are taken for, so this is no mask: at alpha 0 the score of
    the target is its soft precision.
    """
    return _let_off(num_classes, target, alpha, "by_class", timing)


def mine_kept_pixels(
    *, num_classes: int, target: Target, alpha: Alpha, hardest_fraction: Fraction, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V13: V2, and of the pixels that it leaves only the hardest fraction counts, from the first step on.

    Source: Shrivastava et al. 2016, arXiv:1604.03540.
    """
    targets = _targets(target, num_classes)
    matrix = error_weights(num_classes, false_negatives=weight_of_each(targets, alpha, name="alpha"))
    timed = Timing(**timing)
    return _spec(num_classes, targets, matrix, hardest_fraction=hardest_fraction, timing=timed)


def attenuate_false_positives(
    *, num_classes: int, target: Target, alpha: Alpha, **timing: Unpack[TimingArguments]
) -> LossSpec:
    """V14: a pixel of another class that the network calls the target weighs alpha."""
    targets = _targets(target, num_classes)
    matrix = error_weights(num_classes, false_positives=weight_of_each(targets, alpha, name="alpha"))
    return _spec(num_classes, targets, matrix, timing=Timing(**timing))


def _let_off(
    num_classes: int, target: Target, alpha: Alpha, reading: Reading, timing: TimingArguments, **numbers: float
) -> LossSpec:
    """The target's rows at alpha off the diagonal, read in the given way."""
    targets = _targets(target, num_classes)
    matrix = error_weights(num_classes, false_negatives=weight_of_each(targets, alpha, name="alpha"))
    return _spec(num_classes, targets, matrix, reading=reading, numbers=numbers, timing=Timing(**timing))


def _spec(
    num_classes: int,
    targets: tuple[int, ...],
    matrix: FloatArray,
    *,
    reading: Reading = "argmax",
    numbers: dict[str, float] | None = None,
    hardest_fraction: float | None = None,
    timing: Timing | None = None,
) -> LossSpec:
    ones = even_class_weights(num_classes)
    return LossSpec(matrix, ones, targets, reading, numbers or {}, hardest_fraction, timing or Timing())


def _targets(target: Target, num_classes: int) -> tuple[int, ...]:
    targets = class_ids(target, num_classes=num_classes, name="target")
    if not targets:
        raise ValueError("target is empty; name at least one class, or choose the plain loss.")
    return targets


def _shares(alpha: Alpha) -> Alpha:
    """Refuses what is no share."""
    for weight in np.ravel(np.asarray(alpha, dtype=object)):
        check_weight(weight, name="alpha")
        if weight > 1:
            raise ValueError(f"alpha={alpha}, but here it is a share of the label and at most 1.")
    return alpha
