import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import fnmask
import fnmask.losses
import fnmask.metrics

ROOT = Path(fnmask.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


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


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings(module):
    # An example may use what its readers import: NumPy, and whatever the packages export.
    exported = {name: getattr(package, name) for package in (fnmask.losses, fnmask.metrics) for name in package.__all__}
    outcome = doctest.testmod(import_module(module), extraglobs=exported | {"np": np})
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_version():
    assert fnmask.__version__.count(".") == 2
