"""What each variant asks for, by hand; and that every option of `conf/` becomes a loss that trains."""

import subprocess
import sys

import numpy as np
import pytest

from fnmask.losses import bases, variants
from fnmask.losses.build import build_loss
from fnmask.losses.spec import BaseSpec, TermSpec, Timing, check_together

TIMING = {"warmup_epochs": 2.0, "ramp_epochs": 1.0, "ramp_shape": "cosine", "recall_off": 0.1, "recall_on": 0.3}
ROW = [[1, 1, 1], [0.4, 1, 0.4], [1, 1, 1]]
ONE = {"num_classes": 3, "target": 1, "alpha": 0.4, **TIMING}
CROSSENTROPY = BaseSpec((TermSpec("crossentropy"),))
DICE = bases.dice(smoothing=0.0)

# variant -> how it reads the matrix, and the numbers that it carries
ROW_READERS = {
    variants.attenuate_false_negatives: ("argmax", {}),
    variants.soften_false_negatives: ("confidence", {"power": 2.0}),
    variants.soften_by_margin: ("margin", {"temperature": 0.5}),
    variants.attenuate_improbable: ("threshold", {"threshold": 0.1}),
    variants.attenuate_confident: ("disagreement", {"threshold": 0.7}),
    variants.expected_cost: ("expected_cost", {"cost_weight": 2.0, "crossentropy_weight": 0.5}),
    variants.accept_other_labels: ("label_set", {}),
    variants.relabel_false_negatives: ("relabel", {}),
    variants.mask_regions: ("regions", {}),
    variants.attenuate_in_score: ("by_class", {}),
}


@pytest.mark.parametrize(("variant", "reading", "numbers"), [(key, *value) for key, value in ROW_READERS.items()])
def test_variants_that_let_off_a_row(variant, reading, numbers):
    spec = variant(**ONE, **numbers)
    np.testing.assert_allclose(spec.error_weights, ROW, rtol=1e-7)
    np.testing.assert_array_equal(spec.class_weights, 1)
    assert (spec.reading, spec.numbers, spec.targets) == (reading, numbers, (1,))
    assert spec.timing == Timing(2.0, 1.0, "cosine", 0.1, 0.3)
    assert not spec.is_plain
    # At alpha 1 all but the expected cost are the plain loss.
    assert variant(**ONE | {"alpha": 1.0}, **numbers).is_plain == (reading != "expected_cost")


def test_variants_of_another_shape():
    plain = variants.plain(num_classes=3, target=2)
    np.testing.assert_array_equal(plain.error_weights, 1)
    assert plain.is_plain
    assert plain.targets == (2,)
    assert plain.timing == Timing()

    ignored = variants.ignore_false_negatives(num_classes=3, target=[0, 2], **TIMING)
    np.testing.assert_array_equal(ignored.error_weights, [[1, 0, 0], [1, 1, 1], [0, 0, 1]])
    assert ignored.targets == (0, 2)

    downweighted = variants.downweight_class(num_classes=3, target=1, alpha=0.4)
    np.testing.assert_allclose(downweighted.class_weights, [1, 0.4, 1], rtol=1e-7)
    np.testing.assert_array_equal(downweighted.error_weights, 1)
    assert not downweighted.is_plain

    alarms = variants.attenuate_false_positives(**ONE)
    np.testing.assert_allclose(alarms.error_weights, np.transpose(ROW), rtol=1e-7)

    mined = variants.mine_kept_pixels(**ONE, hardest_fraction=0.25)
    np.testing.assert_allclose(mined.error_weights, ROW, rtol=1e-7)
    assert mined.hardest_fraction == 0.25
    assert not variants.mine_kept_pixels(**ONE | {"alpha": 1.0}, hardest_fraction=0.25).is_plain

    single = variants.weigh_confusions(num_classes=3, confusions={2: {0: 0.5}}, reading="expectation", **TIMING)
    np.testing.assert_array_equal(single.error_weights, [[1, 1, 1], [1, 1, 1], [0.5, 1, 1]])
    assert (single.reading, single.targets) == ("expectation", (2,))


