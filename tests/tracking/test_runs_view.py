"""What a person finds written in MLflow's pages; `test_mlflow_page` opens them in a browser."""

import json

import pytest
from mlflow.tracking import MlflowClient

from fnmask.tracking.mlflow_store import MlflowStore
from fnmask.tracking.runs_view import NOTE_TAG, OWN_LINE, RunsView, view_key

VIEW = RunsView({"tradeoff/others_gain": "maximize"}, ("tradeoff/others_gain", "val/iou/road"), ("loss.alpha",))


@pytest.fixture
def store(tmp_path, empty_mlflow, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)
    return MlflowStore(tmp_path, "fnmask")


@pytest.fixture
def client(store):
    return MlflowClient(f"sqlite:///{store.root}/mlflow.db")


def experiment(client):
    return client.get_experiment_by_name("fnmask")


def note_of(client, run_id):
    return client.get_run(run_id).data.tags[NOTE_TAG]


def state_of(tags, run_id="0123456789abcdef"):
    told = json.loads(tags[f"mlflow.sharedViewState.{view_key(run_id)}"])
    return told, json.loads(told["state"])


def test_a_view_filters_sorts_and_chooses_columns():
    told, state = state_of(VIEW.experiment_tags("s", "0123456789abcdef", created_ms=5))
    assert (told["name"], told["createdAt"]) == ("s", 5)
    assert state["searchFilter"] == "tags.`fnmask.sweep` = '0123456789abcdef' and tags.`fnmask.kind` = 'trial'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`tradeoff/others_gain`", False)
    assert state["selectedColumns"] == [
        *("metrics.`tradeoff/others_gain`", "metrics.`val/iou/road`", "params.`loss.alpha`"),
        *("tags.`fnmask.control`", "attributes.`Description`"),
    ]
    assert state == {key: value for key, value in told.items() if key in state}, "older versions read it from outside"


def test_what_is_minimized_comes_smallest_first():
    _, state = state_of(RunsView({"val/loss_base": "minimize"}).experiment_tags("s", "0123456789abcdef", created_ms=0))
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`val/loss_base`", True)


def test_columns_are_left_out_before_mlflow_refuses_the_view():
    many = RunsView({"val/miou": "maximize"}, [f"val/iou/{'a' * 90}{index}" for index in range(30)], ())
    tags = many.experiment_tags("s", "0123456789abcdef", created_ms=0)
    assert all(len(text) <= 5000 for text in tags.values())
    _, state = state_of(tags)
    assert 2 < len(state["selectedColumns"]) < 30
    assert state["selectedColumns"][0] == "metrics.`val/miou`"


def test_the_experiment_links_to_its_sweeps_newest_first(store, client):
    assert store.view_link(store.open_sweep(study="old", tags={}, params={})) is None
    first = store.open_sweep(study="first", tags={}, params={}, view=VIEW)
    second = store.open_sweep(study="second", tags={}, params={}, view=VIEW)
    tags = experiment(client).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert tags["mlflow.experiment.primaryMetric.name"] == "tradeoff/others_gain"
    note = tags[NOTE_TAG]
    assert note.splitlines()[0] == f"Newest sweep: [second, sorted by its objective]({store.view_link(second)})"
    assert f"- [first]({store.view_link(first)})" in note
    assert "[old]" not in note, "it has no view"
    for run_id in (first, second):
        assert f"mlflow.sharedViewState.{view_key(run_id)}" in tags


def test_a_sweep_says_what_was_searched_and_then_what_came_out(store, client):
    hidden = "study.storage=postgresql://ann:s3cret@host/trials"
    run_id = store.open_sweep(study="s", tags={}, params={}, view=VIEW, description=f"sweep s\n  {hidden}")
    before = note_of(client, run_id)
    assert before.startswith("Not compared yet: `fnmask compare`")
    assert "sweep s\n  " in before
    store.tell_verdict(run_id, "It pays. See postgresql://ann:s3cret@host/trials")
    after = note_of(client, run_id)
    assert after.startswith("It pays.")
    assert "sweep s\n  " in after
    assert store.view_link(run_id) in after
    store.open_sweep(study="s", run_id=run_id, tags={}, params={}, view=VIEW, description="sweep s, again")
    again = note_of(client, run_id)
    assert again.startswith("It pays."), "the verdict stays until there is another"
    assert "sweep s, again" in again
    assert "s3cret" not in f"{client.get_run(run_id).data.tags}"


def test_what_a_person_has_written_stays(store, client):
    run_id = store.open_sweep(study="s", tags={}, params={}, view=VIEW)
    client.set_tag(run_id, NOTE_TAG, "My own words.")
    client.set_experiment_tag(experiment(client).experiment_id, NOTE_TAG, "Mine too.")
    store.tell_verdict(run_id, "It pays.")
    store.open_sweep(study="t", tags={}, params={}, view=VIEW)
    assert note_of(client, run_id) == "My own words."
    assert client.get_run(run_id).data.tags["fnmask.verdict"] == "It pays."
    assert experiment(client).tags[NOTE_TAG] == "Mine too."


def test_a_text_too_long_for_mlflow_gives_up_the_search_before_the_verdict(store, client):
    run_id = store.open_sweep(study="s", tags={}, params={}, view=VIEW, description="x" * 9000)
    store.tell_verdict(run_id, "It pays.")
    note = note_of(client, run_id)
    assert len(note) <= 7500
    assert note.startswith("It pays.")
    assert note.endswith(OWN_LINE)
