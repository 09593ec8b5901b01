"""A moved threshold as a run: the same counts as the frontier that was kept at the end of the training."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from fnmask.binding import ConfigError
from fnmask.compare.comparison import write_comparison
from fnmask.data.aerial import Aerial
from fnmask.inference import moved_threshold
from fnmask.inference.moved_threshold import OtherDataError, record_moved_threshold, record_seeds, with_rule
from fnmask.inference.trained import load_trained
from fnmask.tracking.artifacts import (
    CONFIG,
    PER_CLASS,
    confusion_name,
    frontier_name,
    unpack_confusion,
    unpack_frontier,
)
from fnmask.tracking.predictions import predictions_name, unpack_predictions


def load(project, name="plain0", decision="road>0.8"):
    return load_trained(project.store, project.ids[name], decision=decision)


def matrices(project, run_id, split="val"):
    return unpack_confusion(project.store.read_artifact(run_id, confusion_name(split)))[0]


def test_at_one_half_it_is_the_network_as_it_is(project):
    recorded = record_moved_threshold(project.store, load(project, decision="road>0.5"))
    for split in ("val", "test"):
        np.testing.assert_array_equal(
            matrices(project, recorded.run_id, split), matrices(project, project.ids["plain0"], split)
        )
    assert recorded.metrics["tradeoff/target_cost"] == recorded.metrics["tradeoff/others_gain"] == 0


@pytest.mark.parametrize("name", ["plain0", "full"])
@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("log_odds", [1.5, -0.5])
def test_it_counts_what_the_frontier_of_the_training_counted(project, name, split, log_odds):
    """Two ways to one number: a histogram of log-odds at the end of the training, an argmax over moved logits now."""
    kept = unpack_frontier(project.store.read_artifact(project.ids[name], frontier_name(split)))
    place, road = kept.log_odds.tolist().index(log_odds), kept.targets.index(2)
    trained = load(project, name, f"road>{1 / (1 + math.exp(-log_odds))!r}")
    found = matrices(project, record_moved_threshold(project.store, trained).run_id, split)
    # Logits are moved before they are resized, or after: that rounds otherwise.
    at_most = {"plain0": 0, "full": 2}[name]
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), kept.hits[road][:, place], atol=at_most)
    np.testing.assert_allclose(found.sum(axis=1), kept.predicted[road][:, place], atol=at_most)
    assert (found != matrices(project, project.ids[name], split)).any(), "the threshold moved something"


def test_it_keeps_what_it_predicts_for_the_images_that_its_network_kept(project):
    recorded = record_moved_threshold(project.store, load(project, decision="road>0.5"))
    moved = record_moved_threshold(project.store, load(project, decision="road>0.4"))
    for split in ("val", "test"):
        plain, same, other = (
            unpack_predictions(project.store.read_artifact(run_id, predictions_name(split)))
            for run_id in (project.ids["plain0"], recorded.run_id, moved.run_id)
        )
        assert plain.ids == same.ids == other.ids
        np.testing.assert_array_equal(same.class_ids, plain.class_ids)
        np.testing.assert_array_equal(same.error_weights, plain.error_weights)
        assert (other.class_ids == 2).sum() > (plain.class_ids == 2).sum()


def test_everything_that_a_trial_has(project):
    recorded = record_moved_threshold(project.store, load(project, decision="water>0.4,road>0.8"))
    plain = project.store.find_run(project.ids["plain0"])
    own = {"kind": "decision", "control": "", "variant": "plain · road>0.8,water>0.4", "decision": "road>0.8,water>0.4"}
    own |= {"model_run": plain.run_id, "targets": "road,water", "outcome": "complete"}
    own |= {key: plain.tag(key) for key in ("study", "sweep", "seed", "reference", "commit")}
    assert {key: recorded.tag(key) for key in own} == own
    assert recorded.status == "FINISHED"
    assert recorded.datasets == plain.datasets
    assert recorded.params == {**plain.params, "decision": "road>0.8,water>0.4"}
    names = set(project.store.artifact_names(recorded.run_id))
    assert {CONFIG, PER_CLASS, "classes.json"} <= names
    assert project.store.read_artifact(recorded.run_id, CONFIG) == project.store.read_artifact(plain.run_id, CONFIG)
    assert [run.run_id for run in project.store.runs(project.sweep)].count(recorded.run_id) == 1
    # Of the metrics by hand: the trade-off of the two targets together against the network as it is.
    before, after = (matrices(project, run.run_id).sum(axis=0) for run in (plain, recorded))
    ious = [np.diag(m) / (m.sum(axis=0) + m.sum(axis=1) - np.diag(m)) for m in (before, after)]
    others = [0, 1, 3]
    gain = 100 * (np.nanmean(ious[1][others]) - np.nanmean(ious[0][others]))
    assert recorded.metrics["tradeoff/others_gain"] == pytest.approx(gain)
    assert recorded.metrics["val/iou/road"] == recorded.metrics["best/iou/road"] == pytest.approx(ious[1][2])
    assert not any(key.startswith("test/") for key in recorded.metrics), "test is for the report alone"


def test_a_mask_is_measured_against_the_plain_control_of_its_seed(project):
    recorded = record_moved_threshold(project.store, load(project, "mask1", "road>0.4"))
    before, after = (matrices(project, run_id).sum(axis=0) for run_id in (project.ids["plain1"], recorded.run_id))
    ious = [100 * m[2, 2] / (m[2].sum() + m[:, 2].sum() - m[2, 2]) for m in (before, after)]
    assert recorded.metrics["tradeoff/target_cost"] == pytest.approx(ious[0] - ious[1])


def test_it_is_recorded_once_and_stands_for_the_network(project):
    first = record_seeds(project.store, load(project))
    assert [run.tag("seed") for run in first] == ["0", "1", "2"]
    assert [run.tag("model_run") for run in first] == [project.ids[f"plain{seed}"] for seed in (0, 1, 2)]
    again = record_seeds(project.store, load(project))
    assert [run.run_id for run in again] == [run.run_id for run in first]
    # Of the other seed: its own first, since that is the one that is exported.
    assert [run.tag("seed") for run in record_seeds(project.store, load(project, "plain1"))] == ["1", "0", "2"]
    # Its id is as good as that of the network with the rule.
    stands = load_trained(project.store, first[0].run_id)
    assert str(stands.decision) == "road>0.8"
    assert stands.run.run_id == project.ids["plain0"]
    assert with_rule(stands, first[0]).run == first[0]
    assert not load_trained(project.store, first[0].run_id, decision="").decision.thresholds


def test_of_a_trial_with_several_seeds_all_are_recorded(project):
    recorded = record_seeds(project.store, load(project, "trial"))
    assert [run.tag("model_run") for run in recorded] == [project.ids["mask0"], project.ids["mask1"]]


def test_a_seed_without_weights_is_left_out(project, monkeypatch, caplog):
    from fnmask.tracking.mlflow_store import MlflowStore

    trained, read = load(project, decision="road>0.65"), MlflowStore.read_artifact

    def lost(store, run_id, name):
        if run_id == project.ids["plain1"] and name == "weights.npz":
            raise FileNotFoundError
        return read(store, run_id, name)

    monkeypatch.setattr(MlflowStore, "read_artifact", lost)
    assert [run.tag("seed") for run in record_seeds(project.store, trained)] == ["0", "2"]
    assert re.search("Seed 1 is left out: Run .* has kept no weights", caplog.text)


def test_other_data_are_refused(project, monkeypatch):
    monkeypatch.setattr(Aerial, "digest", lambda self: "f" * 64)
    with pytest.raises(OtherDataError, match=r"The data set has changed since run .* its digest is ffffffffffff"):
        record_moved_threshold(project.store, load(project, decision="road>0.9"))


def test_a_network_that_finds_something_else_is_refused(project):
    trained = load(project, decision="road>0.9")
    trained.model.set_weights([0.7 * array for array in trained.model.get_weights()])
    with pytest.raises(OtherDataError, match=r"is not reproduced on (val|test): .* % of the pixels"):
        record_moved_threshold(project.store, trained)
    known = project.store.find_runs("tags.`fnmask.kind` = 'decision'")
    assert not [run for run in known if run.tag("decision") == "road>0.9"], "nothing was recorded"


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("mixed_bfloat16", True)])
def test_rounding_of_half_precision_is_allowed_for(project, monkeypatch, precision, allowed):
    """One pixel in two hundred of every image is decided otherwise: a network trained in half precision may do that."""
    trained = load(project, decision="road>0.9")
    trained.config["trainer"]["precision"] = precision
    measure = moved_threshold._measure_split

    def rounded(trained, arrays, kept):
        found = measure(trained, arrays, kept)
        counts = found.argmax.copy()
        counts[:, 0, :2] += [-10, 10]
        return replace(found, argmax=counts)

    monkeypatch.setattr(moved_threshold, "_measure_split", rounded)
    if allowed:
        assert record_moved_threshold(project.store, trained).status == "FINISHED"
    else:
        with pytest.raises(OtherDataError, match="is not reproduced on val"):
            record_moved_threshold(project.store, trained)


def test_data_that_are_not_there_are_asked_for(project, monkeypatch):
    def gone(node):
        raise ConfigError([f"dataset.root: got {node.get('root')!r}."])

    monkeypatch.setattr(moved_threshold, "build_source", gone)
    with pytest.raises(ConfigError, match=r"got 'elsewhere'(.|\n)*say where they lie with --data PATH"):
        record_moved_threshold(project.store, load(project, decision="road>0.9"), root="elsewhere")


def test_a_run_that_cannot_be_written_is_closed(project, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(moved_threshold, "log_matrices", full)
    with pytest.raises(OSError, match="no space"):
        record_moved_threshold(project.store, load(project, decision="road>0.33"))
    monkeypatch.undo()
    (left,) = [run for run in project.store.find_runs("tags.`fnmask.kind` = 'decision'") if "0.33" in run.name]
    assert left.status == "FAILED"
    assert record_moved_threshold(project.store, load(project, decision="road>0.33")).run_id != left.run_id


def test_it_is_a_row_of_the_comparison(project, tmp_path):
    record_seeds(project.store, load(project))
    record_moved_threshold(project.store, load(project, decision="road>0.8,water>0.4"))
    result = write_comparison(project.store, [project.sweep], tmp_path / "page", split="val")
    rows = {row.variant: row for row in result.main.rows}
    assert rows["plain · road>0.8"].loss == "threshold"
    assert rows["plain · road>0.8"].seeds == ("0", "1", "2")
    assert rows["plain · road>0.8"].targets == ("road",)
    assert rows["plain · road>0.8,water>0.4"].targets == ("road", "water")
    assert "1 masked loss and 2 moved thresholds for" in result.table.replace("\n", " ")
    gains = [project.store.find_runs(f"attributes.run_name = 'plain · road>0.8' and tags.`fnmask.seed` = '{seed}'")[0]
             .metrics["tradeoff/others_gain"] for seed in (0, 1, 2)]  # fmt: skip
    assert rows["plain · road>0.8"].deltas["others_gain"].mean == pytest.approx(np.mean(gains))


def test_options_are_not_those_of_a_training(project):
    """`+from_run` reads them: a moved threshold is nothing that can be trained again."""
    recorded = record_moved_threshold(project.store, load(project))
    assert recorded.tag("options") == ""
    assert json.loads(project.store.find_run(project.ids["plain0"]).tag("options"))["loss"] == "plain"
