import subprocess
import sys

# In a process of its own: this one has loaded everything.
PROGRAM = """
import sys
from fnmask.backend import load_backend

print(load_backend())
print("sklearn" in sys.modules, "keras" in sys.modules)
import sklearn

print(sklearn.__name__)
"""


def test_the_backend_starts_without_what_it_does_not_use_and_says_what_it_runs_on():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    told, loaded, later = done.stdout.splitlines()
    assert told.startswith("TensorFlow 2.")
    assert loaded == "False True"
    assert later == "sklearn", "whoever needs it gets it"
    assert not done.stderr
