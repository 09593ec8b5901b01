import doctest
import subprocess
import sys
from importlib import import_module

import pytest

import fnmask
import fnmask.losses
import fnmask.metrics


def test_subpackages_come_on_first_use_and_without_a_backend():
    code = (
        "import sys, fnmask; fnmask.losses.ramp; fnmask.metrics.iou; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("package", [fnmask.losses, fnmask.metrics])
def test_every_exported_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name).__module__.startswith(package.__name__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


@pytest.mark.parametrize(
    "module",
    [
        "losses.error_matrix",
        "losses.schedule",
        "losses.loss",
        "losses.callback",
        "metrics.confusion",
        "metrics.readings",
        "metrics.streaming",
    ],
)
def test_examples_in_docstrings(module):
    outcome = doctest.testmod(import_module(f"fnmask.{module}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_version():
    assert fnmask.__version__.count(".") == 2
