"""The trial that the contestants of `benchmarks.throughput` run: what a person writes with Keras' `compile` and `fit`.

The request of a run is a JSON file, whose path is in the environment: `folder`, `network`, `log_models`, `trials` (the
masks: target class and alpha), `epochs`, `steps_per_epoch`, `batch_size`, `size_px`, `n_train`, `n_val`.
"""

import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REQUEST = "THROUGHPUT_BENCHMARK_REQUEST"
SCORE = "val_mean_iou"


def read_request() -> Mapping[str, Any]:
    """The request; its path is passed on to processes that are started for trials."""
    request: Mapping[str, Any] = json.loads(Path(os.environ[REQUEST]).read_text())
    return request


def start_logging(request: Mapping[str, Any]) -> None:
    """MLflow's autologging, which sees `fit`; its digest of an endless data set would never end."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{request['folder']}/mlflow.db")
    mlflow.tensorflow.autolog(log_datasets=False, log_models=request["log_models"], silent=True)


def build(request: Mapping[str, Any], target: int, alpha: float) -> tuple[Any, Any]:
    """A compiled model and its loss."""
    import keras

    from fnmask.data.aerial import Aerial
    from fnmask.losses import MaskedCrossentropy
    from fnmask.models.segmentation import segmentation_model
    from fnmask.models.tiny import tiny

    keras.utils.set_random_seed(0)
    names = Aerial.class_names
    if request["network"] == "tiny":
        model = tiny(num_classes=len(names))
    else:
        model = segmentation_model(num_classes=len(names), decoder="unet", encoder=request["network"])
    loss = MaskedCrossentropy(
        len(names), ignore_false_negatives_of=target, alpha=alpha, ignore_class=Aerial.ignore_class
    )
    known = {"num_classes": len(names), "ignore_class": Aerial.ignore_class, "sparse_y_pred": False}
    metrics = [
        keras.metrics.MeanIoU(**known, name="mean_iou"),
        *(keras.metrics.IoU(**known, target_class_ids=[index], name=f"iou_{name}") for index, name in enumerate(names)),
    ]
    model.compile(keras.optimizers.Adam(1e-3), loss=loss, metrics=metrics)
    return model, loss


def callbacks(request: Mapping[str, Any], loss: Any) -> list[Any]:
    """The mask is plain for half of the steps; and a clock."""
    from fnmask.losses.callback import MaskSchedule

    steps = request["epochs"] * request["steps_per_epoch"]
    return [MaskSchedule(loss, warmup_steps=steps // 2, ramp_steps=0), make_clock(request)]


def arguments(request: Mapping[str, Any]) -> dict[str, Any]:
    """Of `fit`: data, read once in a process, and how long."""
    train, val = load(request)
    duration = {"epochs": request["epochs"], "steps_per_epoch": request["steps_per_epoch"]}
    return {"x": train, "validation_data": val, **duration, "verbose": 0}


_DATA: list[Any] = []


def load(request: Mapping[str, Any]) -> tuple[Any, Any]:
    """Endless training batches, mirrored at random, and validation batches."""
    import tensorflow as tf

    from fnmask.data.aerial import Aerial
    from fnmask.data.arrays import load_split

    if not _DATA:
        size = request["size_px"]
        source = Aerial(n_train=request["n_train"], n_val=request["n_val"], size_px=size)
        for split in ("train", "val"):
            arrays = load_split(source, split, image_size=(size, size))
            _DATA.append((arrays.images.astype("float32"), arrays.labels.astype("int32")))
    train = tf.data.Dataset.from_tensor_slices(_DATA[0]).shuffle(len(_DATA[0][0])).repeat()
    train = train.map(_mirror, num_parallel_calls=tf.data.AUTOTUNE).batch(request["batch_size"])
    val = tf.data.Dataset.from_tensor_slices(_DATA[1]).batch(request["batch_size"])
    return train.prefetch(tf.data.AUTOTUNE), val.prefetch(tf.data.AUTOTUNE)


def _mirror(image: Any, labels: Any) -> Any:
    import tensorflow as tf

    for axis in (0, 1):
        turned = tf.random.uniform(()) < 0.5
        image = tf.where(turned, tf.reverse(image, [axis]), image)
        labels = tf.where(turned, tf.reverse(labels, [axis]), labels)
    return image, labels


def make_clock(request: Mapping[str, Any]) -> Any:
    """A callback that notes how long the trial's steps took: their number times the median, so without tracing."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc,unused-ignore]
        def on_train_begin(self, logs: Any = None) -> None:
            self._begin_s, self._train_s, self._test_s = time.time(), [], []  # type: ignore[var-annotated]

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._batch_s = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._train_s.append(time.perf_counter() - self._batch_s)

        def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
            self._batch_s = time.perf_counter()

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self._test_s.append(time.perf_counter() - self._batch_s)

        def on_train_end(self, logs: Any = None) -> None:
            note(request, begin_s=self._begin_s, steps_s=_without_tracing(self._train_s, self._test_s))

    return Clock()


def _without_tracing(*kinds: Sequence[float]) -> float:
    return sum(len(times_s) * statistics.median(times_s) for times_s in kinds if times_s)


def note(request: Mapping[str, Any], **about: float) -> None:
    """Write down that a trial has ended, now."""
    with Path(request["folder"], "trials.jsonl").open("a") as file:
        file.write(json.dumps({**about, "end_s": time.time()}) + "\n")
