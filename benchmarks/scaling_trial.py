"""The trial that `benchmarks.scaling` grows: the tiny network and a masked loss on patches of noise."""

import hashlib
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.dummy import compose
from benchmarks.timing import timed
from fnmask.backend import load_backend
from fnmask.data.source import Split

COLUMNS = ("step", "validation", "loss alone", "everything else")
N_VAL, EPOCHS = 32, 2
_PATCH_PX, _REPEATS = 8, 3


@dataclass(frozen=True)
class Setting:
    """What a trial's cost may depend on."""

    size_px: int = 96
    batch_size: int = 8
    num_classes: int = 6


class Noise:
    """Square patches, each of one color and one class, drawn anew for every image.

    Args:
        seed: of the pictures.
        n_train: images.
        n_val: images.
        n_test: images.
        size_px: height and width, a multiple of 8.
        num_classes: C, at most 255.
    """

    ignore_class = 255

    def __init__(self, seed: int, n_train: int, n_val: int, n_test: int, size_px: int, num_classes: int) -> None:
        self._about = (seed, n_train, n_val, n_test, size_px, num_classes)
        self._counts = {"train": n_train, "val": n_val, "test": n_test}
        self.class_names = tuple(f"class_{index}" for index in range(num_classes))
        self.class_colors = tuple((index, 255 - index, 7 * index % 256) for index in range(num_classes))

    def ids(self, split: Split) -> tuple[str, ...]:
        """Their numbers."""
        return tuple(f"{split}_{index}" for index in range(self._counts[split]))

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """An image and its labels."""
        seed, *_, size_px, num_classes = self._about
        rng = np.random.default_rng([seed, list(self._counts).index(split), index])
        side = size_px // _PATCH_PX
        colors, labels = rng.integers(0, 256, (side, side, 3)), rng.integers(0, num_classes, (side, side))
        return _enlarged(colors), _enlarged(labels)

    def digest(self) -> str:
        """Over all that they are drawn from."""
        return hashlib.sha256(str(self._about).encode()).hexdigest()


class WarmTrial:
    """A trial that has run once, with a workbench of its own: all that is measured later is traced.

    Args:
        setting: what it is to cost.
    """

    def __init__(self, setting: Setting) -> None:
        load_backend()
        import tensorflow as tf

        from fnmask.course import build_course
        from fnmask.workbench import Workbench

        self._config = compose([])[1].check(_words(setting))
        # It shares no steps and leaves no files.
        self._workbench = Workbench(keeps=False)
        self._data = self._workbench.load(self._config)
        self._loss = build_course(self._config, self._data.counts, steps_per_epoch=1).loss
        shape = (setting.batch_size, setting.size_px, setting.size_px)
        rng = np.random.default_rng(0)
        self._labels = tf.constant(rng.integers(0, setting.num_classes, shape), tf.int32)
        self._logits = tf.constant(rng.standard_normal((*shape, setting.num_classes), np.float32))
        self._value_and_gradient = tf.function(self._loss.value_and_gradient, autograph=False)
        self._n_batches = -(-N_VAL // setting.batch_size)
        self.measure()

    def measure(self) -> dict[str, float]:
        """Milliseconds by column: of a step, of a batch's validation, of the loss, of the rest of a trial.

        Each is the least of three: what else a machine does only adds to them.
        """
        from fnmask.fit import evaluate, train_stream

        rest_s = min(self._rest_s() for _ in range(_REPEATS))
        network = self._workbench.prepare(self._config)
        step_s = network.time_step(train_stream(self._config, self._data).batch(0), self._loss)
        validation_s = min(timed(lambda: evaluate(self._config, network, self._data.val)) for _ in range(_REPEATS))
        loss_s = min(timed(self._take_loss) for _ in range(_REPEATS))
        validation_s /= self._n_batches
        return dict(zip(COLUMNS, (1e3 * each for each in (step_s, validation_s, loss_s, rest_s)), strict=True))

    def _rest_s(self) -> float:
        from fnmask.tracking.tracker import MemoryTracker
        from fnmask.trial import run_trial

        tracker, begin_s = MemoryTracker(), time.perf_counter()
        run_trial(self._config, tracker, workbench=self._workbench)
        wall_s, told = time.perf_counter() - begin_s, tracker.latest()
        return wall_s - told["engine/steps_s"] - told["engine/evaluation_s"]

    def _take_loss(self) -> None:
        value, gradient = self._value_and_gradient(self._labels, self._logits)
        value.numpy(), gradient[:1, :1, :1].numpy()  # waits for both


def _words(setting: Setting) -> list[str]:
    size, batch = setting.size_px, setting.batch_size
    return [
        *(
            "dataset=aerial",
            f"dataset._target_={Noise.__module__}.Noise",
            f"+dataset.num_classes={setting.num_classes}",
        ),
        *(f"dataset.size_px={size}", f"dataset.image_size=[{size},{size}]", "dataset.crop_size=null"),
        "label_noise=none",
        *(f"dataset.n_train={N_VAL}", f"dataset.n_val={N_VAL}", "dataset.n_test=1", "trainer.test=false"),
        *("backbone=tiny", "optimizer=adam", "loss=attenuate_fn", "loss.target=class_1"),
        # As in `benchmarks.throughput`, half of the epochs come before the mask.
        *(f"loss.warmup_epochs={EPOCHS // 2}", "loss.ramp_epochs=0", f"trainer.epochs={EPOCHS}"),
        *("trainer.steps_per_epoch=1", f"trainer.batch_size={batch}", f"trainer.eval_batch_size={batch}"),
    ]


def _enlarged(patches: NDArray[np.int64]) -> NDArray[np.uint8]:
    return patches.repeat(_PATCH_PX, axis=0).repeat(_PATCH_PX, axis=1).astype(np.uint8)
