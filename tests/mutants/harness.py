"""Breaks a copy of the package in one named way at a time, and sees whether a test notices.

The working tree is never touched: package, tests and configuration are copied to a folder of their own, where the
tests run in a process that imports the copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
COPIED = ("fnmask", "tests", "conf", "sweeps", "pyproject.toml")

# How an error begins that a test raises on purpose.
ASSERTIONS = ("AssertionError", "assert ", "Failed: ")


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        name: for the table and for `--only`.
        path: of the source file, below `fnmask/`.
        before: text that occurs there exactly once.
        after: what stands there instead.
        breaks: what is wrong then, in words.
        tests: the few tests that should notice, as pytest writes them, below `tests/`.
    """

    name: str
    path: str
    before: str
    after: str
    breaks: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: `killed` by an assertion, `survived`, or `stumbled` over another error."""

    mutant: Mutant
    verdict: Literal["killed", "survived", "stumbled"]
    detail: str
    seconds: float


def mutated_source(mutant: Mutant, project: Path) -> str:
    """The file of that project with the mistake in it.

    Raises:
        ValueError: the text does not occur exactly once, or what comes out is no Python.
    """
    source = (project / "fnmask" / mutant.path).read_text()
    if (count := source.count(mutant.before)) != 1:
        raise ValueError(f"{mutant.name}: its text occurs {count} times in fnmask/{mutant.path}, but it must be once.")
    mutated = source.replace(mutant.before, mutant.after)
    try:
        compile(mutated, mutant.path, "exec")
    except SyntaxError as error:
        raise ValueError(f"{mutant.name}: fnmask/{mutant.path} would be no Python: {error}.") from None
    return mutated


@contextmanager
def copied_project(project: Path = ROOT) -> Iterator[Path]:
    """A folder with a copy of what the tests need; raises RuntimeError if Python would not import it from there."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name).resolve()
        for part in COPIED:
            if (project / part).is_dir():
                shutil.copytree(project / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(project / part, folder / part)
        where = [sys.executable, "-c", "import fnmask; print(fnmask.__file__)"]
        found = subprocess.run(where, cwd=folder, env=_environment(folder), capture_output=True, text=True, check=True)
        if Path(found.stdout.strip()) != folder / "fnmask" / "__init__.py":
            raise RuntimeError(f"The tests would import {found.stdout.strip()}, not the copy in {folder}.")
        yield folder


def run_tests(tests: Sequence[str], folder: Path) -> tuple[int, str, str]:
    """Runs tests in a copy up to the first failure.

    Returns:
        pytest's exit status; the test that failed, or ""; its error, or else pytest's last lines.
    """
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "without_shrinking"]
    command += [f"--junitxml={report}", *(f"tests/{test}" for test in tests)]
    done = subprocess.run(command, cwd=folder, env=_environment(folder), capture_output=True, text=True)
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        # What fails outside of a test, in a fixture or at collection, is called an error there and not a failure.
        failure = case.find("failure")
        if failure is not None:
            file = case.get("classname", "").removeprefix("tests.").replace(".", "/")
            error = f"{failure.get('message')}\n{failure.text}"
            return done.returncode, f"{file}.py::{case.get('name')}", error
    return done.returncode, "", "\n".join(done.stdout.splitlines()[-8:])


def check_unbroken(mutants: Sequence[Mutant], project: Path = ROOT) -> None:
    """Raises RuntimeError unless the tests of these mutants pass without a mistake."""
    tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
    with copied_project(project) as folder:
        status, test, error = run_tests(tuple(tests), folder)
    if status != 0:
        raise RuntimeError(f"Without any mutant pytest ends with {status}, so nothing could be told. {test}\n{error}")


def judge(mutant: Mutant, project: Path = ROOT) -> Outcome:
    """Runs the tests of a mutant; raises ValueError if it does not fit the source."""
    begin_s = time.monotonic()
    with copied_project(project) as folder:
        (folder / "fnmask" / mutant.path).write_text(mutated_source(mutant, project))
        status, test, error = run_tests(mutant.tests, folder)
    seconds = time.monotonic() - begin_s
    if status == 0:
        return Outcome(mutant, "survived", "", seconds)
    if status == 1 and test and is_assertion(error):
        return Outcome(mutant, "killed", test, seconds)
    return Outcome(mutant, "stumbled", f"pytest ended with {status}. {test}\n{error[-2000:]}", seconds)


def is_assertion(error: str) -> bool:
    """Whether a test found something wrong, and did not just stumble; several examples of Hypothesis are one group."""
    return error.startswith(ASSERTIONS) or (error.startswith("ExceptionGroup") and "AssertionError" in error)


def _environment(folder: Path) -> dict[str, str]:
    """The copy and the plugin first on the import path; nothing of a pytest that we may run in; no old bytecode."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    path = os.pathsep.join([str(folder), str(folder / "tests" / "mutants")])
    return kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
