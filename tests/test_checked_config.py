"""What a config holds once it is checked."""

import json

import pytest
from composing import check

from fnmask.class_names import class_index


@pytest.mark.parametrize(
    ("target", "names"), [("road", ("road",)), ("2", ("road",)), ("[water,0]", ("water", "land")), ("[2]", ("road",))]
)
def test_classes_by_name_or_index(target, names):
    config = check(f"loss.target={target}")
    assert config.target_names == names
    # What is trained is the class itself: its row of the error matrix, and no other, is softened.
    softened = {config.source.class_names[row] for row in (config.loss.error_weights < 1).any(axis=1).nonzero()[0]}
    assert softened == set(names)


def test_a_class_whose_name_is_a_number_is_found_by_name_first():
    assert class_index("1", ("a", "1", "c"), key="k") == 1
    assert class_index(2, ("2", "b", "c"), key="k") == 2


def test_what_a_checked_config_holds():
    config = check("loss=attenuate_fn", "loss.alpha=0.25", "dataset.crop_size=null", "seed=3", "root=/somewhere")
    assert (config.seed, str(config.root), config.choices["loss"]) == (3, "/somewhere", "attenuate_fn")
    assert config.loss.error_weights[2].tolist() == [0.25, 0.25, 1, 0.25, 0.25]
    # Half of ten epochs, from conf/.
    assert config.loss.timing.warmup_epochs == 5
    assert config.dataset.train_size == (128, 128)
    assert config.label_noise.target == ""
    json.dumps(config.resolved)
    assert "val/iou/road" in config.metric_keys()
    assert "tradeoff/target_cost" in config.metric_keys()


def test_reference_changes_with_what_a_comparison_holds_fixed_and_with_nothing_else():
    base = check().reference
    still = ("loss=ignore_fn", "loss=plain", "loss.target=water", "weighting=inverse", "root=/x", "trainer.test=false")
    for override in (*still, "trainer.eval_batch_size=2"):
        assert check(override).reference == base, override
    moving = ("seed=1", "backbone.width=4", "dataset.n_val=3", "dataset.flips=none", "trainer.epochs=9")
    moving += ("trainer.eval_resolution=original",)
    assert check("label_noise=dropped", "label_noise.target=road").reference != base
    for override in (*moving, "optimizer.learning_rate=1"):
        assert check(override).reference != base, override


def test_reference_knows_the_data_by_its_content(tmp_path):
    references = []
    for place in ("here", "there", "other"):
        for split in ("train", "val", "test"):
            for kind, suffix in (("images", "jpg"), ("masks", "png")):
                (tmp_path / place / split / kind).mkdir(parents=True)
                (tmp_path / place / split / kind / f"a.{suffix}").write_text("b" if place == "other" else "a")
        references.append(check("dataset=camvid", f"dataset.root={tmp_path / place}").reference)
    assert references[0] == references[1] != references[2]
