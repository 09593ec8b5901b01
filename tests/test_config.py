"""What is wrong with a config, in the words that a person reads."""

import os
import re
import shlex
import subprocess
import sys

import pytest
from composing import check, compose_config
from hydra.core.override_parser.overrides_parser import OverridesParser

from fnmask.binding import ConfigError
from fnmask.hydra_errors import HYDRA_ERRORS, explain, is_complaint

AERIAL = "Allowed: land (0), building (1), road (2), vegetation (3), water (4)."


def faults(*overrides):
    """What a person reads, whether Hydra or the check found it."""
    with pytest.raises((ConfigError, *HYDRA_ERRORS, ValueError)) as caught:
        check(*overrides)
    if isinstance(caught.value, ConfigError):
        return caught.value.faults
    assert is_complaint(caught.value)
    return explain(caught.value, lambda some: compose_config(*some), overrides).faults


def test_a_text_that_hydra_cannot_read_is_given_back_in_quotes():
    for value in ("masks/{id}/{class}_*.png", r"^(\w+)_", "~/Straßen", 'a="b"'):
        (fault,) = faults("seed=1", f"dataset.masks={value}")
        assert fault.startswith(f"dataset.masks={value}: ")
        (word,) = shlex.split(re.search(r"quotes of its own: (.*)\.$", fault)[1])
        assert OverridesParser.create().parse_override(word).value() == value
    (fault,) = faults("dataset.classes=[land,")
    assert "quotes" not in fault


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("loss.alpha=-1", "loss.alpha: got -1. Input should be greater than or equal to 0."),
        ("optimizer.learning_rate=0", "optimizer.learning_rate: got 0. Input should be greater than 0."),
        ("optimizer.learning_rate=inf", "optimizer.learning_rate: got inf. Input should be a finite number."),
        ("loss.alpha=[0.5,-1]", "loss.alpha.1: got -1. Input should be greater than or equal to 0."),
        ("loss.ramp_epochs=inf", "loss.ramp_epochs: got inf. Input should be a finite number."),
        ("optimizer.momentum=1", "optimizer.momentum: got 1. Input should be less than 1."),
        ("optimizer.name=adan", "optimizer.name: got 'adan'. Input should be 'adam', 'adamw' or 'sgd'."),
        ("trainer.epochs=0", "trainer.epochs: got 0. Input should be greater than or equal to 1."),
        ("trainer.epochs=two", "trainer.epochs: got 'two'. Input should be a valid integer"),
        ("trainer.epochs='8'", "trainer.epochs: got '8'. Input should be a valid integer."),
        ("trainer.epochs=8.5", "trainer.epochs: got 8.5. Input should be a valid integer."),
        ("loss.alpha=true", "loss.alpha: got True. Input should be a valid number."),
        ("dataset.n_train='8'", "dataset.n_train: got '8'. Input should be a valid integer."),
        ("root=null", "root: got None. It must be the path of a folder."),
        ("root=/dev/null/x", "root: got '/dev/null/x', but /dev/null is a file. It must be the path of a folder."),
        ("study.seed=5000000000", "study.seed: got 5000000000. Input should be less than 2147483648."),
        ("loss._target_=builtins.dict", "loss._target_: got 'builtins.dict', whose arguments cannot be"),
        ("trainer.steps_per_epoch=0", "trainer.steps_per_epoch: got 0. Input should be greater than or equal to 1."),
        ("trainer.select=worst", "trainer.select: got 'worst'. Input should be 'last' or 'best'."),
        ("tracking.overlay_images=-1", "tracking.overlay_images: got -1. Input should be greater than or equal to 0."),
        ("study.sampler=x", "study.sampler: got 'x'. Input should be 'tpe', 'random', 'grid', 'quasi_random', "),
        ("backbone.depth=9", "backbone.depth: got 9. Input should be less than or equal to 6."),
        ("dataset.size_px=8", "dataset.size_px: got 8. Input should be greater than or equal to 32."),
        ("dataset.image_size=[0,64]", "dataset.image_size.0: got 0. Input should be greater than or equal to 1."),
        ("dataset.flips=up", "dataset.flips: got 'up'. Input should be 'none', 'horizontal' or 'both'."),
        ("seed=-1", "seed: got -1. It must be an integer in [0, 2^31)."),
        ("seed=true", "seed: got True. It must be an integer in [0, 2^31)."),
        ("seed=null", "seed: got None. It must be an integer in [0, 2^31)."),
        ("loss.target=[road,road]", "loss: target=[2, 2] names a class twice"),
        ("loss.target=[]", "loss: target is empty; name at least one class"),
        (
            "dataset.crop_size=[256,96]",
            "dataset.crop_size: got [256, 96]. It must fit into dataset.image_size=[128, 128].",
        ),
        ("loss.warmup_epochs=10", "loss.warmup_epochs: got 10 with trainer.epochs=10: the mask would never be"),
    ],
)
def test_a_value_out_of_range(override, fault):
    (found,) = faults(override)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("loss.alpa=1", "loss.alpa: unknown key. Did you mean loss.alpha? Allowed: loss.warmup_epochs, "),
        ("trainer.epoch=1", "trainer.epoch: unknown key. Did you mean trainer.epochs? Allowed: trainer.epochs, "),
        ("trainr.epochs=1", "trainr.epochs: unknown key. Did you mean trainer? Allowed: backbone, "),
        ("sed=1", "sed: unknown key. Did you mean seed? Allowed: "),
        ("lss=plain", "lss: unknown key. Did you mean loss? Allowed: backbone, "),
        ("+foo=1", "foo: unknown key. Allowed: seed, root, "),
        ("+loss.foo=1", "loss.foo: unknown key. Allowed: target, alpha, power, warmup_epochs, "),
        ("+dataset.foo=1", "dataset.foo: unknown key. Allowed: seed, n_train, "),
        ("+trainer.foo=1", "trainer.foo: unknown key. Allowed: epochs, "),
    ],
)
def test_an_unknown_key(override, fault):
    (found,) = faults(override)
    assert found.startswith(fault)


