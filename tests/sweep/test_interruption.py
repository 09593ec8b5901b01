"""Ctrl-C and SIGTERM, in a process of its own each time."""

import os
import signal
import subprocess
import sys

import pytest

BEGIN = """
import signal, sys, threading, time
from signal import SIGINT, SIGTERM, SIGUSR2
from fnmask.sweep.interruption import Interruption, Preempted

def send(number):
    signal.raise_signal(number)

def caught(action):
    try:
        action()
    except KeyboardInterrupt as error:
        return type(error).__name__
    return "nothing"
"""


def run(code):
    """What the code prints, with `interruption` at work."""
    indented = "".join(f"    {line}\n" for line in code.strip().splitlines())
    program = f"{BEGIN}\nwith Interruption('The trial') as interruption:\n{indented}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_the_first_ctrl_c_only_asks():
    done = run("""
with interruption.raising():
    send(SIGINT)
    print(interruption.is_requested, caught(interruption.check))
""")
    assert done.stdout == "True nothing\n"
    assert done.stderr.split("\n")[1:] == [
        "The trial will be finished. Press Ctrl-C again to stop at once and have it run again later.",
        "",
    ]


def test_ctrl_c_in_the_middle_of_a_line_on_the_terminal_only_asks():
    """Such as while the terminal is held by Ctrl-S: a write waits, and the signal comes in it."""
    code = f"""{BEGIN}
with Interruption("The trial") as interruption:
    print("x" * 1_000_000, file=sys.stderr)
    print(interruption.is_requested)
"""
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    held = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered
    )
    assert held.stderr.read(1) == "x"
    held.send_signal(signal.SIGINT)
    written, told = held.communicate(timeout=60)
    assert written == "True\n", told[-500:]
    assert "The trial will be finished." in told


def test_ctrl_c_only_asks_where_nobody_can_be_told():
    assert (
        run("""
sys.stderr.close()
send(SIGINT)
print(interruption.is_requested)
""").stdout
        == "True\n"
    )


def test_the_second_one_cuts_where_the_trial_asks():
    done = run("""
send(SIGINT)
send(SIGINT)
print("what is being written is written")
print(caught(interruption.check), caught(interruption.check))
""")
    assert done.stdout.splitlines() == ["what is being written is written", "KeyboardInterrupt KeyboardInterrupt"]


def test_the_second_one_cuts_at_once_what_can_be_cut_anywhere():
    assert run("""
def wait():
    with interruption.raising():
        send(SIGINT)
        print("first")
        send(SIGINT)
        print("second")
print(caught(wait))
""").stdout.splitlines() == ["first", "KeyboardInterrupt"]


def test_the_third_one_does_not_wait():
    assert (
        run("""
send(SIGINT)
send(SIGINT)
print(caught(lambda: send(SIGINT)))
""").stdout
        == "KeyboardInterrupt\n"
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR2"])
def test_a_process_that_is_told_to_go_cuts_its_trial_at_once(name):
    assert run(f"""
print(caught(interruption.check), interruption.is_requested)
send({name})
send({name})
print(caught(interruption.check), interruption.is_requested, interruption.received == {name})
""").stdout.splitlines() == ["nothing False", "Preempted True True"]


def test_being_told_to_go_cuts_at_once_what_can_be_cut_anywhere():
    assert (
        run("""
def wait():
    with interruption.raising():
        send(SIGTERM)
print(caught(wait))
""").stdout
        == "Preempted\n"
    )


def test_what_was_to_be_cut_is_not_begun():
    assert (
        run("""
send(SIGTERM)
def wait():
    with interruption.raising():
        print("begun")
print(caught(wait))
""").stdout
        == "Preempted\n"
    )


def test_after_the_waiting_nothing_is_raised_out_of_turn():
    assert (
        run("""
with interruption.raising():
    pass
send(SIGTERM)
print("still here")
""").stdout
        == "still here\n"
    )


def test_sleep_ends_when_something_is_asked_for():
    assert (
        run("""
threading.Timer(0.1, lambda: signal.pthread_kill(threading.main_thread().ident, SIGTERM)).start()
interruption.wait(600)
print(interruption.is_requested)
""").stdout
        == "True\n"
    )


def test_before_and_after_signals_are_as_they_were():
    code = """
import signal
from fnmask.sweep.interruption import Interruption
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)]
with Interruption():
    pass
print(before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_launcher_s_own_handler_hears_of_the_end_of_a_job_s_time():
    """submitit queues the job again there."""
    code = """
import signal
from fnmask.sweep.interruption import Interruption
signal.signal(signal.SIGUSR2, lambda number, frame: print("told", number == signal.SIGUSR2))
with Interruption() as interruption:
    signal.raise_signal(signal.SIGUSR2)
    print("first the trial is queued again")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["first the trial is queued again", "told True"]


def test_in_another_thread_there_are_no_signals():
    code = """
import signal, threading
from fnmask.sweep.interruption import Interruption
before = signal.getsignal(signal.SIGINT)
def work():
    with Interruption() as interruption:
        interruption.check()
        print(signal.getsignal(signal.SIGINT) is before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