def test_one_alpha_for_each_target():
    given = ONE | {"target": [2, 0], "alpha": [0.5, 3.0]}
    spec = variants.attenuate_false_negatives(**given)
    np.testing.assert_array_equal(spec.error_weights, [[1, 3, 3], [1, 1, 1], [0.5, 0.5, 1]])
    with pytest.raises(ValueError, match="has 1 numbers for 2 classes"):
        variants.attenuate_false_negatives(**given | {"alpha": [0.5]})


@pytest.mark.parametrize(
    ("target", "message"), [(3, r"target=\[3\]"), ([], "target is empty"), ([1, 1], "names a class twice")]
)
def test_wrong_targets_are_explained(target, message):
    with pytest.raises(ValueError, match=message):
        variants.downweight_class(num_classes=3, target=target, alpha=0.5)


@pytest.mark.parametrize("variant", [variants.accept_other_labels, variants.relabel_false_negatives])
def test_shares_of_a_label_are_at_most_1(variant):
    with pytest.raises(ValueError, match=r"alpha=1.5, but here it is a share"):
        variant(**ONE | {"alpha": 1.5})


@pytest.mark.parametrize(
    ("loss", "base", "message"),
    [
        (variants.mask_regions(**ONE), CROSSENTROPY, "Choose base=dice, jaccard, tversky, focal_tversky or lovasz"),
        (variants.attenuate_in_score(**ONE), CROSSENTROPY, "Choose base=tversky"),
        (variants.attenuate_in_score(**ONE), bases.lovasz_softmax(), "Choose base=tversky"),
        (variants.attenuate_in_score(**ONE | {"alpha": 0.0}), bases.dice(smoothing=1.0), "smoothing=1 gives classes"),
        (variants.relabel_false_negatives(**ONE), DICE, "Choose base=crossentropy without label smoothing"),
        (variants.mine_kept_pixels(**ONE, hardest_fraction=0.5), DICE, "hard example mining selects pixels"),
    ],
)
def test_a_variant_that_does_not_go_with_a_base(loss, base, message):
    with pytest.raises(ValueError, match=message):
        check_together(loss, base)
    with pytest.raises(ValueError, match=message):
        build_loss(loss, base, class_weights=np.ones(3), ignore_class=None)


def test_what_is_built_carries_all_of_the_spec():
    base = bases.weighted_sum(
        terms={"focal": {"weight": 0.5, "gamma": 1.5}, "dice": {"weight": 2.0, "smoothing": 0.25}}, normalizer="kept"
    )
    spec = variants.attenuate_false_negatives(**ONE)
    loss = build_loss(spec, base, class_weights=[1, 2, 3], ignore_class=9)
    focal, dice = loss.losses
    for each in loss.losses:
        np.testing.assert_array_equal(each.numbers["error_weights"], spec.error_weights)
        np.testing.assert_array_equal(each.numbers["class_weights"], [1, 2, 3])
        assert each.ignore_class == 9
    assert (focal.numbers["gamma"], focal.normalizer, dice.numbers["smoothing"]) == (1.5, "kept", 0.25)
    assert [float(loss.numbers[key]) for key in ("weight_0", "weight_1")] == [0.5, 2.0]
    # Class weights of the variant multiply those of the weighting.
    control = variants.downweight_class(num_classes=3, target=1, alpha=0.5)
    built = build_loss(control, CROSSENTROPY, class_weights=[1, 2, 3], ignore_class=None)
    np.testing.assert_array_equal(built.numbers["class_weights"], [1, 1, 3])


def test_timing():
    assert Timing(recall_off=0.2).build_gate().recall_on == 0.2
    assert Timing(warmup_epochs=2, ramp_epochs=3).epochs_without_mask == 2
    assert Timing(warmup_epochs=2, ramp_epochs=3, ramp_shape="step").epochs_without_mask == 5
    with pytest.raises(ValueError, match="no effect without recall_off"):
        Timing(recall_on=0.2)
    with pytest.raises(ValueError, match="0 <= recall_off <= recall_on <= 1"):
        Timing(recall_off=0.4, recall_on=0.2)


def test_what_a_configuration_names_loads_no_backend():
    modules = "variants", "bases", "weighting", "schedule", "error_matrix"
    code = f"import sys, fnmask; {'; '.join(f'import fnmask.losses.{name}' for name in modules)}; " + (
        "import fnmask.metrics.readings; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
