"""A whole split in memory, resized once and checked, and the class counts that weights are made of."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fnmask.data.full_labels import FullLabels, join_labels
from fnmask.data.source import DataSource, Split


@dataclass(frozen=True)
class SplitArrays:
    """The images of one split.

    Attributes:
        ids: N names.
        images: RGB, 0..255, (N, H, W, 3); or in their place the features of a frozen encoder, float32 (N, F).
        labels: Class ids or the void id, (N, H, W).
        full_labels: The same before they were resized, where predictions are judged by those.
    """

    ids: tuple[str, ...]
    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.uint8]
    full_labels: FullLabels | None = None


@dataclass(frozen=True)
class ClassCounts:
    """Pixel and image counts of C classes: all that class weights need to know of a training set.

    Attributes:
        pixels: Labeled pixels of the class, (C,).
        pixels_in_images_with: All pixels, void included, of the images that contain the class, (C,).
        images: Images that contain the class, (C,).
    """

    pixels: NDArray[np.int64]
    pixels_in_images_with: NDArray[np.int64]
    images: NDArray[np.int64]


class MakeEmpty(Protocol):
    """Makes an array of bytes to fill."""

    def __call__(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Writable, of this shape; `name` says what for: "images" or "labels"."""


def _in_memory(name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.empty(shape, np.uint8)


def load_split(
    source: DataSource, split: Split, *, image_size: tuple[int, int], make_empty: MakeEmpty = _in_memory
) -> SplitArrays:
    """Load, check and resize a split.

    Images are resized bilinearly with antialiasing, labels to the nearest pixel, so that no label is invented.
    The aspect ratio is not kept. A picture that has the size already is left alone.

    Args:
        source: Any data source.
        split: "train", "val" or "test".
        image_size: Height and width in pixels.
        make_empty: Where the arrays lie.

    Returns:
        All images of the split in the order of `source.ids(split)`.

    Raises:
        ValueError: The split is empty, an image and its labels differ in size or have a wrong shape or dtype, or a
            label is neither a class id nor void; the message names the image.
    """
    height, width = image_size
    if height < 1 or width < 1:
        raise ValueError(f"image_size is {image_size}; give a height and a width of at least 1 pixel.")
    ids = source.ids(split)
    if not ids:
        raise ValueError(f"The {split} split has no images. Give it at least one.")
    images = make_empty("images", (len(ids), height, width, 3))
    labels = make_empty("labels", (len(ids), height, width))

    def fill(index: int) -> None:
        image, label = source.load(split, index)
        _check_pair(image, label, name=f"{split} image {ids[index]!r}", source=source)
        images[index] = _resize(image, image_size, Image.Resampling.BILINEAR)
        labels[index] = _resize(label, image_size, Image.Resampling.NEAREST)

    n_threads = len(os.sched_getaffinity(0)) if getattr(source, "is_thread_safe", False) else 1
    # Decoding and resizing let go of Python's lock.
    with ThreadPoolExecutor(n_threads, thread_name_prefix="decode") as threads:
        try:
            for _ in threads.map(fill, range(len(ids))):
                pass
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return SplitArrays(ids, images, labels)


def load_full_labels(source: DataSource, split: Split) -> FullLabels:
    """The labels of a split as they are, checked and not resized.

    Raises:
        ValueError: See `load_split`.
    """
    parts = []
    for index, name in enumerate(source.ids(split)):
        image, label = source.load(split, index)
        _check_pair(image, label, name=f"{split} image {name!r}", source=source)
        parts.append(label)
    return join_labels(parts)


def no_images(image_size: tuple[int, int]) -> SplitArrays:
    """The test split of a set that has none: public sets whose test labels are kept secret."""
    height, width = image_size
    return SplitArrays((), np.empty((0, height, width, 3), np.uint8), np.empty((0, height, width), np.uint8))


def _check_pair(image: NDArray[np.uint8], label: NDArray[np.uint8], *, name: str, source: DataSource) -> None:
    if image.dtype != np.uint8 or label.dtype != np.uint8:
        raise ValueError(f"{name} has dtypes {image.dtype} and {label.dtype}; image and labels must be uint8.")
    if image.ndim != 3 or image.shape[2] != 3 or label.shape != image.shape[:2]:
        raise ValueError(f"{name} has shape {image.shape} and labels {label.shape}; want (H, W, 3) and (H, W).")
    # Pillow counts bytes several times as fast as NumPy does.
    seen = np.flatnonzero(Image.fromarray(label).histogram())
    num_classes = len(source.class_names)
    if wrong := [int(value) for value in seen if value >= num_classes and value != source.ignore_class]:
        allowed = f"0..{num_classes - 1}" + ("" if source.ignore_class is None else f" or void {source.ignore_class}")
        raise ValueError(
            f"{name} has the label {wrong[0]}; allowed are {allowed}. "
            "Correct the mask, or declare the label as ignore_class if it means 'not annotated'."
        )


def _resize(array: NDArray[np.uint8], size: tuple[int, int], method: Image.Resampling) -> NDArray[np.uint8]:
    if array.shape[:2] == size:
        return array
    # Pillow counts width first; its bilinear filter widens with the reduction, which is the antialiasing.
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), method))


def count_classes(labels: NDArray[np.uint8], num_classes: int, ignore_class: int | None) -> ClassCounts:
    """Count pixels and images of every class, of the labels that are trained on: resized, and with label noise if any.

    Every pixel is read (0.1 s for the 367 CamVid images), so count once per data set and keep the result beside it.

    Args:
        labels: Class ids or void, (N, H, W), at least one image.
        num_classes: C; ids are 0..C-1.
        ignore_class: The void id, or None.

    Returns:
        Counts of shape (C,), int64.

    Raises:
        ValueError: No images, another dtype, or a label that is neither a class id nor void.
    """
    if labels.ndim != 3 or not len(labels) or labels.dtype != np.uint8:
        raise ValueError(f"labels have shape {labels.shape} and dtype {labels.dtype}; want (N, H, W), N >= 1, uint8.")
    per_image = np.stack([np.bincount(label.ravel(), minlength=256) for label in labels])
    outside = per_image.sum(axis=0)
    outside[:num_classes] = 0
    if ignore_class is not None and ignore_class >= 0:  # -1 would address the last entry
        outside[ignore_class] = 0
    if outside.any():
        label = int(np.argmax(outside > 0))
        raise ValueError(f"The labels hold {label}, which is neither 0..{num_classes - 1} nor void ({ignore_class}).")
    counts = per_image[:, :num_classes].astype(np.int64)
    if ignore_class is not None and 0 <= ignore_class < num_classes:
        counts[:, ignore_class] = 0
    images = (counts > 0).sum(axis=0, dtype=np.int64)
    return ClassCounts(counts.sum(axis=0), images * (labels.shape[1] * labels.shape[2]), images)
