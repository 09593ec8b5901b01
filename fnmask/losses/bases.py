"""The bases by name: the loss that an error matrix is put on.

The functions here are what `conf/base/*.yaml` names as `_target_`; they need no backend. What each loss computes stands
in `fnmask.losses.pixel_losses` and `fnmask.losses.region_losses`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

from fnmask.losses.kinds import MeanNormalizer
from fnmask.losses.spec import BaseSpec, Fraction, Positive, Share, TermSpec, Weight
from fnmask.shapes import check_option


def crossentropy(*, label_smoothing: Share | None, normalizer: MeanNormalizer) -> BaseSpec:
    """-log p of the label. A smoothing of None leaves it out of the compiled step."""
    numbers = {} if label_smoothing is None else {"label_smoothing": label_smoothing}
    return BaseSpec((TermSpec("crossentropy", numbers=numbers),), normalizer)


def focal(*, gamma: Weight, normalizer: MeanNormalizer) -> BaseSpec:
    """(1 - p) ** gamma * -log p."""
    return BaseSpec((TermSpec("focal", numbers={"gamma": gamma}),), normalizer)


def generalized_crossentropy(*, q: Fraction, normalizer: MeanNormalizer) -> BaseSpec:
    """(1 - p ** q) / q."""
    return BaseSpec((TermSpec("generalized_crossentropy", numbers={"q": q}),), normalizer)


def dice(*, smoothing: Weight) -> BaseSpec:
    """One minus the soft F1 score of each present class."""
    return BaseSpec((TermSpec("dice", numbers={"smoothing": smoothing}),))


def jaccard(*, smoothing: Weight) -> BaseSpec:
    """One minus the soft IoU of each present class."""
    return BaseSpec((TermSpec("jaccard", numbers={"smoothing": smoothing}),))


def tversky(*, false_positive_weight: Weight, false_negative_weight: Weight, smoothing: Weight) -> BaseSpec:
    """One minus TP / (TP + a FP + b FN) of each present class."""
    numbers = {
        "false_positive_weight": false_positive_weight,
        "false_negative_weight": false_negative_weight,
        "smoothing": smoothing,
    }
    return BaseSpec((TermSpec("tversky", numbers=numbers),))


def focal_tversky(
    *, gamma: Positive, false_positive_weight: Weight, false_negative_weight: Weight, smoothing: Weight
) -> BaseSpec:
    """The Tversky miss of each present class to the power 1 / gamma."""
    numbers = {
        "gamma": gamma,
        "false_positive_weight": false_positive_weight,
        "false_negative_weight": false_negative_weight,
        "smoothing": smoothing,
    }
    return BaseSpec((TermSpec("focal_tversky", numbers=numbers),))


def lovasz_softmax() -> BaseSpec:
    """The convex extension of the Jaccard loss."""
    return BaseSpec((TermSpec("lovasz_softmax"),))


def weighted_sum(*, terms: dict[str, dict[str, float | None]], normalizer: MeanNormalizer) -> BaseSpec:
    """A sum of losses.

    Args:
        terms: name of a function of this module -> `weight` in the sum, and the arguments of that function.
        normalizer: of the terms over pixels.

    Returns:
        The spec with one term for each name, in the order given.

    Raises:
        ValueError: no term, an unknown name, or no weight above 0.
        TypeError: arguments that the function does not take.
    """
    if not terms:
        raise ValueError("terms is empty; name at least one loss, such as {crossentropy: {weight: 1}}.")
    if not any(arguments.get("weight", 1) for arguments in terms.values()):
        raise ValueError("every term has the weight 0, so nothing would be learned; give one of them more.")
    return BaseSpec(tuple(_term(kind, dict(arguments), normalizer) for kind, arguments in terms.items()), normalizer)


def term_arguments(kind: str, arguments: Mapping[str, Any], normalizer: str) -> dict[str, Any]:
    """The arguments of the base of that name, from those of a term of a sum."""
    check_option(kind, allowed=list(BASES), name="terms")
    own = {name: value for name, value in arguments.items() if name != "weight"}
    return own | ({"normalizer": normalizer} if "normalizer" in signature(BASES[kind]).parameters else {})


def _term(kind: str, arguments: Mapping[str, Any], normalizer: str) -> TermSpec:
    weight = arguments.get("weight")
    if weight is None or weight < 0:
        raise ValueError(f"terms.{kind}.weight={weight}, but every term has a weight >= 0.")
    spec: BaseSpec = BASES[kind](**term_arguments(kind, arguments, normalizer))
    return replace(spec.terms[0], weight=weight)


BASES: dict[str, Callable[..., BaseSpec]] = {
    function.__name__: function
    for function in (
        crossentropy,
        focal,
        generalized_crossentropy,
        dice,
        jaccard,
        tversky,
        focal_tversky,
        lovasz_softmax,
    )
}
