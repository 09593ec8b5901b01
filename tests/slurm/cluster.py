"""A real Slurm of one node for tests, in a folder of its own: munged, slurmctld and slurmd.

It shares nothing with a Slurm that the machine may belong to: ports, sockets, key, state and logs are its own. A fresh
Debian or Ubuntu needs `apt-get install slurm-wlm munge`; nothing has to be configured or running.
"""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue")
# The daemons lie where only the search path of root looks.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
START_TIMEOUT = 30
# Seconds that each step of the end may take before it is forced.
STOP_TIMEOUT = 10

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
MailProg=/bin/true
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until the credential of its last start has expired: two minutes unless set, at least 5 seconds.
AuthInfo=socket={sockets}/munge,cred_expire=5

StateSaveLocation={folder}/state
# The socket of every step lies here, and the path of a socket has to be short.
SlurmdSpoolDir={sockets}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldDebug=verbose
SlurmdDebug=verbose

ProctrackType=proctrack/{tracking}
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none

SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
JobRequeue=1
PreemptMode=REQUEUE
PreemptType=preempt/partition_prio

# Seconds from SIGTERM to SIGKILL.
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=30
InactiveLimit=0
MinJobAge=300
ReturnToService=2
# More CPUs than the machine may have, so that several jobs run at once on a small one.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 {node} State=UNKNOWN
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """The programs of Slurm and munge that this machine lacks: the reason why a test is skipped."""
    return [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]


@contextmanager
def running_cluster(folder: Path, *, cpus: int = 4, tracking: str = "linuxproc") -> Iterator[dict[str, str]]:
    """Starts the cluster and yields the environment for its clients, such as `sbatch`.

    Jobs inherit it, so clients inside of a job find the same cluster. On exit all jobs are killed.

    Args:
        folder: State, logs and `slurm.conf` go there, and are left there.
        cpus: How many jobs of one CPU run at once, whatever the machine has.
        tracking: How a job's processes are known. `linuxproc` asks who started whom: what ignores SIGTERM while the
            shell of the batch script dies of it is orphaned, and lives on. `pgid` takes the process group and kills it
            when that shell is gone, which is what a cluster with control groups does.
    """
    folder = folder.resolve()
    (folder / "state").mkdir(parents=True, exist_ok=True)
    configuration = folder / "slurm.conf"
    # The variables of a job around the tests would change the meaning of the clients' command lines.
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
    environment = outer | {"SLURM_CONF": str(configuration), "PATH": SEARCH_PATH}
    with ExitStack() as stack:
        # Not in the folder, since the path of a socket must be short.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)))
        # munged wants every user of the machine to reach its socket.
        sockets.chmod(0o755)
        (sockets / "spool").mkdir()
        configuration.write_text(_configuration(folder, sockets, cpus, tracking))
        # Called last, when nothing can start another job. A job that ignores SIGTERM would keep scancel waiting.
        stack.callback(_kill_jobs, environment)
        daemons = {"munged": stack.enter_context(_daemon(_munged(folder, sockets), folder, environment))}
        _wait_until((sockets / "munge").exists, daemons, folder)
        for name in ("slurmctld", "slurmd"):
            daemons[name] = stack.enter_context(_daemon([name, "-D"], folder, environment))
        _wait_until(lambda: _answer(["sinfo", "--noheader", "--format=%T"], environment) == "idle", daemons, folder)
        yield environment


def _configuration(folder: Path, sockets: Path, cpus: int, tracking: str) -> str:
    # Such as `NodeName=host CPUs=2 Boards=1 ... RealMemory=24105`.
    words = (word.partition("=") for word in _answer(["slurmd", "-C"], {"PATH": SEARCH_PATH}).split())
    machine = {name: value for name, _, value in words}
    with socket.socket() as controller, socket.socket() as node:
        for free in (controller, node):
            free.bind(("127.0.0.1", 0))
        ports = {"controller_port": controller.getsockname()[1], "node_port": node.getsockname()[1]}
    return CONFIGURATION.format(
        host=machine["NodeName"],
        node=f"CPUs={max(cpus, int(machine['CPUs']))} RealMemory={machine['RealMemory']}",
        user=getpass.getuser(),
        folder=folder,
        sockets=sockets,
        tracking=tracking,
        **ports,
    )


def _munged(folder: Path, sockets: Path) -> list[str]:
    key = folder / "munge.key"
    key.unlink(missing_ok=True)
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    files = [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    # It takes a folder that others may write to, as some umasks make them, for an attack, unless it is forced.
    return ["munged", "--foreground", "--force", f"--socket={sockets}/munge", f"--key-file={key}", *files]


@contextmanager
def _daemon(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    with (folder / f"{command[0]}.out").open("w") as output:
        # A session of its own: Ctrl-C reaches the tests alone, and what the daemon has started ends with it.
        daemon = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield daemon
    finally:
        daemon.terminate()
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(STOP_TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _wait_until(ready: Callable[[], bool], daemons: dict[str, subprocess.Popen], folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        dead = [name for name, daemon in daemons.items() if daemon.poll() is not None]
        if dead or time.monotonic() > deadline:
            logs = (f"--- {name}\n{(folder / f'{name}.out').read_text()[-3000:]}" for name in daemons)
            reason = f"{', '.join(dead)} ended" if dead else f"not ready after {START_TIMEOUT} s"
            raise RuntimeError("\n".join([f"The Slurm of the tests did not start: {reason}.", *logs]))
        time.sleep(0.1)


def _answer(command: list[str], environment: dict[str, str]) -> str:
    """What a client prints; nothing when it fails, as it does while the controller is not up."""
    with suppress(subprocess.TimeoutExpired):
        client = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=STOP_TIMEOUT)
        return client.stdout.strip() if client.returncode == 0 else ""
    return ""


def _kill_jobs(environment: dict[str, str]) -> None:
    """Kills the steps and what they have started, orphans too: all know the configuration by their environment."""
    mark = f"SLURM_CONF={environment['SLURM_CONF']}".encode()
    deadline = time.monotonic() + STOP_TIMEOUT
    while left := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in _environment_of(pid)]:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise RuntimeError(f"Processes of the jobs outlive SIGKILL: {left}")
        time.sleep(0.1)


def _environment_of(pid: int) -> list[bytes]:
    # A zombie has none, and those of others are closed. The tests may run in such an environment, but are no job.
    with suppress(OSError):
        return [] if pid == os.getpid() else Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []
