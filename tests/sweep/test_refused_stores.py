"""Storages, studies and experiments that cannot be used: words, not tracebacks."""

import optuna
import pytest
from composing import compose_config
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.open_store import open_store
from fnmask.schema import DEFAULT_DIRECTIONS, StudyConfig
from fnmask.sweep.composer import check_job
from fnmask.sweep.study import ask_next, open_study

STUDY = StudyConfig(
    name=None,
    n_trials=9,
    sampler="grid",
    seed=0,
    directions=DEFAULT_DIRECTIONS,
    space={},
    when={},
    controls={},
    storage=None,
    max_failures=3,
    dry_run=False,
)


@pytest.mark.parametrize("storage", ["redis://:secret@localhost", "foo://secret"])
def test_a_storage_of_an_unknown_kind_is_refused_without_its_address(storage):
    with pytest.raises(ConfigError, match=r"study\.storage: cannot be opened") as caught:
        open_study(STUDY, name="x", storage=storage, fingerprint={})
    assert "secret" not in str(caught.value)


def test_a_study_that_somebody_else_began_is_refused(tmp_path):
    storage = f"sqlite:///{tmp_path}/optuna.db"
    theirs = optuna.create_study(storage=storage, study_name="x")
    theirs.tell(theirs.ask(), 1.0)
    with pytest.raises(ConfigError, match="fnmask did not begin"):
        open_study(STUDY, name="x", storage=storage, fingerprint={})


def test_a_grid_point_that_failed_in_an_earlier_call_comes_last():
    study = optuna.create_study()
    grid = [{"a": 1}, {"a": 2}]
    space = {"a": optuna.distributions.CategoricalDistribution([1, 2])}
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, params={"a": 1}, distributions=space))
    trial = ask_next(study, [], grid, [])
    assert trial.suggest_categorical("a", [1, 2]) == 2
    study.tell(trial, 0.0)
    assert ask_next(study, [], grid, []).suggest_categorical("a", [1, 2]) == 1


def test_a_deleted_experiment_is_named_by_its_key(tmp_path):
    config = check_job(compose_config(f"root={tmp_path}"))
    store = open_store(config)
    client = store._client
    client.delete_experiment(client.get_experiment_by_name("fnmask").experiment_id)
    with pytest.raises(ConfigError, match=r"tracking\.experiment: The MLflow experiment 'fnmask' was deleted"):
        open_store(config)
    assert open_store(check_job(compose_config(f"root={tmp_path}", "tracking=none"))) is None
