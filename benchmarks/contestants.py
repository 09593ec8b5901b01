"""Who is timed: every variant of the package, every base, and the target that each has to reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.batch import TARGET, VOID, Labels
from fnmask.losses import bases, variants
from fnmask.losses.kinds import MeanNormalizer
from fnmask.losses.spec import BaseSpec, LossSpec, even_class_weights

Loss = Callable[[Any, Any], Any]
"""(labels, logits) -> a number."""

STOCK = "keras SparseCategoricalCrossentropy"
STOCK_DICE = "keras Dice, one-hot labels given"


@dataclass(frozen=True)
class Contestant:
    """A loss, and how it wants its input.

    Attributes:
        name: as in the table.
        build: number of classes -> the loss.
        labels: the form of the labels.
        framework: whose tensors it takes: those of Keras on the backend that is timed, or of torch itself, beside it in
            a process of its own. torch has the classes in the second axis.
        most: the share of the stock loss that it may cost; None: no target.
        stock: what that is a share of.
    """

    name: str
    build: Callable[[int], Loss]
    labels: Labels = "void"
    framework: Literal["keras", "torch"] = "keras"
    most: float | None = None
    stock: str = STOCK


HARD, SOFT, REGION = 0.5, 0.75, 1.0

_TIMED = {"warmup_epochs": 0.0, "ramp_epochs": 0.0, "ramp_shape": "linear", "recall_off": None, "recall_on": None}
_MASKED = {"target": TARGET, "alpha": 0.25, **_TIMED}
_PAIRS = {"confusions": {TARGET: {0: 0.25, 1: 0.5}}, **_TIMED}


def ours() -> list[Contestant]:
    """The variants on cross-entropy or Dice, then the other bases and normalizers under a mask."""
    return [*_variants(), *_bases()]


def _variants() -> list[Contestant]:
    dice, v = bases.dice(smoothing=1.0), variants
    fading = _put("V5 V2 half faded in", HARD, v.attenuate_false_negatives, _MASKED, ramp=0.5)
    two = {**_MASKED, "target": [0, TARGET], "alpha": [0.25, 0.5]}
    cost = {**_MASKED, "cost_weight": 1.0}
    return [
        _put("V0 plain", HARD, v.plain, {"target": TARGET}),
        _put("V0' downweight_class", HARD, v.downweight_class, {"target": TARGET, "alpha": 0.25}),
        _put("V1 ignore_false_negatives", HARD, v.ignore_false_negatives, {"target": TARGET, **_TIMED}),
        _put("V2 attenuate_false_negatives", HARD, v.attenuate_false_negatives, _MASKED),
        _put("V3 soften_false_negatives", SOFT, v.soften_false_negatives, {**_MASKED, "power": 1.0}),
        _put("V3m soften_by_margin", SOFT, v.soften_by_margin, {**_MASKED, "temperature": 1.0}),
        _put("V4 attenuate_improbable", HARD, v.attenuate_improbable, {**_MASKED, "threshold": 0.3}),
        _put("V4c attenuate_confident", HARD, v.attenuate_confident, {**_MASKED, "threshold": 0.8}),
        fading,
        _put("V6 V2 of two classes", HARD, v.attenuate_false_negatives, two),
        _put("V7 weigh_confusions, argmax", HARD, v.weigh_confusions, {**_PAIRS, "reading": "argmax"}),
        _put("V7 weigh_confusions, expectation", SOFT, v.weigh_confusions, {**_PAIRS, "reading": "expectation"}),
        _put("V8 expected_cost", SOFT, v.expected_cost, {**cost, "crossentropy_weight": 0.0}),
        _put("V8 expected_cost + crossentropy", SOFT, v.expected_cost, {**cost, "crossentropy_weight": 1.0}),
        _put("V9 accept_other_labels", SOFT, v.accept_other_labels, _MASKED),
        _put("V10 relabel_false_negatives", HARD, v.relabel_false_negatives, _MASKED),
        _put("V11 mask_regions, dice", REGION, v.mask_regions, _MASKED, dice),
        _put("V12 attenuate_in_score, dice", REGION, v.attenuate_in_score, _MASKED, dice),
        _put("V13 mine_kept_pixels", HARD, v.mine_kept_pixels, {**_MASKED, "hardest_fraction": 0.25}),
        _put("V14 attenuate_false_positives", HARD, v.attenuate_false_positives, _MASKED),
    ]


def _bases() -> list[Contestant]:
    tversky = {"false_positive_weight": 0.3, "false_negative_weight": 0.7, "smoothing": 1.0}
    both: dict[str, dict[str, float | None]]
    both = {"crossentropy": {"weight": 1.0, "label_smoothing": None}, "dice": {"weight": 1.0, "smoothing": 1.0}}
    on_pixels = {
        "crossentropy, label smoothing": bases.crossentropy(label_smoothing=0.1, normalizer="valid"),
        "focal": bases.focal(gamma=2.0, normalizer="valid"),
        "generalized_crossentropy": bases.generalized_crossentropy(q=0.7, normalizer="valid"),
        "crossentropy, normalizer kept": _crossentropy("kept"),
        "crossentropy, normalizer weight": _crossentropy("weight"),
        "crossentropy, normalizer class_weight": _crossentropy("class_weight"),
        "crossentropy, normalizer per_class": _crossentropy("per_class"),
    }
    on_regions = {
        "jaccard": bases.jaccard(smoothing=1.0),
        "tversky": bases.tversky(**tversky),
        "focal_tversky": bases.focal_tversky(gamma=4 / 3, **tversky),
        "lovasz_softmax": bases.lovasz_softmax(),
    }
    mask = variants.attenuate_false_negatives
    return [
        *(_put(f"V2, {name}", HARD, mask, _MASKED, base) for name, base in on_pixels.items()),
        *(_put(f"V11, {name}", REGION, variants.mask_regions, _MASKED, base) for name, base in on_regions.items()),
        _put("V2, crossentropy + dice", None, mask, _MASKED, bases.weighted_sum(terms=both, normalizer="valid")),
    ]


def _crossentropy(normalizer: MeanNormalizer = "valid") -> BaseSpec:
    return bases.crossentropy(label_smoothing=None, normalizer=normalizer)


def _put(
    name: str,
    most: float | None,
    variant: Callable[..., LossSpec],
    arguments: dict[str, Any],
    base: BaseSpec | None = None,
    *,
    ramp: float = 1.0,
) -> Contestant:
    """A variant on a base, by default cross-entropy; the ramp is in the compiled step whatever its value."""
    base = base or _crossentropy()

    def build(num_classes: int) -> Loss:
        from fnmask.losses import build_loss

        spec = variant(num_classes=num_classes, **arguments)
        loss: Any = build_loss(spec, base, class_weights=even_class_weights(num_classes), ignore_class=VOID)
        loss.assign(ramp=ramp)
        built: Loss = loss
        return built

    stock = STOCK_DICE if most == REGION else STOCK
    return Contestant(name, build, most=most, stock=stock)
