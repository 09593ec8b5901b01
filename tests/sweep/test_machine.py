"""Who runs a trial, and whether that process is still alive."""

import json
import os
import subprocess
import sys
import time

import pytest

from fnmask.sweep.machine import describe_process, is_dead, is_local, this_process

SAY_AND_WAIT = (
    "import json, sys; from fnmask.sweep.machine import this_process; "
    "print(json.dumps(this_process()), flush=True); sys.stdin.read()"
)


@pytest.fixture
def other():
    """A living process, and how it describes itself."""
    with subprocess.Popen(
        [sys.executable, "-c", SAY_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, json.loads(process.stdout.readline())
        process.kill()


def test_a_process_describes_itself_in_plain_values():
    here = this_process()
    assert here["pid"] == os.getpid()
    assert json.loads(json.dumps(here)) == here
    assert here == this_process()
    assert describe_process(here) == f"process {os.getpid()} on {here['host']}"
    assert describe_process({}) == "process ? on ?"


def test_a_living_process_is_not_dead(other):
    process, described = other
    assert not is_dead(this_process())
    assert described["pid"] == process.pid
    assert is_local(described)
    assert not is_dead(described)


def test_a_process_that_was_killed_is_dead_even_before_its_parent_has_asked(other):
    process, described = other
    process.kill()
    # A zombie still has its number.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.01)
    os.kill(process.pid, 0)
    assert is_dead(described)
    process.wait()
    assert is_dead(described)


def test_a_process_that_has_ended_is_dead(dead_process):
    assert is_dead(dead_process)


def test_a_number_that_was_given_to_another_process_since():
    here = this_process()
    assert is_dead({**here, "started": str(int(here["started"]) - 1)})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may signal every process")
def test_a_process_of_another_user_is_not_dead_for_that():
    from fnmask.sweep.machine import _started

    assert not is_dead({**this_process(), "pid": 1, "started": _started(1)})


def test_of_a_process_on_another_machine_nothing_is_certain(dead_process):
    far = {**dead_process, "machine": "another"}
    assert not is_local(far)
    assert not is_dead(far)
    # After a restart the same host is another machine: its processes are known by their silence.
    assert not is_dead({**dead_process, "machine": "another boot"})
    assert not is_local({})


def test_a_name_with_brackets_and_blanks(tmp_path):
    """The kernel writes a process' name unescaped before the numbers."""
    odd = tmp_path / "a) R (b"
    odd.symlink_to(sys.executable)
    home = os.path.dirname(os.path.dirname(os.path.realpath(sys.executable)))
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from fnmask.sweep.machine import is_dead, this_process\n"
        "me = this_process(); print(me['started'].isdigit(), is_dead(me))"
    )
    done = subprocess.run(
        [str(odd), "-c", code, *filter(None, sys.path), os.getcwd()],
        env={**os.environ, "PYTHONHOME": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr
