"""A network as MLflow's LoggedModel: with signature, input example and class names, for pyfunc, serving and Keras."""

import json
import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.tracking.lineage import lineage_params
from fnmask.tracking.mlflow_client import MlflowClient

# Loaded where the model is served.
_REQUIRED = ("keras", "tensorflow", "numpy")

_MAX_TAG = 250

_ADDRESS = "MLFLOW_TRACKING_URI"


def log_model(
    client: MlflowClient,
    run_id: str,
    *,
    code: Path,
    keras_file: Path,
    card: Mapping[str, Any],
    example: NDArray[np.uint8],
    register_as: str | None,
) -> str:
    """Log a network with a run.

    Args:
        client: of the store.
        run_id: that the network belongs to.
        code: the file with the served model.
        keras_file: the network.
        card: what somebody must know who has the model alone; becomes its metadata.
        example: one image `(1, H, W, 3)`, which the signature is of.
        register_as: name in MLflow's registry; None registers nothing.

    Returns:
        The model's id: `models:/<id>`.
    """
    # Recorded and dropped: MLflow shows its own warnings whatever the filters say.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        import mlflow
        import mlflow.pyfunc
        from mlflow.models import Model, ModelSignature
        from mlflow.types import Schema, TensorSpec

        signature = ModelSignature(
            inputs=Schema([TensorSpec(np.dtype("uint8"), (-1, *example.shape[1:]))]),
            outputs=Schema([TensorSpec(np.dtype("uint8"), (-1, *example.shape[1:3]))]),
        )
        versions = lineage_params()
        logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # it tells each of its steps
        before, given = mlflow.get_tracking_uri(), os.environ.get(_ADDRESS)
        mlflow.set_tracking_uri(client.tracking_uri)
        try:
            # Else MLflow takes the experiment that is active in this process, `Default`: the model would be missing
            # where its run is, and its files would lie where the database happened to be made.
            run = client.get_run(run_id)
            made = client.create_logged_model(
                run.info.experiment_id,
                name="model",
                source_run_id=run_id,
                tags={"fnmask.decision": str(card["decision"]), "fnmask.classes": ",".join(card["classes"])[:_MAX_TAG]},
                params=run.data.params,
                model_type="semantic-segmentation",
            )
            logged = Model.log(
                artifact_path=None,
                model_id=made.model_id,
                flavor=mlflow.pyfunc,
                run_id=run_id,
                registered_model_name=register_as,
                metadata=json.loads(json.dumps(card)),
                python_model=str(code),
                artifacts={"model": str(keras_file)},
                signature=signature,
                input_example=example,
                pip_requirements=[f"mlflow=={mlflow.__version__}"]
                + [f"{name}=={versions[f'lineage.{name}']}" for name in _REQUIRED],
            )
        finally:
            mlflow.set_tracking_uri(before)
            # MLflow leaves what is set there in the environment, where it would win over every project's own database.
            os.environ.pop(_ADDRESS, None)
            os.environ |= {} if given is None else {_ADDRESS: given}
    return str(logged.model_id)