def test_an_unknown_key_is_told_from_the_option_that_was_chosen():
    # soften_fn, the default, has an alpha; plain has not.
    assert faults("loss=plain", "loss.alpha=1") == ("loss.alpha: unknown key. Allowed: loss.target.",)
    (found,) = faults("backbone=unet", "backbone.encodr=vgg16")
    assert found.startswith("backbone.encodr: unknown key. Did you mean backbone.encoder? Allowed: backbone.decoder,")


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("loss=ignore", "loss: got 'ignore'. Did you mean ignore_fn? Allowed: attenuate_fn, attenuate_fp,"),
        ("weighting=1e3", "weighting: got 1000.0. It is a group: give the name of one of its options."),
        ("loss=null", "loss: got None. It is a group: give the name of one of its options."),
        ("~loss", "loss: missing. Give loss=VALUE."),
        ("~seed", "seed: missing. Give seed=VALUE."),
        ("dataset=camvid", "dataset.root: missing. Give dataset.root=VALUE."),
        ("weighting=manual", "weighting.weights: missing. Give weighting.weights=VALUE."),
        ("~optimizer.name", "optimizer.name: missing. Give optimizer.name=VALUE."),
        ("backbone=unet backbone.encoder=resnet19", "backbone.encoder: got 'resnet19'. Input should be 'densenet121'"),
    ],
)
def test_a_wrong_option_or_a_missing_value(override, fault):
    (found,) = faults(*override.split())
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("loss.target=raod", f"loss.target: got 'raod', no class of this data set. Did you mean road? {AERIAL}"),
        ("loss.target=5", f"loss.target: got 5, no class of this data set. {AERIAL}"),
        ("loss.target=-1", f"loss.target: got -1, no class of this data set. {AERIAL}"),
        ("loss.target=true", f"loss.target: got True, no class of this data set. {AERIAL}"),
        ("loss.target=null", f"loss.target: got None, no class of this data set. {AERIAL}"),
        ("loss.target=[road,sky]", f"loss.target: got 'sky', no class of this data set. {AERIAL}"),
        ("loss=plain loss.target=sky", f"loss.target: got 'sky', no class of this data set. {AERIAL}"),
        (
            "label_noise=over_wide label_noise.target=road label_noise.px=true",
            "label_noise.px: got True. Input should be a valid integer.",
        ),
        (
            "label_noise=dropped label_noise.target=sky",
            "label_noise: 'sky' is no class of this data set: land, building, road, vegetation, water.",
        ),
        (
            "weighting=manual weighting.weights={sky:1,road:2}",
            f"weighting.weights: got 'sky', no class of this data set. {AERIAL}",
        ),
    ],
)
def test_a_class_that_the_data_lacks(override, fault):
    assert faults(*override.split()) == (fault,)


