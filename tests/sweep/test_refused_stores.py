"""Studies and experiments that cannot be used: words, not tracebacks."""

import optuna
import pytest
from composing import compose_config

from fnmask.binding import ConfigError
from fnmask.open_store import open_store
from fnmask.sweep.composer import check_job
from fnmask.sweep.open_study import load_study
from fnmask.sweep.study import begin_session


def test_a_study_that_somebody_else_began_is_refused(reopen, database):
    theirs = optuna.create_study(storage=f"sqlite:///{database}", study_name="study")
    theirs.tell(theirs.ask(), 1.0)
    with pytest.raises(ConfigError, match="fnmask did not begin"):
        reopen()


def test_an_empty_study_of_another_number_of_directions_is_refused(reopen, database):
    optuna.create_study(storage=f"sqlite:///{database}", study_name="study", directions=["maximize", "minimize"])
    with pytest.raises(ConfigError, match="fnmask did not begin"):
        reopen()


def test_a_worker_without_a_sweep_is_told_which_there_are(reopen):
    study, storage = reopen()
    with pytest.raises(ConfigError) as caught:
        load_study(storage, "studdy")
    assert caught.value.faults == (
        "study.name: there is no study 'studdy'. There are: study. Begin one with train.py --multirun.",
    )
    with pytest.raises(ConfigError) as caught:
        load_study(storage, "study")
    assert caught.value.faults == (
        "study.name: 'study' is a study that no sweep has begun. Start train.py --multirun first.",
    )
    begin_session(study, {})
    assert load_study(storage, "study").study_name == "study"


def test_a_deleted_experiment_is_named_by_its_key(tmp_path):
    config = check_job(compose_config(f"root={tmp_path}"))
    store = open_store(config)
    client = store._client
    client.delete_experiment(client.get_experiment_by_name("fnmask").experiment_id)
    with pytest.raises(ConfigError, match=r"tracking\.experiment: The MLflow experiment 'fnmask' was deleted"):
        open_store(config)
    assert open_store(check_job(compose_config(f"root={tmp_path}", "tracking=none"))) is None
