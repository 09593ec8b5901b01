"""Workers in other processes: a job of Hydra's launcher is a worker that pulls trials, not a trial."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from fnmask.binding import ConfigError
from fnmask.sweep.locks import SAFE_SQLITE_WORKERS, too_many_workers

IN_PROCESS = "BasicLauncher"


def launcher_name(master: DictConfig) -> str:
    """Class of the launcher that is configured, such as `JoblibLauncher`."""
    return str(master.hydra.launcher._target_).rpartition(".")[2]


def check_workers(master: DictConfig, n_workers: int, backend: str) -> None:
    """Refuse what cannot run at the same time, or not safely.

    Args:
        master: the config of the multirun.
        n_workers: `study.n_workers`.
        backend: of the storage: `sqlite` or `postgresql`.

    Raises:
        ConfigError: says what to use instead.
    """
    name = launcher_name(master)
    if name == IN_PROCESS and n_workers > 1:
        raise ConfigError(
            [
                f"study.n_workers: got {n_workers}, but without a launcher there is one worker, in this process. Add "
                "hydra/launcher=joblib for processes on this machine, or hydra/launcher=submitit_slurm."
            ]
        )
    if backend == "sqlite" and n_workers > SAFE_SQLITE_WORKERS:
        raise ConfigError([too_many_workers(n_workers)])
    if backend == "sqlite" and "Slurm" in name:
        raise ConfigError(
            [
                "study.storage: SQLite is for one machine, and Slurm may start workers on others. Use PostgreSQL: "
                "study.storage=postgresql+psycopg2://USER@HOST/DATABASE"
            ]
        )


@dataclass(frozen=True)
class WorkerJob:
    """What Hydra's launcher runs in every worker's process.

    Attributes:
        context: Hydra's.
        master: the config of the multirun.
        arguments: the command line's overrides.
        study_name: of the sweep, to call its folders by.
        n_workers: how many there are.
        n_here: how many share the cores of one machine.
    """

    context: HydraContext
    master: DictConfig
    arguments: tuple[str, ...]
    study_name: str
    n_workers: int
    n_here: int

    def __call__(self, cfg: DictConfig) -> str:
        """Run trials to the end of the sweep; returns how it ended."""
        # Here: the process that launches needs none of it, and this one may not have got its Hydra yet.
        from fnmask.sweep.begin import join
        from fnmask.sweep.composer import Composer
        from fnmask.sweep.interruption import Interruption
        from fnmask.sweep.join import close_if_last, train_here
        from fnmask.sweep.plan import make_plan

        index, parent = int(HydraConfig.get().job.num), os.getppid()
        share_machine(index, self.n_here)
        composer = Composer(self.context.config_loader, self.master)
        plan = make_plan(composer, self.arguments, with_options=False)
        begun = join(plan, composer)
        with Interruption() as interruption:
            verdict = train_here(begun, self.context, interruption=interruption, index=index)
        close_if_last(begun)
        if os.getppid() != parent:
            # The sweeper was killed meanwhile: joblib would wait for ever to hand it the result.
            os._exit(0)
        return verdict


def launch_workers(job: WorkerJob) -> None:
    """Start all of them, and return when the last one has left.

    Raises:
        Exception: a worker died, in the launcher's own words.
    """
    master = job.master.copy()
    if "n_jobs" in master.hydra.launcher:
        # joblib would otherwise start as many as there are cores, and the rest after those have left.
        with open_dict(master):
            OmegaConf.update(master, "hydra.launcher.n_jobs", job.n_workers)
    launcher = Plugins.instance().instantiate_launcher(hydra_context=job.context, task_function=job, config=master)
    overrides: list[Sequence[str]] = [
        [f"hydra.sweep.subdir={_quoted(f'{job.study_name}/worker{index}')}"] for index in range(job.n_workers)
    ]
    for returned in launcher.launch(overrides, initial_job_idx=0):
        _ = returned.return_value  # raises what a worker raised


def share_machine(index: int, n_workers: int) -> None:
    """Give a worker its own GPU and its share of the cores, before TensorFlow is loaded. What is set already stays."""
    devices = _visible_gpus()
    if len(devices) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, cores // n_workers))
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, threads)


def _visible_gpus() -> list[str]:
    """Names of the GPUs as CUDA takes them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [device for device in given.split(",") if device]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False).stdout
    except subprocess.TimeoutExpired:
        return []
    return [str(place) for place, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"\'") + "'"
