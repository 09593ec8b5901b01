"""The network of a run, rebuilt: it finds what it found at the end of its training."""

import numpy as np
import pytest

from fnmask.binding import ConfigError
from fnmask.data.arrays import load_split
from fnmask.inference import moved_threshold
from fnmask.inference.trained import NoModelError, load_trained
from fnmask.tracking.artifacts import CONFIG
from fnmask.tracking.records import RunNotFoundError
from fnmask.tracking.weights import WEIGHTS, pack_weights


@pytest.mark.parametrize("name", ["plain0", "mask1"])
def test_a_rebuilt_network_finds_every_pixel_as_it_did(trained_project, name):
    trained = load_trained(trained_project.store, trained_project.ids[name])
    source = trained_project.config("loss=plain").source
    result = trained_project.results[name]
    for split, kept in (("val", result.val), ("test", result.test)):
        arrays = load_split(source, split, image_size=trained.image_size)
        measured = moved_threshold._measure_split(trained, arrays)
        np.testing.assert_array_equal(measured.argmax, kept)
        np.testing.assert_array_equal(measured.decided, kept)
    assert trained.classes.names == source.class_names
    assert trained.image_size == (48, 48)


def test_of_a_trial_with_several_seeds_the_first_one_is_taken(trained_project):
    trained = load_trained(trained_project.store, trained_project.ids["trial"])
    assert trained.run.run_id == trained_project.ids["mask0"]


def test_a_rule_is_that_of_the_command_line(trained_project):
    trained = load_trained(trained_project.store, trained_project.ids["plain0"], decision="road>0.8")
    assert str(trained.decision) == "road>0.8"
    with pytest.raises(ConfigError, match="Did you mean road"):
        load_trained(trained_project.store, trained_project.ids["plain0"], decision="raod>0.8")


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("sweep", RunNotFoundError, "is the sweep 'tried'. Give the id of one of its trials"),
        ("pruned", NoModelError, "has no trained network: it is pruned. Give one that is complete."),
        ("weightless", NoModelError, r"python train.py \+from_run=\w+ tracking.weights=all"),
    ],
)
def test_what_cannot_be_used_is_told(trained_project, name, error, told):
    ids = {**trained_project.ids, "sweep": trained_project.sweep}
    with pytest.raises(error, match=told):
        load_trained(trained_project.store, ids[name])


@pytest.mark.parametrize("run_id", ["", "12345", "nothing", "0123456789ab", "'; --", "______", "%%%%%%"])
def test_an_id_of_no_run(trained_project, run_id):
    with pytest.raises(RunNotFoundError, match="There is no run"):
        load_trained(trained_project.store, run_id)


def test_the_beginning_of_an_id_is_enough(trained_project):
    run_id = trained_project.ids["plain0"]
    assert trained_project.store.find_run(run_id[:12]).run_id == run_id


def test_lost_files_are_told(trained_project, monkeypatch):
    from fnmask.tracking.mlflow_store import MlflowStore

    def gone(store, run_id, name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(MlflowStore, "read_artifact", gone)
    with pytest.raises(NoModelError, match=r"has lost its files: was mlruns/ deleted or moved\? There is no classes"):
        load_trained(trained_project.store, trained_project.ids["plain0"])


def test_weights_of_another_network_are_refused(trained_project, monkeypatch):
    from fnmask.tracking.mlflow_store import MlflowStore

    read = MlflowStore.read_artifact

    def wider(store, run_id, name):
        content = read(store, run_id, name)
        return content.replace(b"width: 4", b"width: 8") if name == CONFIG else content

    monkeypatch.setattr(MlflowStore, "read_artifact", wider)
    with pytest.raises(NoModelError, match=r"do not fit its network as fnmask\.models\.tiny\.tiny builds it today"):
        load_trained(trained_project.store, trained_project.ids["plain0"])

    def fewer(store, run_id, name):
        return pack_weights([np.zeros(3, np.float32)]) if name == WEIGHTS else read(store, run_id, name)

    monkeypatch.setattr(MlflowStore, "read_artifact", fewer)
    with pytest.raises(NoModelError, match=r"1 arrays were kept, \d+ are needed"):
        load_trained(trained_project.store, trained_project.ids["plain0"])
