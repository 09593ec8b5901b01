"""What workers in other processes may be asked for, and how they share a machine."""

import os

import pytest
from omegaconf import OmegaConf

from fnmask.binding import ConfigError
from fnmask.sweep.launch import check_workers, share_machine

IN_PROCESS = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SLURM = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def launched_by(target):
    return OmegaConf.create({"hydra": {"launcher": {"_target_": target}}})


@pytest.mark.parametrize(
    ("target", "n_workers", "backend"),
    [
        (IN_PROCESS, 1, "sqlite"),
        (IN_PROCESS, 0, "postgresql"),
        (JOBLIB, 8, "sqlite"),
        (JOBLIB, 64, "postgresql"),
        (SLURM, 64, "postgresql"),
    ],
)
def test_what_can_run(target, n_workers, backend):
    check_workers(launched_by(target), n_workers, backend)


@pytest.mark.parametrize(
    ("target", "n_workers", "backend", "told"),
    [
        (IN_PROCESS, 2, "sqlite", "study.n_workers: got 2, but without a launcher there is one worker"),
        (JOBLIB, 9, "sqlite", "study.n_workers: got 9, but SQLite is safe for 8 at most, all on one machine."),
        (SLURM, 2, "sqlite", "study.storage: SQLite is for one machine, and Slurm may start workers on others."),
    ],
)
def test_what_cannot_is_refused_with_what_to_use(target, n_workers, backend, told):
    with pytest.raises(ConfigError, match="^" + told) as caught:
        check_workers(launched_by(target), n_workers, backend)
    assert "hydra/launcher=joblib" in str(caught.value) or "postgresql+psycopg2://" in str(caught.value)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without GPUs, four cores, and an environment that is put back."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    return tmp_path


@pytest.mark.parametrize(("index", "device"), [(0, "3"), (1, "5"), (2, "3")])
def test_every_worker_gets_one_of_the_given_gpus(machine, monkeypatch, index, device):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    share_machine(index, 4)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == device


def test_else_one_of_those_that_the_driver_lists(machine):
    program = machine / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA H100 (UUID: GPU-2)'\n")
    program.chmod(0o755)
    share_machine(3, 4)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"


def test_without_gpus_nothing_is_said_of_them(machine):
    share_machine(0, 2)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "2"


def test_cores_are_shared_and_what_is_set_stays(machine, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "7")
    share_machine(0, 8)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "7"
