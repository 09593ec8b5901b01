"""Every option of every group: it composes, binds, and says in a comment what each of its keys means."""

import re

import layouts
import pytest
from composing import compose_config, make_camvid, make_folder

from fnmask.binding import ConfigError, bind
from fnmask.config import read_study
from fnmask.presets import conf_dir
from fnmask.sweep.composer import check_job

CONF = conf_dir()
GROUPS = (
    *(
        "backbone",
        "dataset",
        "label_noise",
        "augmentation",
        "loss",
        "base",
        "weighting",
        "optimizer",
        "trainer",
        "tracking",
        "study",
    ),
    "debug",
)
OPTIONS = [f"{group}={path.stem}" for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
# Needs an extra and a set that it has prepared: tests/data/test_tfds.py.
OPTIONS.remove("dataset=tfds")
PRUNERS = sorted(path.stem for path in (CONF / "study" / "pruner").glob("*.yaml"))
FILES = sorted(path for path in CONF.rglob("*.yaml") if path.relative_to(CONF).parts[0] not in ("hydra", "sweeps"))

# What an option cannot run without.
NEEDS = {
    "weighting=manual": ["weighting.weights={road:0.5}"],
    "loss=confusions": ["loss.confusions={road:{land:0.2,building:0}}"],
    "loss=region_fn": ["base=dice"],
    "loss=class_tversky": ["base=tversky"],
    "label_noise=flipped": ["label_noise.target=road", "label_noise.to={land:0.2}"],
    **{
        f"label_noise={kind}": ["label_noise.target=road"]
        for kind in ("over_wide", "under_wide", "shifted", "dropped", "spurious")
    },
}

# Sets without a class called road, and what their files say to give instead.
WITHOUT_ROAD = {"camvid32": "Road", "oxford_pet": "pet", "potsdam": "building", "voc2012": "person"}


@pytest.mark.parametrize("option", OPTIONS)
def test_option_composes_and_binds(option, tmp_path):
    needs = NEEDS.get(option, [])
    group, _, name = option.partition("=")
    if option == "dataset=folder":
        make_folder(tmp_path)
        needs = [f"dataset.root={tmp_path}", "dataset.classes=[land,road]", "dataset.val_fraction=0.3"]
    if option == "weighting=segnet":
        make_camvid(tmp_path)
        needs = ["dataset=camvid", f"dataset.root={tmp_path}"]
    if group == "dataset" and name in layouts.LAYOUTS:
        layouts.LAYOUTS[name](tmp_path)
        needs = [f"dataset.root={tmp_path}"]
    if name in WITHOUT_ROAD:
        with pytest.raises(ConfigError, match=r"loss\.target: got 'road', no class of this data set"):
            check_job(compose_config(option, *needs))
        assert f"give loss.target={WITHOUT_ROAD[name]}." in (CONF / "dataset" / f"{name}.yaml").read_text()
        needs.append(f"loss.target={WITHOUT_ROAD[name]}")
    config = check_job(compose_config(option, *needs))
    assert config.choices[group] == name
    if group == "dataset":
        assert all(config.source.ids(split) for split in ("train", "val", "test"))
        # Every loss must find its default target in it, or the file says which one to give.
        assert config.target_names == (WITHOUT_ROAD.get(name, "road"),)


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_composes_and_binds(pruner):
    cfg = compose_config(f"study/pruner={pruner}", "trainer.epochs=9")
    check_job(cfg)
    study = read_study(cfg)
    bound = bind(study.pruner, prefix="study.pruner")()
    # As it comes it serves one direction, or says what else it needs.
    if pruner == "wilcoxon":
        with pytest.raises(ConfigError, match=r"^study\.seeds: got 1\..* give study\.seeds=5 or more"):
            bound.check(len(study.directions), study.seeds)
        bound.check(1, 5)
    else:
        bound.check(len(study.directions), study.seeds)
    asked = {"none": "never", "wilcoxon": "seed"}
    assert bound.unit == asked.get(pruner, "epoch")


def test_a_misspelt_setting_of_a_pruner_is_named():
    with pytest.raises(ConfigError, match=r"study\.pruner\.min_epoch: unknown key\. Did you mean min_epochs"):
        bind(read_study(compose_config("study/pruner=asha", "+study.pruner.min_epoch=1")).pruner, prefix="study.pruner")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_key_has_a_comment(path):
    lines = path.read_text().splitlines()
    assert lines[0].startswith("#"), "the file says on its first line what it is for"
    for number, line in enumerate(lines):
        key = re.match(r"\s*([\w/]+):", line)
        # The import path and Hydra's own lists explain themselves; the comment at the top is about them.
        if key is None or line.startswith("  ") or key.group(1) in ("_target_", "defaults", "hydra"):
            continue
        block = lines[number - 1].startswith("#")
        nested = line.endswith(":")
        assert block or nested or re.search(r"\s#\s\S", line), f"{path.name}:{number + 1}: no comment on {line!r}"


def test_groups_are_those_of_the_documentation():
    found = {path.name for path in CONF.iterdir() if path.is_dir()}
    assert found == {*GROUPS, "hydra", "sweeps"}


def test_debug_fast_makes_a_trial_of_four_steps():
    config = check_job(compose_config("debug=fast"))
    assert (config.trainer.epochs, config.trainer.steps_per_epoch) == (2, 2)
    assert config.dataset.train_size == (64, 64)


def test_the_masks_warm_up_before_they_act():
    for loss in sorted(path.stem for path in (CONF / "loss").glob("*.yaml")):
        if loss in ("plain", "class_downweight"):
            continue
        config = check_job(compose_config(f"loss={loss}", "trainer.epochs=20", *NEEDS.get(f"loss={loss}", [])))
        assert config.loss.timing.warmup_epochs in (6, 10)
        assert config.loss.timing.build_gate() is None
