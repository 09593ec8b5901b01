"""A trained network in the formats of others, each checked against the network that it was made of."""

import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
from numpy.typing import NDArray

from fnmask.backend import stderr_kept
from fnmask.inference.model_card import card_text, model_card
from fnmask.inference.trained import Trained
from fnmask.models.portable import build_portable

Format = Literal["keras", "savedmodel", "onnx", "tflite"]
FORMATS: tuple[Format, ...] = get_args(Format)

_CHECKED_IMAGES = 2
# Of the largest logit: other kernels add up in another order.
_TOLERANCE = 1e-3
_MOST_DECIDED_OTHERWISE = 1e-3

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class ExportError(RuntimeError):
    """An export cannot be made, or does not compute what the network computes."""


@dataclass(frozen=True)
class Check:
    """What an exported file computes, beside the network.

    Attributes:
        largest_difference: of a logit.
        largest_logit: of the network, absolute.
        decided_otherwise: share of the pixels whose class differs.
    """

    largest_difference: float
    largest_logit: float
    decided_otherwise: float

    @property
    def passes(self) -> bool:
        """Whether the difference is one of rounding."""
        limit = _TOLERANCE * max(1.0, self.largest_logit)
        return self.largest_difference <= limit and self.decided_otherwise <= _MOST_DECIDED_OTHERWISE


def export_model(trained: Trained, format: Format, path: Path, *, image_size: tuple[int, int] | None = None) -> Check:
    """Write a network, read it back with what will run it, and compare the outputs.

    Args:
        trained: the network; its decision rule becomes part of it, as offsets of the logits.
        format: `keras` and `savedmodel` take batches of any length, `onnx` too, `tflite` one image.
        path: of the file, of the folder for `savedmodel`; a card lies beside it as `<path>.json`.
        image_size: height and width in px; default those of the training.

    Raises:
        ExportError: a package is missing, or the outputs differ; nothing is left behind then.
        FileExistsError: the path is taken.
        ValueError: the network was built for smaller images.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already. Give another one with -o, or remove it.")
    size = image_size or trained.image_size
    portable = build_portable(trained.model, size, trained.decision.logit_offsets)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Converters tell of every step and every deprecation, some of them past Python.
        with stderr_kept(), warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            run = _WRITERS[format](portable, path)
            check = compare_outputs(trained, run, size)
        if not check.passes:
            raise ExportError(
                f"The {format} file does not compute what the network does: logits differ by up to "
                f"{check.largest_difference:.2g} (the largest is {check.largest_logit:.2g}), and "
                f"{100 * check.decided_otherwise:.2f} % of the pixels are decided otherwise. It was removed."
            )
    except BaseException:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise
    path.with_name(f"{path.name}.json").write_text(card_text(model_card(trained, size)), encoding="utf-8")
    return check


def compare_outputs(trained: Trained, run: Run, image_size: Sequence[int]) -> Check:
    """Outputs of another form of a network beside its own, on images made of smooth noise."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (_CHECKED_IMAGES, *(max(2, side // 8) for side in image_size), 3))
    resized = keras.ops.image.resize(coarse.astype(np.float32), tuple(image_size), interpolation="bilinear")
    images = np.asarray(keras.ops.convert_to_numpy(resized))
    wanted = trained.decision.apply(np.asarray(trained.model.predict_on_batch(images)))
    found = run(images)
    return Check(
        float(np.abs(found - wanted).max()),
        float(np.abs(wanted).max()),
        float(np.mean(found.argmax(axis=-1) != wanted.argmax(axis=-1))),
    )


def write_keras(model: Any, path: Path) -> Run:
    """A `.keras` file of Keras' own layers, which loads where this package is not installed."""
    model.save(path)
    loaded = keras.saving.load_model(path, compile=False)
    return lambda images: np.asarray(loaded.predict_on_batch(images))


def _write_saved_model(model: Any, path: Path) -> Run:
    model.export(str(path), format="tf_saved_model", verbose=False)
    loaded = keras.layers.TFSMLayer(str(path), call_endpoint="serve")
    return lambda images: np.asarray(loaded(images))


def _write_onnx(model: Any, path: Path) -> Run:
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ExportError(f"ONNX needs more packages ({error}): pip install 'fnmask[export]'") from None
    model(np.zeros((1, *model.input_shape[1:]), np.float32))  # Keras exports no model that was never called
    model.export(str(path), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])


def _write_tflite(model: Any, path: Path) -> Run:
    import tensorflow as tf

    model.export(str(path), format="litert", verbose=False)
    interpreter = tf.lite.Interpreter(str(path))
    signature = interpreter.get_signature_runner()
    (name,) = signature.get_input_details()

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([next(iter(signature(**{name: image[None]}).values())) for image in images])

    return run


_WRITERS: dict[str, Callable[[Any, Path], Run]] = {
    "keras": write_keras,
    "savedmodel": _write_saved_model,
    "onnx": _write_onnx,
    "tflite": _write_tflite,
}