def test_weights_by_hand_are_one_for_each_class():
    assert faults("weighting=manual", "weighting.weights=[1,2]") == (
        "weighting.weights: got 2 numbers. Give one for each of land, building, road, vegetation, water.",
    )
    assert check("weighting=manual", "weighting.weights=[1,2,3,4,0.5]").weighting.kwargs["weights"] == [1, 2, 3, 4, 0.5]
    for given in ("{road:0.5}", "{2:0.5}"):
        assert check("weighting=manual", f"weighting.weights={given}").weighting.kwargs["weights"] == {"road": 0.5}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            "loss=region_fn",
            "base: this variant masks regions, which base crossentropy does not score. Choose base=dice",
        ),
        ("loss=class_tversky base=crossentropy_dice", "base: this variant weighs the false negatives in the score of"),
        ("loss=hardest_fn base=dice", "base: hard example mining selects pixels, which base dice does not add up."),
        (
            "loss=label_set base=focal",
            "base: this variant replaces the cross-entropy, so it does not go with base focal.",
        ),
        ("loss=label_set loss.alpha=2", "loss: alpha=2.0, but here it is a share of the label and at most 1."),
        (
            "loss=class_tversky base=dice loss.alpha=0 base.smoothing=1",
            "base: smoothing=1 gives classes that are never",
        ),
        ("base=crossentropy_dice base.terms.dice.smoothing=-1", "base.terms.dice.smoothing: got -1. Input should be"),
        ("base=crossentropy_dice base.terms.dice.weight=-1", "base: terms.dice.weight=-1.0, but every term has"),
        ("base=crossentropy_dice +base.terms.dic.weight=1", "base.terms='dic' is not known; use one of crossentropy,"),
        ("base=crossentropy_dice base.terms.dice=1", "base.terms.dice: got 1. Input should be an object."),
        ("base.normalizer=none", "base.normalizer: got 'none'. Input should be 'valid', 'all', 'kept', "),
        ("loss.recall_on=0.5", "loss: recall_on=0.5 has no effect without recall_off; give both or none."),
        ("loss.recall_off=0.5 loss.recall_on=0.4", "loss: recall_off=0.5 and recall_on=0.4, but 0 <= recall_off"),
        ("loss.ramp_shape=step loss.ramp_epochs=8", "loss.warmup_epochs: got 3 with trainer.epochs=10: the mask would"),
        ("loss=confusions loss.confusions={road:{lnd:0.2}}", "loss.confusions.road: got 'lnd', no class of this data"),
        (
            "loss=confusions loss.confusions={road:{}}",
            "loss: confusions={2: {}} names a true class without a predicted",
        ),
        (
            "loss=expected_cost loss.cost_weight=0 loss.crossentropy_weight=0",
            "loss: cost_weight and crossentropy_weight",
        ),
        (
            "base=crossentropy_dice base.terms.dice.weight=0 base.terms.crossentropy.weight=0",
            "base: every term has the weight 0",
        ),
        ("loss=confusions loss.confusions={road:[1]}", "loss.confusions.2: got [1]. Input should be an object."),
        ("loss=confusions loss.confusions={road:{road:0}}", "loss: confusions weighs class 2 called 2, but that is no"),
        (
            "loss=attenuate_fn loss.target=[road,water] loss.alpha=[0.5]",
            "loss: alpha=[0.5] has 1 numbers for 2 classes",
        ),
    ],
)
def test_a_variant_and_a_base_that_do_not_fit(given, fault):
    (found,) = faults(*given.split())
    assert found.startswith(fault)


