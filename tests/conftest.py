import os

import pytest

# Before any test imports TensorFlow: its greetings would drown what a failing test says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory):
    """A database with MLflow's tables: making them takes seconds."""
    from fnmask.tracking.mlflow_store import MlflowStore  # here, since most tests do without MLflow

    root = tmp_path_factory.mktemp("empty mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        MlflowStore(root, "elsewhere")
    return (root / "mlflow.db").read_bytes()
