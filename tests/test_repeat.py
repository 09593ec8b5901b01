"""`python train.py +from_run=RUN_ID`, in process: what is trained again, what is compared, what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from composing import SMALL, compose_config
from omegaconf import open_dict

from fnmask import repeat
from fnmask.binding import ConfigError
from fnmask.repeat import describe_agreement, describe_differences, read_repeated
from fnmask.sweep.composer import check_job
from fnmask.tracking.artifacts import pack_confusion, unpack_confusion
from fnmask.tracking.mlflow_store import MlflowStore

SETTINGS = (*SMALL, "loss=soften_fn", "loss.target=road", "trainer.epochs=2", "trainer.deterministic=true")


@pytest.fixture(autouse=True)
def _own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module", autouse=True)
def _not_for_the_whole_process():
    """Deterministic operations stay on for good, and other tests of the process compile with XLA."""
    import tensorflow as tf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
        yield


def composed(root, *overrides):
    """As Hydra hands it over: the config, the words, the options."""
    cfg = compose_config(*overrides, f"root={root}")
    choices = cfg.hydra.runtime.choices
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, overrides, choices


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_mlflow):
    """A root with one run; the id of it."""
    from fnmask.single import run_single

    root = tmp_path_factory.mktemp("once")
    (root / "mlflow.db").write_bytes(empty_mlflow)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert run_single(check_job(compose_config(*SETTINGS, f"root={root}"))) == 0
        store = MlflowStore(root, "fnmask")
    (run,) = store.find_runs("")
    return root, store, run.run_id


def read(trained, *overrides):
    root, _, run_id = trained
    return read_repeated(*composed(root, f"+from_run={run_id}", *overrides))


def refusal(trained, *overrides):
    with pytest.raises(ConfigError) as refused:
        read(trained, *overrides)
    return str(refused.value)


def test_it_is_trained_again_and_agrees(trained, capsys):
    from fnmask.single import run_repeated

    root, store, run_id = trained
    assert run_repeated(*composed(root, f"+from_run={run_id[:10]}")) == 0
    pixels = (4 + 3) * 48 * 48
    told = capsys.readouterr().out
    assert f"Agrees with run {run_id}: every pixel is counted as it was, of " in told
    again = store.find_runs("")[0]
    assert again.tag("repeats") == run_id
    assert again.tag("agreement").startswith(f"Agrees with run {run_id}")
    assert 0 < int(again.tag("agreement").rpartition(", of ")[2].split()[0]) <= pixels
    assert again.tag("variant") == store.find_run(run_id).tag("variant")


def test_one_that_should_agree_and_does_not_leaves_with_3(trained, capsys, monkeypatch):
    from fnmask.single import DISAGREES, run_repeated

    root, _, run_id = trained
    kept = MlflowStore.read_artifact

    def moved(own, name_of, name):
        content = kept(own, name_of, name)
        if name == "confusion/val.npz":
            matrices, ids = unpack_confusion(content)
            matrices[0, 0, :2] += [-3, 3]
            return pack_confusion(matrices, ids)
        return content

    monkeypatch.setattr(MlflowStore, "read_artifact", moved)
    assert run_repeated(*composed(root, f"+from_run={run_id}")) == DISAGREES
    assert "Both are deterministic, so something else has changed" in capsys.readouterr().out


def test_the_settings_are_those_of_the_run(trained):
    config, run, changed = read(trained)
    assert changed == []
    assert run.run_id == trained[2]
    kept = check_job(compose_config(*SETTINGS, f"root={trained[0]}"))
    own = {key: value for key, value in kept.resolved.items() if key not in ("tracking", "study")}
    found = {key: value for key, value in config.resolved.items() if key not in ("tracking", "study")}
    assert found == {**own, "trainer": {**own["trainer"], "share_steps": False}}
    assert config.reference == kept.reference
    assert config.choices["loss"] == "soften_fn"


def test_more_epochs_replace_one_setting_and_tell_what_stays(trained, caplog):
    config, _, changed = read(trained, "trainer.epochs=20")
    assert changed == ["trainer.epochs"]
    assert config.trainer.epochs == 20
    assert config.trainer.batch_size == 2
    # The mask waited for 0.3 of two epochs.
    assert "loss.warmup_epochs=0.6 stays, with trainer.epochs=20 instead of 2" in caplog.text
    assert "loss.warmup_epochs=6 would be the same share" in caplog.text
    caplog.clear()
    config, _, _ = read(trained, "trainer.epochs=20", "loss.warmup_epochs=6")
    assert config.loss.timing.warmup_epochs == 6
    assert not caplog.text


def test_another_option_replaces_all_of_its_node(trained):
    config, _, changed = read(trained, "loss.alpha=0.3", "loss=attenuate_fn", "seed=5")
    assert changed == ["loss", "loss.alpha", "seed"]
    assert config.choices["loss"] == "attenuate_fn"
    assert config.resolved["loss"]["alpha"] == 0.3
    assert "power" not in config.resolved["loss"]
    assert config.seed == 5
    assert config.trainer.epochs == 2, "of the run"
    assert config.loss.timing.warmup_epochs == 1, "half of the run's epochs, not of those that are the default"
    config, _, _ = read(trained, "loss=attenuate_fn", "trainer.epochs=20")
    assert config.loss.timing.warmup_epochs == 10


def test_the_place_and_what_is_kept_are_those_of_now(trained):
    config, _, changed = read(trained, "tracking.weights=none", "study.name=x")
    assert changed == []
    assert config.tracking.weights == "none"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trainer.epochz=3",), "epochz"),
        (("~loss",), "~loss: with from_run give single settings and options"),
        (("debug=fast",), "debug=fast: with from_run give single settings"),
        (("+allow_differences=maybe",), "allow_differences: got 'maybe'. It must be true or false."),
        (("tracking.experiment=other",), "There is no MLflow experiment 'other'"),
        (("loss.target=raod",), "Did you mean road?"),
        (("trainer.epochs=-1",), "trainer.epochs"),
    ],
)
def test_words_that_are_refused(trained, words, told):
    try:
        text = refusal(trained, *words)
    except Exception as error:  # of Hydra, which train.py puts into words
        text = str(error)
    assert told in text


@pytest.mark.parametrize("run_id", ["", "123456", "nonsense"])
def test_no_such_run(trained, run_id):
    with pytest.raises(ConfigError, match=r"from_run: There is no run '.* by tracking.experiment=NAME"):
        read_repeated(*composed(trained[0], f"+from_run='{run_id}'"))


@pytest.mark.parametrize("run_id", ["12e4567890", "0012345678", "1_000", "nonsense"])
def test_an_id_is_read_in_the_letters_of_the_command_line(trained, run_id):
    """Hydra takes the first for infinity and drops the zeros of the second."""
    with pytest.raises(ConfigError, match=f"There is no run '{run_id}'"):
        read_repeated(*composed(trained[0], f"+from_run={run_id}"))


def test_what_is_no_training_of_its_own(trained):
    root, store, run_id = trained
    sweep = store.open_sweep(study="s", tags={}, params={})
    start = {"params": {}, "parent_run_id": sweep}
    trial = store.start_run(name="trial", tags={"fnmask.kind": "trial"}, **start).run_id
    seed = store.start_run(
        name="seed", parent_run_id=trial, params={}, tags={"fnmask.kind": "seed", "fnmask.seed": "0"}
    ).run_id
    moved = store.start_run(name="moved", tags={"fnmask.kind": "decision", "fnmask.model_run": run_id}, **start).run_id
    old = store.start_run(name="old", tags={"fnmask.kind": "run"}, **start).run_id
    told = {}
    for name, own in (("sweep", sweep), ("trial", trial), ("moved", moved), ("old", old)):
        with pytest.raises(ConfigError) as refused:
            read_repeated(*composed(root, f"+from_run={own}"))
        told[name] = str(refused.value)
    assert f"{sweep} is no training of its own. Give one of the runs below it, such as" in told["sweep"]
    assert f"Give one of the runs below it, such as {seed}." in told["trial"]
    assert f"It moves a threshold of run {run_id}: repeat that one." in told["moved"]
    assert "made by a version that did not keep its options" in told["old"]


def test_a_run_whose_files_are_gone(trained):
    root, store, _ = trained
    own = store.start_run(
        name="gone", parent_run_id=None, params={}, tags={"fnmask.kind": "run", "fnmask.options": json.dumps({})}
    ).run_id
    with pytest.raises(ConfigError, match=r"Was mlruns/ deleted or moved\?"):
        read_repeated(*composed(root, f"+from_run={own}"))


def test_other_source_is_refused_and_allowed(trained, monkeypatch, caplog):
    monkeypatch.setattr(repeat, "code_digest", lambda: "0" * 64)
    monkeypatch.setattr(repeat, "code_revision", lambda root: "now" * 3)
    told = refusal(trained)
    then = trained[1].find_run(trained[2]).tag("commit")
    assert f"code: the source of fnmask has changed: commit {then}, now nownownow." in told
    assert "go on all the same with +allow_differences=true" in told
    monkeypatch.setattr(repeat, "code_revision", lambda root: then)
    same = "the source of fnmask has changed" + ("" if then == "unknown" else f": commit {then} then and now")
    assert f"code: {same}" in refusal(trained)
    assert "unknown, now unknown" not in refusal(trained)
    assert "+allow_differences=true" in refusal(trained, "+allow_differences=false")
    config, _, changed = read(trained, "+allow_differences=true")
    assert changed == []
    assert config.loss.timing.warmup_epochs == pytest.approx(0.6)
    assert "the source of fnmask has changed" in caplog.text


def test_other_versions_are_told_with_both(trained):
    config, run, _ = read(trained)
    params = {**run.params, "lineage.keras": "3.0.0", "lineage.optuna": "1.0", "lineage.python": "3.1"}
    told = describe_differences(replace(run, params=params), config)
    keras, python = run.params["lineage.keras"], run.params["lineage.python"]
    assert told == [f"version: python 3.1, now {python}.", f"version: keras 3.0.0, now {keras}."]
    del params["lineage.tensorflow"]
    assert any("tensorflow unknown, now" in line for line in describe_differences(replace(run, params=params), config))


def test_other_data_are_told_with_both_unless_they_are_asked_for(trained):
    config, run, _ = read(trained)
    other = SimpleNamespace(root=config.root, data_digest="f" * 64)
    digest = run.datasets[0].digest[:12]
    assert describe_differences(run, other) == [f"data: digest {digest}, now ffffffffffff."]
    assert describe_differences(run, other, ["dataset.root"]) != []
    assert describe_differences(run, other, ["dataset.n_train"]) == describe_differences(run, other, ["dataset"]) == []
    assert describe_differences(run, other, ["trainer.epochs"]) != []


def agreement(kept, found, *, deterministic=True, splits=("val",)):
    """In a store of two splits, val alone written."""

    class Store:
        def read_artifact(self, run_id, name):
            if name.removeprefix("confusion/").removesuffix(".npz") not in splits:
                raise FileNotFoundError
            return pack_confusion(np.array(kept), [str(place) for place in range(len(kept))])

    result = SimpleNamespace(val=None if found is None else np.array(found), test=None)
    config = SimpleNamespace(trainer=SimpleNamespace(deterministic=deterministic))
    return describe_agreement(Store(), SimpleNamespace(run_id="r"), config, result)


KEPT = [[[6, 2], [0, 2]]]


def test_agreement_by_hand():
    assert agreement(KEPT, KEPT) == ("Agrees with run r: every pixel is counted as it was, of 10 in all.", True)
    # IoU 6/8 and 2/4, mean 62.50; then 7/9 and 1/3 (one pixel more of each is found as the first), mean 55.56.
    found = [[[7, 1], [1, 1]]]
    # Two of ten pixels lie elsewhere: 2 -> 1 and 6 -> 7 among the first, 0 -> 1 and 2 -> 1 among the second.
    moved = "Differs from run r: val mIoU 62.50 then, 55.56 now, at least 20.00 % of the pixels elsewhere."
    told, is_well = agreement(KEPT, found)
    assert (told.startswith(moved), is_well) == (True, False)
    assert "Both are deterministic" in told
    told, is_well = agreement(KEPT, found, deterministic=False)
    assert (told.startswith(moved), is_well) == (True, True)
    assert "Without trainer.deterministic=true" in told


def test_what_cannot_be_compared():
    two = [KEPT[0], KEPT[0]]
    assert agreement(KEPT, two) == ("Cannot be compared with run r: it was measured on other images of val.", False)
    assert agreement(KEPT, KEPT, splits=("val", "test"))[0].endswith("other images of test.")
    told = agreement(KEPT, KEPT, splits=())
    assert told == ("Run r has no result to compare with: it did not finish.", True)
