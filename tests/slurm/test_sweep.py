"""A sweep whose workers are jobs of a real Slurm."""

import signal
import subprocess
import time

import pytest
from postgres import missing_packages, running_postgres
from slurm.cluster import missing_programs, running_cluster
from sweeping import BUDGET, QUICKSTART, Running, check_books, kill_what_is_left, load_trials, train_command

from fnmask.sweep.study import outcome_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"no {', '.join(missing_programs())}"),
    pytest.mark.skipif(bool(missing_packages()), reason=f"no {', '.join(missing_packages())}"),
]

SLURM = (
    *("hydra/launcher=submitit_slurm", "study.n_workers=2", "hydra.launcher.partition=debug"),
    *("hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=10"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("slurm"), tracking="pgid") as environment:
        yield environment


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(autouse=True)
def clean_up():
    yield
    kill_what_is_left()


def start(root, database, cluster):
    changes = {key: cluster[key] for key in ("SLURM_CONF", "PATH")}
    return Running(train_command(root, *QUICKSTART, *SLURM, storage=database), root, **changes)


def jobs(cluster, state):
    listed = subprocess.run(
        ["squeue", "--noheader", "--array", "--states", state, "--format", "%A"],
        env=cluster,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def wait_for_epochs(database, number):
    """Until running trials have told of so many epochs in all."""
    deadline_s = time.monotonic() + 120
    while True:
        try:
            running = [trial for trial in load_trials("quickstart", database) if outcome_of(trial) == "running"]
        except KeyError:
            running = []
        if sum(trial.user_attrs.get("fnmask:epoch", [0])[0] for trial in running) >= number:
            return
        assert time.monotonic() < deadline_s
        time.sleep(0.3)


def test_jobs_pull_trials(tmp_path, cluster, server):
    database = server.url("pulled")
    sweep = start(tmp_path, database, cluster)
    assert sweep.end() == 0, sweep.text
    check_books(tmp_path, "quickstart", database, budget=BUDGET)
    workers = {trial.user_attrs["fnmask:worker"]["pid"] for trial in load_trials("quickstart", database)}
    assert len(workers) == 2


def test_a_preempted_job_queues_its_trial_and_comes_back(tmp_path, cluster, server):
    database = server.url("preempted")
    sweep = start(tmp_path, database, cluster)
    wait_for_epochs(database, 5)
    subprocess.run(["scontrol", "requeue", jobs(cluster, "RUNNING")[0]], env=cluster, check=True)
    assert sweep.end() == 0, sweep.text
    outcomes = check_books(tmp_path, "quickstart", database, budget=BUDGET)
    assert outcomes["interrupted"] + outcomes["lost"] >= 1


def test_ctrl_c_reaches_the_jobs(tmp_path, cluster, server):
    database = server.url("stopped")
    sweep = start(tmp_path, database, cluster)
    wait_for_epochs(database, 5)
    sweep.send(signal.SIGINT)
    assert sweep.end() == 130, sweep.text
    left = {outcome_of(trial) for trial in load_trials("quickstart", database)}
    assert left == {"complete"}
