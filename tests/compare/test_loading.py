"""Reading a sweep back from the store."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fnmask.compare.comparison import write_comparison
from fnmask.compare.loading import load_sweep
from fnmask.compare.table import build_table
from fnmask.compare.wording import explanation
from fnmask.tracking.artifacts import ClassList, FrontierFile, pack_frontier
from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.predictions import pack_pictures
from fnmask.tracking.records import SweepNotFoundError

AddTrial = Callable[..., str]
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]


@pytest.fixture
def parent(store: MlflowStore) -> str:
    return store.open_sweep(study="s", tags={}, params={})


def test_trials_are_read_whole(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT, targets="road,car")
    add_trial(parent, 2, "soft", PLAIN, outcome="failed:crash")
    add_trial(parent, 3, "pruned", PLAIN, outcome="pruned")
    sweep = load_sweep(store)
    assert sweep.study == "s"
    assert sweep.class_names == ("land", "road", "car")
    assert [trial.number for trial in sweep.trials] == [0, 1]
    assert sweep.trials[1].targets == ("road", "car")
    assert sweep.trials[1].matrices["test"].shape == (2, 3, 3)
    assert sweep.trials[1].total("test").tolist() == SOFT
    assert sweep.trials[1].total("val").tolist() == PLAIN
    assert sweep.splits == ("test", "val")
    assert sweep.outcomes == {"complete": 2, "failed:crash": 1, "pruned": 1}
    assert sweep.baselines["ref0"].number == 0
    assert {dataset.context for dataset in sweep.datasets} == {"val", "test"}


def test_newest_of_equal_trials_counts(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "soft", PLAIN)
    add_trial(parent, 1, "soft", SOFT)
    add_trial(parent, 2, "soft", SOFT, seed=1)
    assert [(trial.number, trial.seed) for trial in load_sweep(store).trials] == [(1, "0"), (2, "1")]


def test_a_split_counts_only_when_all_trials_have_it(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT, splits=("val",))
    sweep = load_sweep(store)
    assert sweep.splits == ("val",)
    assert sweep.notes == ("Nothing is compared on test, since it is missing in 1 trial (soft).",)


def test_control_of_an_earlier_sweep_is_used(store: MlflowStore, add_trial: AddTrial) -> None:
    earlier = store.open_sweep(study="earlier", tags={}, params={})
    add_trial(earlier, 7, "plain", PLAIN, control="plain")
    later = store.open_sweep(study="later", tags={}, params={})
    add_trial(later, 0, "soft", SOFT)
    sweep = load_sweep(store, "later")
    assert [trial.variant for trial in sweep.trials] == ["soft"]
    assert sweep.baselines["ref0"].variant == "plain"


def test_what_has_not_ended_is_told_and_moved_thresholds_are_no_trials(
    store: MlflowStore, parent: str, add_trial: AddTrial
) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT)
    own = {"fnmask.variant": "soft", "fnmask.reference": "ref0", "fnmask.seed": "0"}
    store.start_run(
        name="t", parent_run_id=parent, params={}, tags={**own, "fnmask.kind": "trial", "fnmask.trial": "2"}
    )
    moved = store.start_run(name="m", parent_run_id=parent, params={}, tags={**own, "fnmask.kind": "decision"})
    moved.finish("complete")
    sweep = load_sweep(store)
    assert sweep.outcomes == {"complete": 2, "running": 1}
    assert sweep.notes == ("Not in these numbers: 1 trial begun and not ended.",)


def test_several_sweeps_are_one_comparison(store: MlflowStore, add_trial: AddTrial) -> None:
    first, second = (store.open_sweep(study=name, tags={}, params={}) for name in ("first", "second"))
    add_trial(first, 0, "plain", PLAIN, control="plain")
    add_trial(first, 1, "soft", SOFT)
    add_trial(second, 0, "hard", SOFT)
    add_trial(second, 1, "soft", PLAIN)
    sweep = load_sweep(store, "first", "second", "first")
    assert sweep.study == "first + second"
    assert sorted(trial.variant for trial in sweep.trials) == ["hard", "plain", "soft"]
    (soft,) = [trial for trial in sweep.trials if trial.variant == "soft"]
    assert soft.total("test").tolist() == PLAIN, "the newer one"
    assert sweep.outcomes == {"complete": 4}
    assert load_sweep(store).study == "second"


def test_where_chooses_trials_and_keeps_controls(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain", params={"loss": {"alpha": 1}})
    add_trial(parent, 1, "soft", SOFT, params={"loss": {"alpha": 0.25}})
    add_trial(parent, 2, "hard", SOFT, params={"loss": {"alpha": 0}})
    sweep = load_sweep(store, where="params.`loss.alpha` = '0.25'")
    assert [trial.variant for trial in sweep.trials] == ["plain", "soft"]
    with pytest.raises(ValueError, match=r"does not understand the filter 'loss.alpha is low'.*params.`loss.alpha`"):
        load_sweep(store, where="loss.alpha is low")
    with pytest.raises(SweepNotFoundError, match=r"no finished trial to compare \(trials: 3 complete\) where params"):
        load_sweep(store, where="params.`loss.alpha` = '0.3'")


def test_trials_on_other_images_are_left_out(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    larger = [[10 * count for count in row] for row in SOFT]
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT)
    add_trial(parent, 2, "soft at another size", larger)
    sweep = load_sweep(store)
    assert [trial.variant for trial in sweep.trials] == ["plain", "soft"]
    (note,) = sweep.notes
    assert note.startswith("Left out, since they were measured on other images: 1 trial (soft at another size) with")
    assert note in explanation(sweep, build_table(sweep, "test", resamples=20))


def test_sweep_without_a_finished_trial(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    with pytest.raises(SweepNotFoundError, match="none started"):
        load_sweep(store)
    add_trial(parent, 0, "soft", SOFT, outcome="failed:memory")
    with pytest.raises(SweepNotFoundError, match="1 failed:memory"):
        load_sweep(store, "s")


@pytest.mark.parametrize(("trials", "shared"), [(("val", "test"), ("val",)), (("test",), ("test",))])
def test_a_control_of_an_earlier_sweep_may_lack_a_split(
    store: MlflowStore, add_trial: AddTrial, tmp_path: Path, trials: tuple[str, ...], shared: tuple[str, ...]
) -> None:
    earlier = store.open_sweep(study="earlier", tags={}, params={})
    add_trial(earlier, 0, "plain", PLAIN, control="plain", splits=("val",))
    add_trial(store.open_sweep(study="later", tags={}, params={}), 0, "soft", SOFT, splits=trials)
    sweep = write_comparison(store, ["later"], tmp_path).sweep
    assert sweep.splits == shared
    assert ("test, since it is missing in 1 trial (plain)." in sweep.notes[0]) == (shared == ("val",))
    assert bool(sweep.baselines) == (shared == ("val",))


def test_different_classes_do_not_stand_in_one_table(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT, classes=ClassList(("a", "b", "c"), ((0, 0, 0),) * 3, None))
    with pytest.raises(ValueError, match=r"a, b, c; land, road, car.*one data set"):
        load_sweep(store)


def test_no_split_in_common(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain", splits=("val",))
    add_trial(parent, 1, "soft", SOFT, splits=("test",))
    with pytest.raises(ValueError, match="no split in common"):
        load_sweep(store)


def files_of(store: MlflowStore, run_id: str) -> Path:
    return store.root / "mlruns" / "fnmask" / run_id / "artifacts"


def test_trials_whose_files_are_gone_are_left_out(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT)
    shutil.rmtree(files_of(store, add_trial(parent, 2, "gone", SOFT)))
    shutil.rmtree(files_of(store, add_trial(parent, 3, "half gone", SOFT)) / "confusion")
    sweep = load_sweep(store)
    assert [trial.variant for trial in sweep.trials] == ["plain", "soft"]
    assert sweep.n_without_files == 2
    assert sweep.outcomes == {"complete": 4}
    assert "their files are gone: 2." in explanation(sweep, build_table(sweep, "test"))


def test_no_files_at_all(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    shutil.rmtree(store.root / "mlruns")
    with pytest.raises(SweepNotFoundError, match=r"'s' has 1 finished trials.*mlruns/.*study\.name=ANOTHER"):
        load_sweep(store)


def test_a_control_whose_files_are_gone_is_no_baseline(store: MlflowStore, add_trial: AddTrial) -> None:
    earlier = store.open_sweep(study="earlier", tags={}, params={})
    shutil.rmtree(files_of(store, add_trial(earlier, 0, "plain", PLAIN, control="plain")))
    add_trial(store.open_sweep(study="later", tags={}, params={}), 0, "soft", SOFT)
    assert load_sweep(store, "later").baselines == {}


def test_a_control_stands_before_a_trial_of_the_same_name(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "plain", PLAIN)
    (only,) = load_sweep(store).trials
    assert only.control == "plain"


@pytest.mark.parametrize(
    ("function", "control", "loss"),
    [
        ("fnmask.losses.variants.downweight_class", "", "downweight"),
        ("fnmask.losses.variants.plain", "", "plain"),
        ("fnmask.losses.variants.soften_false_negatives", "", "mask"),
        ("my.own_loss", "class_downweight", "mask"),
        (None, "class_downweight", "downweight"),
        (None, "", "mask"),
    ],
)
def test_kind_of_a_loss(
    store: MlflowStore, parent: str, add_trial: AddTrial, function: str | None, control: str, loss: str
) -> None:
    add_trial(parent, 0, "v", PLAIN, control=control, params={"loss": {"_target_": function}} if function else {})
    assert load_sweep(store).trials[0].loss == loss


def test_of_a_control_the_frontiers_of_the_targets_are_read(
    store: MlflowStore, parent: str, add_trial: AddTrial
) -> None:
    control = add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft", SOFT)
    counts = np.arange(3 * 2 * 4 * 3).reshape(3, 2, 4, 3)
    frontier = FrontierFile(np.array([-np.inf, 0.0, 1.0, np.inf]), (0, 1, 2), counts, counts + 1)
    store.attach(control, {"frontier/test.npz": pack_frontier(frontier)})
    sweep = load_sweep(store)
    (kept,) = sweep.baselines["ref0"].frontiers.values()
    assert kept.targets == (1,)
    assert kept.hits.tolist() == counts[1:2].tolist()
    assert kept.predicted.tolist() == (counts[1:2] + 1).tolist()


def test_a_control_on_other_images_is_no_baseline(store: MlflowStore, add_trial: AddTrial) -> None:
    earlier = store.open_sweep(study="earlier", tags={}, params={})
    add_trial(earlier, 0, "plain", [[2 * count for count in row] for row in PLAIN], control="plain")
    add_trial(store.open_sweep(study="later", tags={}, params={}), 0, "soft", SOFT)
    assert load_sweep(store, "later").baselines == {}


def test_a_class_may_have_a_comma_in_its_name(store: MlflowStore, parent: str, add_trial: AddTrial) -> None:
    classes = ClassList(("road", "road, path", "car"), ((0, 0, 0),) * 3, None)
    for number, targets in enumerate(("road, path", "car,road, path", "road,car", "")):
        add_trial(parent, number, f"soft {number}", SOFT, targets=targets, classes=classes)
    assert [trial.targets for trial in load_sweep(store).trials] == [
        *(("road, path",), ("car", "road, path"), ("road", "car"), ()),
    ]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"[]"])
@pytest.mark.parametrize("name", ["confusion/test.npz", "classes.json", "frontier/test.npz", "predictions/test.npz"])
def test_a_damaged_file_is_named_and_can_be_done_without(
    store: MlflowStore, parent: str, add_trial: AddTrial, tmp_path: Path, name: str, content: bytes
) -> None:
    plain = add_trial(parent, 0, "plain", PLAIN, control="plain")
    soft = add_trial(parent, 1, "soft", SOFT)
    images = {
        "pictures/test.npz": pack_pictures(["a"], np.zeros((1, 1, 2, 3), np.uint8), np.zeros((1, 1, 2), np.uint8))
    }
    store.attach(plain, images)
    damaged = plain if name.startswith(("frontier", "predictions")) else soft
    store.attach(damaged, {name: content})
    with pytest.raises(
        ValueError, match=rf"The file {name} of the run {damaged} is damaged \(.*Put it back, or delete"
    ):
        write_comparison(store, ["s"], tmp_path)
    (files_of(store, damaged) / name).unlink()
    assert write_comparison(store, ["s"], tmp_path).main.rows[0].variant == "plain"
