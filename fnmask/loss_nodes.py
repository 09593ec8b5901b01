"""The config nodes that make up a loss: `loss`, `base` and `weighting`, bound to what they name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fnmask.binding import Bound, ConfigError, bind, with_faults
from fnmask.class_names import class_indices
from fnmask.losses.bases import BASES, term_arguments
from fnmask.losses.spec import BaseSpec, LossSpec, check_together
from fnmask.losses.weighting import segnet
from fnmask.shapes import check_option

Spec = TypeVar("Spec")


def build_loss_spec(node: Mapping[str, Any], class_names: Sequence[str]) -> LossSpec:
    """The variant of a `loss` node, whose classes are given by name or index.

    Raises:
        ConfigError: classes that the data set lacks, unknown keys, values out of range.
    """
    node = dict(node)
    faults: list[str] = []
    if "target" in node:
        given = node["target"] if isinstance(node["target"], list) else [node["target"]]
        node["target"] = class_indices(given, class_names, key="loss.target", faults=faults)
    if isinstance(node.get("confusions"), dict):
        node["confusions"] = _confusions(node["confusions"], class_names, faults)
    bound = with_faults(faults, lambda: bind(node, prefix="loss", known=("num_classes",)))
    return _spec_of(LossSpec, "loss", bound.path, lambda: bound(num_classes=len(class_names)))


def build_base_spec(node: Mapping[str, Any]) -> BaseSpec:
    """The base of a `base` node; the terms of a sum are checked like the options that they name.

    Raises:
        ConfigError: unknown keys or terms, values out of range.
    """
    faults: list[str] = []
    terms = node.get("terms")
    for kind, term in terms.items() if isinstance(terms, dict) else ():
        if not isinstance(term, dict):
            continue  # the type check below says so
        try:
            _check_term(kind, term, str(node.get("normalizer")))
        except ConfigError as error:
            faults.extend(error.faults)
    bound = with_faults(faults, lambda: bind(node, prefix="base"))
    return _spec_of(BaseSpec, "base", bound.path, bound)


def check_loss_on_base(loss: LossSpec, base: BaseSpec) -> None:
    """Raises ConfigError if the variant cannot be put on the base."""
    try:
        check_together(loss, base)
    except ValueError as error:
        raise ConfigError([f"base: {error}"]) from None


def bind_weighting(node: Mapping[str, Any], class_names: Sequence[str]) -> Bound:
    """Weights given by hand name classes, which are checked here; the pixel counts come with the data.

    Raises:
        ConfigError: classes that the data set lacks, a wrong number of weights, unknown keys, values out of range.
    """
    node, names = dict(node), class_names
    faults: list[str] = []
    given = node.get("weights")
    if isinstance(given, dict):
        indices = class_indices(list(given), names, key="weighting.weights", faults=faults)
        if not faults:
            node["weights"] = {names[index]: weight for index, weight in zip(indices, given.values(), strict=True)}
    elif isinstance(given, list) and len(given) != len(names):
        faults.append(f"weighting.weights: got {len(given)} numbers. Give one for each of {', '.join(names)}.")
    bound = with_faults(faults, lambda: bind(node, prefix="weighting", known=("counts", "class_names")))
    if bound.function is segnet:  # made for certain classes, and of no counts: refused now, not in the trial
        try:
            bound(counts=None, class_names=names)
        except ValueError as error:
            raise ConfigError([f"weighting: {error}"]) from None
    return bound


def _confusions(given: Mapping[Any, Any], class_names: Sequence[str], faults: list[str]) -> dict[int, Any]:
    """True class -> predicted class -> weight, by index; what is no mapping is left for the type check to refuse."""
    indexed: dict[int, Any] = {}
    for true, row in given.items():
        for index in class_indices([true], class_names, key="loss.confusions", faults=faults):
            if not isinstance(row, dict):
                indexed[index] = row
                continue
            key = f"loss.confusions.{true}"
            columns = {
                column: weight
                for called, weight in row.items()
                for column in class_indices([called], class_names, key=key, faults=faults)
            }
            indexed[index] = indexed.get(index, {}) | columns
    return indexed


def _check_term(kind: str, term: Mapping[str, Any], normalizer: str) -> None:
    prefix = f"base.terms.{kind}"
    try:
        check_option(kind, allowed=list(BASES), name="base.terms")
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    bind({"_target_": f"fnmask.losses.bases.{kind}"} | term_arguments(kind, term, normalizer), prefix=prefix)


def _spec_of(kind: type[Spec], key: str, path: str, build: Callable[[], Any]) -> Spec:
    try:
        spec = build()
    except (TypeError, ValueError) as error:
        raise ConfigError([f"{key}: {error}"]) from None
    if not isinstance(spec, kind):
        given, wanted = type(spec).__name__, kind.__name__
        raise ConfigError([f"{key}._target_: {path} gives a {given}. It must give a {wanted}."])
    return spec
