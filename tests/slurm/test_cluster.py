"""The Slurm of `cluster.py` runs, cancels and requeues jobs as a real one does, since it is one."""

import operator
import subprocess
import time
from pathlib import Path

import pytest
from slurm.cluster import missing_programs, running_cluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not on this machine: {', '.join(missing_programs())}"),
]

TIMEOUT = 30


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture
def client(cluster, tmp_path):
    """A function that runs a client of the cluster in the test's folder and returns what it prints."""

    def run(*words):
        done = subprocess.run(words, env=cluster, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def submit(client, tmp_path):
    """A function that submits a shell script, with options of sbatch, and returns the job's number."""

    def run(script, *options):
        path = tmp_path / "job.sh"
        path.write_text(f"#!/bin/bash\n{script}\n")
        return client("sbatch", "--parsable", "--output=%A_%a.out", *options, str(path))

    return run


def wait_for(reached):
    deadline = time.monotonic() + TIMEOUT
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {TIMEOUT} s"
        time.sleep(0.1)


def fields(client, job):
    """What the controller knows of a job, such as JobState and ExitCode."""
    words = client("scontrol", "--oneliner", "show", "job", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_elements_of_an_array_run_at_once_and_have_their_exit_codes(submit, client):
    # Each waits for the other: one after the other, they would never end.
    job = submit(
        "touch started_$SLURM_ARRAY_TASK_ID\n"
        "until [ -e started_0 ] && [ -e started_1 ]; do sleep 0.1; done\n"
        "exit $((SLURM_ARRAY_TASK_ID * 5))",
        "--array=0-1",
    )
    wait_for(lambda: not client("squeue", "--noheader"))
    found = [fields(client, f"{job}_{element}") for element in (0, 1)]
    assert [(field["JobState"], field["ExitCode"]) for field in found] == [("COMPLETED", "0:0"), ("FAILED", "5:0")]


def test_a_cancelled_job_gets_sigterm_first(submit, client, tmp_path):
    # The signal goes to every process of the job, so only what the shell does itself is sure to be done; and Slurm
    # takes no signal for a step that it has started but not yet noted as running.
    job = submit("trap ': >trapped; exit 0' TERM\nsleep 2\n: >started\nwhile :; do sleep 0.1; done")
    wait_for((tmp_path / "started").exists)
    client("scancel", job)
    wait_for((tmp_path / "trapped").exists)
    wait_for(lambda: not client("squeue", "--noheader"))
    assert fields(client, job)["JobState"] == "CANCELLED"


def test_a_requeued_job_starts_again_under_its_number(submit, client, tmp_path):
    job = submit(
        'echo "$SLURM_JOB_ID ${SLURM_RESTART_COUNT:-0}" >>starts\n[ -z "$SLURM_RESTART_COUNT" ] && exec sleep 60'
    )
    wait_for((tmp_path / "starts").exists)
    client("scontrol", "requeue", job)
    wait_for(lambda: len((tmp_path / "starts").read_text().splitlines()) == 2)
    assert (tmp_path / "starts").read_text().splitlines() == [f"{job} 0", f"{job} 1"]


def test_submitit_gets_a_result(cluster, tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit", reason="submitit is not installed")
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, cluster[name])
    executor = submitit.AutoExecutor(folder=tmp_path, cluster="slurm")
    executor.update_parameters(timeout_min=5, slurm_partition="debug")
    assert executor.submit(operator.add, 1, 1).result() == 2


def test_nothing_is_left_of_a_cluster_that_ends(tmp_path):
    with running_cluster(tmp_path / "cluster", tracking="pgid") as environment:
        script = "trap '' TERM; touch started; setsid sleep 77777 & sleep 77777"
        subprocess.run(["sbatch", f"--wrap={script}"], env=environment, cwd=tmp_path, check=True, capture_output=True)
        wait_for((tmp_path / "started").exists)
    # A zombie has no command line.
    commands = [read(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert [command for command in commands if "77777" in command or str(tmp_path) in command] == []


def read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
