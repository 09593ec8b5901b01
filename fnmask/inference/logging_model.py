"""A trained network as a model of MLflow."""

import tempfile
from pathlib import Path

import numpy as np

from fnmask.inference.export import export_model
from fnmask.inference.model_card import model_card
from fnmask.inference.trained import Trained
from fnmask.tracking.mlflow_store import MlflowStore

_CODE = Path(__file__).with_name("served_model.py")


def log_trained(store: MlflowStore, trained: Trained, image_size: tuple[int, int], register_as: str | None) -> str:
    """Log a network with its run, checked as an export is.

    Args:
        store: holds the run.
        trained: the network; its decision rule becomes part of it.
        image_size: height and width in px of the images that the model takes.
        register_as: name in MLflow's registry; None registers nothing.

    Returns:
        The model's id: `models:/<id>`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        export_model(trained, "keras", path, image_size=image_size)
        return store.log_model(
            trained.run.run_id,
            code=_CODE,
            keras_file=path,
            card=model_card(trained, image_size),
            example=np.full((1, *image_size, 3), 128, np.uint8),
            register_as=register_as,
        )
