"""`train.py --multirun` as a person runs it: in a process of its own, read back from MLflow and Optuna."""

import os
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from composing import SMALL

from fnmask.tracking.mlflow_store import MlflowStore

TRAIN = Path(__file__).parent.parent / "train.py"
CLASSES = ("land", "building", "road", "vegetation", "water")
TWO_SEEDS = "seed=choice(0,1)"


def command(root, *words):
    """`train.py` with flags first: Hydra wants all overrides in one piece."""
    flags = [word for word in words if word.startswith("-")]
    return [sys.executable, str(TRAIN), *flags, f"root={root}", *SMALL, *(word for word in words if word not in flags)]


def train(root, *words, cwd=None):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return subprocess.run(
        command(root, *words),
        cwd=cwd or root,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def load_study(root, name):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{root / 'mlruns' / 'optuna.db'}")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """The quickstart, small: 4 controls and 6 combinations."""
    root = tmp_path_factory.mktemp("project")
    finished = train(root, "--multirun", "+sweeps=quickstart", TWO_SEEDS)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return root, finished.stdout


def test_every_trial_is_in_optuna_and_in_mlflow(sweep):
    root, _ = sweep
    trials = load_study(root, "quickstart").get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 10
    controls = [trial.user_attrs.get("fnmask:control", "") for trial in trials]
    assert controls == ["plain"] * 2 + ["class_downweight"] * 2 + [""] * 6
    store = MlflowStore(root, "fnmask")
    parent = store.find_sweep()
    assert (parent.status, parent.tag("outcome"), parent.tag("study")) == ("FINISHED", "finished", "quickstart")
    runs = store.runs(parent.run_id)
    assert sorted(run.trial for run in runs) == list(range(10))
    assert {run.run_id for run in runs} == {trial.user_attrs["fnmask:run_id"] for trial in trials}
    assert {run.status for run in runs} == {"FINISHED"}


def test_every_trial_has_the_iou_of_every_class_and_its_objectives(sweep):
    root, _ = sweep
    trials = {trial.number: trial for trial in load_study(root, "quickstart").get_trials()}
    store = MlflowStore(root, "fnmask")
    for run in store.runs(store.find_sweep().run_id):
        for name in CLASSES:
            assert 0 <= run.metrics[f"val/iou/{name}"] <= 1
        gain, cost = trials[run.trial].values
        assert run.metrics["tradeoff/others_gain"] == pytest.approx(gain)
        assert run.metrics["tradeoff/target_cost"] == pytest.approx(cost)
        if run.tag("control") == "plain":
            assert (gain, cost) == (0, 0)
        assert run.params["seed"] == run.tag("seed")
        assert {dataset.context for dataset in run.datasets} == {"train", "val", "test"}


def test_it_ends_with_the_table_the_page_and_the_next_command(sweep):
    root, printed = sweep
    for expected in (
        *("sweep quickstart: 10 trials, 4 of them controls", "trial 0: plain   (0 of 10 done)"),
        # Epochs may pass between two looks of the display; its own tests read their lines.
        *("[complete] trial 0 plain   tradeoff/others_gain 0.000", "[complete] trial 9 "),
        *("soften_fn road alpha=0", "mlflow ui", "Sweep quickstart: finished, 10 of 10 trials."),
    ):
        assert expected in printed
    page = root / "mlruns" / "reports" / "quickstart" / "report.html"
    assert f"Report:  {page}" in printed
    assert "ignore_fn road" in page.read_text()
    names = MlflowStore(root, "fnmask")
    assert "compare/report.html" in names.artifact_names(names.find_sweep().run_id, "compare")


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(sweep):
    root, _ = sweep
    store = MlflowStore(root, "fnmask")
    before = [run.run_id for run in store.runs(store.find_sweep().run_id)]
    again = train(root, "--multirun", "+sweeps=quickstart", TWO_SEEDS)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "10 of 10 trials were finished by an earlier call." in again.stdout
    assert "epoch" not in again.stdout
    assert len(load_study(root, "quickstart").get_trials()) == 10
    assert [run.run_id for run in store.runs(store.find_sweep().run_id)] == before


@pytest.mark.slow
def test_another_setting_under_the_same_name_is_refused(sweep):
    root, _ = sweep
    other = train(root, "--multirun", "+sweeps=quickstart", TWO_SEEDS, "optimizer.learning_rate=0.01")
    assert other.returncode == 2
    assert "optimizer.learning_rate: was 0.003, is 0.01" in other.stderr
    assert len(load_study(root, "quickstart").get_trials()) == 10


@pytest.mark.slow
def test_a_failing_trial_is_recorded_and_the_sweep_goes_on(tmp_path):
    # No study name and another current folder: the same command must still find its study.
    only_plain = "study.controls={plain: ['loss=plain']}"
    words = ("-m", "loss.alpha=choice(1e30,0.5)", "study.sampler=grid", only_plain)
    ended = train(tmp_path, *words, cwd=Path.cwd())
    assert ended.returncode == 4, ended.stdout + ended.stderr
    assert "incomplete" in ended.stdout
    store = MlflowStore(tmp_path, "fnmask")
    parent = store.find_sweep()
    runs = {run.trial: run for run in store.runs(parent.run_id)}
    assert [runs[n].tag("outcome") for n in range(3)] == ["complete", "failed:nonfinite", "complete"]
    assert "train/loss became" in runs[1].tag("reason")
    assert runs[1].status == "FAILED"
    study = load_study(tmp_path, parent.tag("study"))
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.get_trials()[1].user_attrs["fnmask:outcome"] == "failed:nonfinite"


@pytest.mark.slow
def test_a_dry_run_estimates_and_leaves_nothing(tmp_path):
    told = train(tmp_path, "-m", "+sweeps=quickstart", "study.dry_run=true", "study.seeds=3", "seed=0")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "sweep quickstart: 5 trials, 2 of them controls, each with 3 seeds" in told.stdout
    assert "estimated time: " in told.stdout
    assert "  15 trainings of " in told.stdout
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.slow
def test_a_killed_sweep_is_finished_by_the_same_command(tmp_path):
    words = ("-m", "loss.alpha=choice(0.0,0.3)", "study.sampler=grid", "study.name=killed", "trainer.epochs=9")
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(command(tmp_path, *words), stdout=file, stderr=subprocess.STDOUT, cwd=tmp_path)
        while process.poll() is None and "  trial 2: epoch " not in log.read_text():
            time.sleep(0.05)
        process.kill()
        process.wait()
    assert "  trial 2: epoch " in log.read_text()
    again = train(tmp_path, *words)
    assert again.returncode == 0, again.stdout + again.stderr
    states = [trial.state.name for trial in load_study(tmp_path, "killed").get_trials()]
    assert sorted(states) == ["COMPLETE"] * 4 + ["FAIL"]
    store = MlflowStore(tmp_path, "fnmask")
    outcomes = [run.tag("outcome") for run in store.runs(store.find_sweep("killed").run_id)]
    assert sorted(outcomes) == ["complete"] * 4 + ["lost"]


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_do_and_leaves_nothing(tmp_path):
    dry = train(tmp_path, "--multirun", "+sweeps=quickstart", TWO_SEEDS, "study.dry_run=true", "study.seeds=1")
    assert dry.returncode == 0, dry.stdout + dry.stderr
    for expected in (
        "sweep quickstart: 10 trials, 4 of them controls",
        "6 combinations; sampler grid",
        "control plain: loss=plain weighting=none seed=1",
        "estimated time: ",
        "  10 trainings of ",
        "2 epochs of 2 steps of ",
    ):
        assert expected in dry.stdout
    assert list(tmp_path.iterdir()) == []
