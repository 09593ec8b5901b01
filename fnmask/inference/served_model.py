"""The code of a logged model: MLflow runs this file by itself, where this package is not installed.

Images in, class ids out. It imports nothing of fnmask: the network is a `.keras` file of Keras' own layers, and its
decision rule is part of it.
"""

import keras
import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class SegmentationModel(PythonModel):
    """Segments batches of images of the size that the signature names."""

    # No type hints: MLflow would read them as a signature.
    def load_context(self, context):
        """Load the network."""
        self._model = keras.saving.load_model(context.artifacts["model"], compile=False)

    def predict(self, context, model_input, params=None):
        """Class ids `(B, H, W)` uint8 of RGB images `(B, H, W, 3)` uint8."""
        logits = self._model.predict_on_batch(np.asarray(model_input, np.float32))
        return np.asarray(logits).argmax(axis=-1).astype(np.uint8)


set_model(SegmentationModel())
