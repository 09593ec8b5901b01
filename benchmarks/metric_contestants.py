"""The metrics that are timed, on TensorFlow: a batch is added and the result read, in one traced step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.batch import TARGET, VOID, Batch

Step = Callable[[], object]

STOCK_METRICS = "keras OneHotMeanIoU + one IoU per class"
METRIC_MOST = 0.2


@dataclass(frozen=True)
class MetricContestant:
    """A metric or several.

    Attributes:
        name: as in the table.
        build: batch -> a step that updates and reads them.
        most: the share of the stock metrics that it may cost; None: no target.
    """

    name: str
    build: Callable[[Batch], Step]
    most: float | None = None


def metric_contestants() -> list[MetricContestant]:
    """The stock metrics first: the others are compared with them."""
    return [
        MetricContestant(STOCK_METRICS, _stock),
        MetricContestant("keras OneHotMeanIoU alone", lambda batch: _stock(batch, per_class=False)),
        MetricContestant("keras MeanIoU + one IoU per class, of predicted ids", _stock_of_ids),
        MetricContestant("ConfusionMatrix, IoU of every class", _confusion_matrix, METRIC_MOST),
        MetricContestant("ExpectedCalibrationError", _calibration),
        MetricContestant("Frontier", _frontier),
        MetricContestant("tolerant_counts, 2 px (NumPy, of predicted ids)", _tolerant_counts),
    ]


def _stock(batch: Batch, *, per_class: bool = True) -> Step:
    """All read scores `(B, H, W, C)`; the mean wants one-hot labels, which are made beforehand."""
    import keras

    classes = batch.num_classes
    mean = keras.metrics.OneHotMeanIoU(classes)
    targets = range(classes if per_class else 0)
    single = [keras.metrics.IoU(classes, target_class_ids=[k], sparse_y_pred=False) for k in targets]
    full = batch.labels_as("full")
    pairs = [(mean, batch.labels_as("one_hot")), *((metric, full) for metric in single)]
    return _traced(pairs, batch.logits)


def _stock_of_ids(batch: Batch) -> Step:
    """All read class ids `(B, H, W)`, which are made beforehand: what a careful user would write."""
    import keras

    classes = batch.num_classes
    metrics = [keras.metrics.MeanIoU(classes, ignore_class=VOID)]
    metrics += [keras.metrics.IoU(classes, target_class_ids=[k], ignore_class=VOID) for k in range(classes)]
    return _traced([(metric, batch.labels) for metric in metrics], batch.logits.argmax(axis=-1).astype("int32"))


def _confusion_matrix(batch: Batch) -> Step:
    from fnmask.metrics import ConfusionMatrix

    metric = ConfusionMatrix(batch.num_classes, ignore_class=VOID, readings=("miou", "iou"))
    return _traced([(metric, batch.labels)], batch.logits)


def _calibration(batch: Batch) -> Step:
    from fnmask.metrics import ExpectedCalibrationError

    return _traced([(ExpectedCalibrationError(batch.num_classes, ignore_class=VOID), batch.labels)], batch.logits)


def _frontier(batch: Batch) -> Step:
    from fnmask.metrics import Frontier

    return _traced([(Frontier(batch.num_classes, TARGET, ignore_class=VOID), batch.labels)], batch.logits)


def _tolerant_counts(batch: Batch) -> Step:
    from fnmask.metrics import tolerant_counts

    predicted = batch.logits.argmax(axis=-1)
    how = {"num_classes": batch.num_classes, "tolerance_px": 2, "ignore_class": VOID}
    return lambda: tolerant_counts(batch.labels, predicted, **how)


def _traced(metrics: Sequence[tuple[Any, Any]], y_pred: Any) -> Step:
    import tensorflow as tf

    def update_and_read(labels: Any, predictions: Any) -> Any:
        for (metric, _), y_true in zip(metrics, labels, strict=True):
            metric.update_state(y_true, predictions)
        return [metric.result() for metric, _ in metrics]

    step = tf.function(update_and_read, autograph=False)

    # The same labels are one tensor, however many metrics read them.
    tensors = {id(y_true): tf.constant(y_true) for _, y_true in metrics}
    labels, predictions = [tensors[id(y_true)] for _, y_true in metrics], tf.constant(y_pred)
    return lambda: tf.nest.map_structure(lambda value: value.numpy(), step(labels, predictions))
