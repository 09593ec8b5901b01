"""Plain controls, a mask of two seeds and a trial that was pruned: trained once, and kept as a sweep keeps them."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from composing import SMALL, compose_config

from fnmask.sweep.composer import check_job
from fnmask.tracking.mlflow_store import MlflowStore

# Roads that are there, so that a threshold moves something.
SETTINGS = (*SMALL, "trainer.epochs=6", "optimizer.learning_rate=1e-2")
STUDY = "tried"


@dataclass
class Project:
    """A project root with runs.

    Attributes:
        root: of the project.
        store: opened in it.
        sweep: id of the sweep.
        ids: of the runs, by name.
        results: by name, of those that finished.
    """

    root: Path
    store: MlflowStore
    sweep: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    results: dict[str, object] = field(default_factory=dict)

    def config(self, *overrides):
        return check_job(compose_config(*SETTINGS, *overrides, f"root={self.root}"))


@pytest.fixture(autouse=True)
def _own_store(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory, empty_mlflow):
    """Read it only; `project` is a copy to write into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return _train(tmp_path_factory.mktemp("trained"), empty_mlflow)


def _train(root, empty_mlflow):
    from fnmask.outcomes import TrialPruned
    from fnmask.recording import Labels, find_control, open_run, run_recorded
    from fnmask.trial import run_trial
    from fnmask.workbench import Workbench

    (root / "mlflow.db").write_bytes(empty_mlflow)
    store = MlflowStore(root, "fnmask")
    project = Project(root, store)
    project.sweep = store.open_sweep(study=STUDY, tags={}, params={})
    workbench = Workbench()

    def run(name, labels, *overrides, on_epoch=None):
        config = project.config(*overrides)
        plain = labels.control == "plain"
        record = run_recorded(
            config, replace(labels, study=STUDY, sweep_run_id=project.sweep), store=store, run=run_trial,
            workbench=workbench, on_epoch=on_epoch,
            control=lambda: "itself" if plain else find_control(store, config.reference),
        )  # fmt: skip
        record.close()
        project.ids[name], project.results[name] = record.run_id, record.result

    for seed in (0, 1, 2):
        labels = Labels("trial", trial=seed, control="plain", parent_run_id=project.sweep)
        run(f"plain{seed}", labels, "loss=plain", f"seed={seed}")
    parent = open_run(
        project.config("loss=soften_fn"), Labels("trial", trial=3, parent_run_id=project.sweep), store=store
    )
    project.ids["trial"] = parent.run_id
    for seed in (1, 0):  # the second one first: which is taken must not depend on the order
        labels = Labels("seed", trial=3, parent_run_id=parent.run_id)
        run(f"mask{seed}", labels, "loss=soften_fn", f"seed={seed}")
    parent.finish("complete")

    def prune(*told):
        raise TrialPruned("not promising")

    run("pruned", Labels("trial", trial=4, parent_run_id=project.sweep), "loss=attenuate_fn", on_epoch=prune)
    run("weightless", Labels("run"), "loss=plain", "tracking.weights=none", "trainer.epochs=1")
    full = ("dataset.image_size=[32,24]", "trainer.eval_resolution=original", "trainer.epochs=2")
    run("full", Labels("run"), "loss=plain", *full)
    store.close_sweep(project.sweep, "finished")
    return project


@pytest.fixture
def project(trained_project, tmp_path):
    """A copy of the trained project, whose files are where the database says: in the first one."""
    shutil.copy(trained_project.root / "mlflow.db", tmp_path / "mlflow.db")
    return replace(trained_project, root=tmp_path, store=MlflowStore(tmp_path, "fnmask"))