def test_confusions_by_name_or_index():
    config = check("loss=confusions", "loss.confusions={road:{land:0.2,1:0},4:{road:3}}")
    assert config.target_names == ("road", "water")
    assert config.loss.error_weights[2].tolist() == pytest.approx([0.2, 0, 1, 1, 1])
    assert config.loss.error_weights[4].tolist() == [1, 1, 3, 1, 1]


def test_every_base_has_its_own_plain_control():
    references = {check("loss=plain", f"base={base}").reference for base in ("crossentropy", "dice", "focal")}
    assert len(references) == 3
    assert check("loss=plain", "base=dice").is_plain
    assert not check("loss=hardest_fn", "loss.alpha=1").is_plain


def test_entries_that_a_preset_has_given(tmp_path):
    (fault,) = faults("+sweeps=which_class", "study.directions={val/miou:maximize}")
    assert fault.startswith(
        "study.directions: has entries already, from a preset. Add to them with '+study.directions={"
    )
    compose_config("+sweeps=which_class", "~study.directions", "+study.directions={val/miou:maximize}")


def test_several_faults_at_once(tmp_path):
    assert faults(
        "loss.target=raod", "loss.alpha=-1", "dataset.flips=up", "label_noise=dropped", "label_noise.target=9", "seed=x"
    ) == (
        "seed: got 'x'. It must be an integer in [0, 2^31).",
        "dataset.flips: got 'up'. Input should be 'none', 'horizontal' or 'both'.",
        "label_noise.target: got 9. Input should be a valid string.",
        f"loss.target: got 'raod', no class of this data set. Did you mean road? {AERIAL}",
        "loss.alpha: got -1. Input should be greater than or equal to 0.",
    )


@pytest.mark.parametrize(("dataset", "folder"), [("camvid", "train/images"), ("dubai", "Tile 1/images")])
def test_a_missing_folder_and_what_else_is_wrong(tmp_path, dataset, folder):
    where, flips = faults(f"dataset={dataset}", f"dataset.root={tmp_path}", "dataset.flips=up")
    assert where.startswith(f"dataset.root: got '{tmp_path}'. There is no folder {tmp_path / folder}. ")
    assert "is expected as" in where
    assert flips.startswith("dataset.flips: got 'up'.")


def test_a_loss_that_is_none(monkeypatch):
    def no_loss(target):
        return 1

    monkeypatch.setattr("fnmask.losses.variants.no_loss", no_loss, raising=False)
    expected = "loss._target_: fnmask.losses.variants.no_loss gives a int. It must give a LossSpec."
    assert faults("loss=plain", "loss._target_=fnmask.losses.variants.no_loss") == (expected,)


def test_weights_of_an_encoder_that_are_not_there(tmp_path):
    given = ("backbone=unet", f"backbone.encoder_weights={tmp_path}/none.h5")
    (fault,) = faults(*given)
    assert fault.startswith(f"backbone.encoder_weights: there is no file '{tmp_path}/none.h5'. Allowed: null, imagenet")


# Runs the real entry point and then says how it ended and whether TensorFlow was loaded.
SCRIPT = """
import runpy, sys
sys.argv = ["train.py", *sys.argv[1:]]
try:
    runpy.run_path("train.py", run_name="__main__")
except SystemExit as left:
    print("code", left.code, "backend", bool({"tensorflow", "keras"} & set(sys.modules)))
"""


def test_a_refused_run_leaves_with_2_and_never_loads_tensorflow(request, tmp_path):
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"root={tmp_path}", "loss.target=raod", "trainer.epochs=0"],
        cwd=request.config.rootpath,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "code 2 backend False", done.stderr
    assert done.stderr.splitlines() == [
        "Nothing was trained.",
        "trainer.epochs: got 0. Input should be greater than or equal to 1.",
        f"loss.target: got 'raod', no class of this data set. Did you mean road? {AERIAL}",
    ]
