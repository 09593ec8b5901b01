"""Ways to feed a training with the images and masks of a folder: ours, and what people write instead.

Every one decodes, resizes to one size (bilinear, masks to the nearest pixel), mirrors half of the images, and hands
batches in a new order each epoch to TensorFlow. An epoch returns the number of images that came.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Epoch = Callable[[], int]

_DRAWS = np.random.default_rng(0)


@dataclass(frozen=True)
class Pairs:
    """Images and masks of the same names, in two flat folders.

    Attributes:
        folder: holds `images` and `masks`; called train, and beside it is val.
        names: of the files, in order: image and mask.
        size: height and width that all are resized to, in px.
        batch_size: images of a batch.
    """

    folder: Path
    names: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    batch_size: int

    @property
    def files(self) -> list[tuple[Path, Path]]:
        """Image and mask of every pair."""
        return [(self.folder / "images" / image, self.folder / "masks" / mask) for image, mask in self.names]

    def chill(self) -> None:
        """Have the system forget what it keeps of the files in memory."""
        for file in (file for pair in self.files for file in pair):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # what is not written yet is kept
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def make_epochs(pairs: Pairs, scratch: Path) -> Mapping[str, Epoch]:
    """Every contestant by name, with its files or caches ready where it keeps any between epochs."""
    return {
        "keras": _keras(pairs, keeps=False),
        "keras.cache": _keras(pairs, keeps=True),
        "pillow": partial(_pillow, pairs),
        "grain": _grain(pairs),
        "albumentations": partial(_albumentations, pairs),
        "ours": _ours(pairs, scratch),
    }


def make_first_epochs(pairs: Pairs, scratch: Path) -> Mapping[str, Epoch]:
    """The contestants that differ in their first epoch, from files that nobody has read."""

    def cold(begin: Callable[[], Epoch]) -> int:
        pairs.chill()
        return begin()()

    def ours() -> Epoch:
        return _ours(pairs, Path(tempfile.mkdtemp(dir=scratch)))

    return {
        "keras": partial(cold, lambda: _keras(pairs, keeps=False)),
        "keras.cache": partial(cold, lambda: _keras(pairs, keeps=True)),
        "pillow": partial(cold, lambda: partial(_pillow, pairs)),
        "grain": partial(cold, lambda: _grain(pairs)),
        "albumentations": partial(cold, lambda: partial(_albumentations, pairs)),
        "ours": partial(cold, ours),
    }


def _ours(pairs: Pairs, scratch: Path) -> Epoch:
    """The split in `mlruns/.data`, decoded once, and the stream that trials train on."""
    import tensorflow as tf

    from fnmask.data.cached import load_cached
    from fnmask.data.folder import Folder
    from fnmask.data.pipeline import TrainStream

    # Beside these images lie some for validation, in a folder of their own.
    classes = [f"class {place}" for place in range(12)]
    source = Folder(root=str(pairs.folder.parent), classes=classes, void=[255], mask_format="ids")
    arrays = load_cached(source, "train", image_size=pairs.size, digest="0" * 64, folder=scratch)
    stream = TrainStream(arrays, batch_size=pairs.batch_size, crop_size=None, flips="horizontal", seed=0)
    steps = len(arrays.ids) // pairs.batch_size

    def epoch() -> int:
        with closing(stream.iterate()) as batches:
            for _ in range(steps):
                images, labels = next(batches)
                tf.constant(images), tf.constant(labels)
        return steps * pairs.batch_size

    return epoch


def _keras(pairs: Pairs, *, keeps: bool) -> Epoch:
    """`image_dataset_from_directory` twice, zipped, and a map that mirrors; `cache()` after decoding where it keeps."""
    import keras
    import tensorflow as tf

    def read(folder: str, color_mode: str, interpolation: str) -> Any:
        return keras.utils.image_dataset_from_directory(
            pairs.folder / folder, labels=None, color_mode=color_mode, batch_size=None, image_size=pairs.size,
            shuffle=False, interpolation=interpolation, verbose=False,
        )  # fmt: skip

    def to_bytes(image: Any, mask: Any) -> Any:
        return tf.cast(image, tf.uint8), tf.cast(mask[..., 0], tf.uint8)

    def mirror(image: Any, mask: Any) -> Any:
        is_mirrored = tf.random.uniform(()) < 0.5
        return tf.cond(is_mirrored, lambda: (image[:, ::-1], mask[:, ::-1]), lambda: (image, mask))

    both = tf.data.Dataset.zip((read("images", "rgb", "bilinear"), read("masks", "grayscale", "nearest")))
    both = both.map(to_bytes, num_parallel_calls=tf.data.AUTOTUNE)
    if keeps:
        both = both.cache()
    both = both.shuffle(len(pairs.names)) if keeps else both.shuffle(8 * pairs.batch_size)
    both = both.map(mirror, num_parallel_calls=tf.data.AUTOTUNE)
    both = both.batch(pairs.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return lambda: sum(len(images) for images, _ in both)


def _pillow(pairs: Pairs) -> int:
    """A loop."""
    return _consume(map(partial(_read_pair, size=pairs.size), _shuffled(pairs)), pairs.batch_size)


def _albumentations(pairs: Pairs) -> int:
    """OpenCV and `albumentations`, in threads."""
    import albumentations
    import cv2

    height, width = pairs.size
    change = albumentations.Compose([albumentations.Resize(height, width), albumentations.HorizontalFlip(p=0.5)])

    def read(files: tuple[Path, Path]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        image = cv2.cvtColor(cv2.imread(str(files[0])), cv2.COLOR_BGR2RGB)
        changed = change(image=image, mask=cv2.imread(str(files[1]), cv2.IMREAD_GRAYSCALE))
        return changed["image"], changed["mask"]

    with ThreadPoolExecutor(_cores()) as threads:
        return _consume(threads.map(read, _shuffled(pairs)), pairs.batch_size)


def _grain(pairs: Pairs) -> Epoch:
    """`grain`, reading in threads."""
    import grain

    def mirror(pair: tuple[Any, Any], generator: np.random.Generator) -> tuple[Any, Any]:
        return (pair[0][:, ::-1], pair[1][:, ::-1]) if generator.random() < 0.5 else pair

    both = grain.MapDataset.source(pairs.files).shuffle(seed=0).map(partial(_read_pair, size=pairs.size, mirrors=False))
    both = both.seed(0).random_map(mirror).batch(pairs.batch_size, drop_remainder=True)

    def epoch() -> int:
        options = grain.ReadOptions(num_threads=_cores(), prefetch_buffer_size=4)
        return _hand_over(iter(both.to_iter_dataset(options)))

    return epoch


def _read_pair(
    files: tuple[Path, Path], size: tuple[int, int], *, mirrors: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image and mask by Pillow."""
    with Image.open(files[0]) as picture, Image.open(files[1]) as labels:
        image = np.asarray(picture.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR))
        mask = np.asarray(labels.resize(size[::-1], Image.Resampling.NEAREST))
    return (image[:, ::-1], mask[:, ::-1]) if mirrors and _DRAWS.random() < 0.5 else (image, mask)


def _shuffled(pairs: Pairs) -> list[tuple[Path, Path]]:
    files = pairs.files
    return [files[place] for place in _DRAWS.permutation(len(files))]


def _consume(samples: Iterator[tuple[Any, Any]], batch_size: int) -> int:
    def batches() -> Iterator[Sequence[Any]]:
        own: list[tuple[Any, Any]] = []
        for sample in samples:
            own.append(sample)
            if len(own) == batch_size:
                yield [np.stack(part) for part in zip(*own, strict=True)]
                own = []

    return _hand_over(batches())


def _hand_over(batches: Iterator[Sequence[Any]]) -> int:
    """To TensorFlow, which copies."""
    import tensorflow as tf

    count = 0
    for images, labels in batches:
        tf.constant(images), tf.constant(labels)
        count += len(images)
    return count


def _cores() -> int:
    return len(os.sched_getaffinity(0))
