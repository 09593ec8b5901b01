import sys
from pathlib import Path

import pytest

# Test folders are no packages, so the oracle and the case generator are found through the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="module")
def eager_unless_compiled(request):
    """Runs without XLA, which takes a second for every new shape, except in modules that say `COMPILED = True`."""
    tf = sys.modules.get("tensorflow")
    if tf is None or getattr(request.module, "COMPILED", False):
        yield
        return
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
