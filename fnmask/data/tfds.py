"""`dataset=tfds`: a set that TensorFlow Datasets has prepared, by its name there.

The package is an extra, and is imported where it is used: `pip install 'fnmask[tfds]'`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fnmask.data.class_map import VOID, ClassMap, build_class_map, read_class_map
from fnmask.data.files import digest_files
from fnmask.data.mask_values import UnknownValueError, decode_ids
from fnmask.data.named.cityscapes import Cityscapes
from fnmask.data.named.oxford_pet import OxfordPet
from fnmask.data.source import SPLITS, Split, check_split

Classes = str | Sequence[str] | Mapping[str, int]


@dataclass(frozen=True)
class _Known:
    """What the features of a set do not say."""

    classes: ClassMap
    image_key: str
    mask_key: str
    splits: Mapping[Split, str]


def _held_out(test: str) -> dict[Split, str]:
    """A tenth of train validates, since what is published tests."""
    return {"train": "train[:90%]", "val": "train[90%:]", "test": test}


_KNOWN = {
    "oxford_iiit_pet": _Known(OxfordPet.facts.classes, "image", "segmentation_mask", _held_out("test")),
    "cityscapes": _Known(Cityscapes.facts.classes, "image_left", "segmentation_label", _held_out("validation")),
}


class TensorFlowDataset:
    """A prepared set of TensorFlow Datasets with an image and a mask of ids in each example.

    Examples are read in their order; asking for one out of turn reads all before it.

    Args:
        name: such as `oxford_iiit_pet`, or with config and version `cityscapes/semantic_segmentation:1.0.0`.
        data_dir: folder of prepared sets; None for the package's own, `~/tensorflow_datasets`.
        download: let the package fetch and prepare the set if it is not there.
        train: its split to train on, in its own grammar, such as `train[:90%]`; None where fnmask knows the set.
        val: the same, to validate on.
        test: the same; None for no test split, or as fnmask knows.
        image_key: feature of the image; None for the only one with three channels.
        mask_key: feature of the mask; None for the only one with one channel.
        classes: a class map (a file), names whose places are the ids, or names with ids; None for what the set says, or
            fnmask knows.
        void: ids that mean no class, beside those of the class map.

    Raises:
        FileNotFoundError: it is not prepared.
        ValueError: the package is not installed, or the set has no such name, split or feature.
    """

    ignore_class: int | None = VOID
    mask_encoding: Literal["ids", "colors"] = "ids"

    def __init__(
        self,
        *,
        name: str,
        data_dir: str | None = None,
        download: bool = False,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        image_key: str | None = None,
        mask_key: str | None = None,
        classes: Classes | None = None,
        void: Sequence[int] = (),
    ) -> None:
        self._builder = _open(name, data_dir, download)
        known = _KNOWN.get(self._builder.name)
        features = self._builder.info.features
        self._image_key = image_key or (known.image_key if known else _only(features, 3, "image_key"))
        self._mask_key = mask_key or (known.mask_key if known else _only(features, 1, "mask_key"))
        for key, feature in (("image_key", self._image_key), ("mask_key", self._mask_key)):
            if feature not in features:
                raise ValueError(f"{key} is {feature!r}; the features of {name} are {', '.join(sorted(features))}.")
        given: dict[Split, str | None] = {"train": train, "val": val, "test": test}
        defaults: Mapping[Split, str] = known.splits if known else {}
        self._splits = {split: given[split] or defaults.get(split) for split in SPLITS}
        self._counts = {split: self._count(split, name) for split in SPLITS}
        settled = _classes(classes, features[self._mask_key], known, name)
        self._classes = _with_void(settled, void)
        self.class_names, self.class_colors = self._classes.names, self._classes.colors
        self._open_at: dict[Split, tuple[int, Iterator[Any]]] = {}

    def ids(self, split: Split) -> tuple[str, ...]:
        """Split and place in it: examples have no names."""
        check_split(split)
        return tuple(f"{split}_{place:06d}" for place in range(self._counts[split]))

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one image (H, W, 3) and its labels (H, W), class ids or 255 for void.

        Raises:
            ValueError: the mask holds an id that is neither a class nor void, or has several channels.
        """
        check_split(split)
        example = self._example(split, index)
        image, mask = np.asarray(example[self._image_key]), np.asarray(example[self._mask_key])
        where = f"{split} example {index} of {self._builder.info.full_name}"
        if mask.ndim != 3 or mask.shape[2] != 1:
            raise ValueError(f"{where} has a mask {self._mask_key!r} of shape {mask.shape}; want (H, W, 1), of ids.")
        try:
            labels = decode_ids(mask[..., 0], self._classes)
        except UnknownValueError as error:
            raise UnknownValueError(f"{where}: {error}", error.found) from None
        return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, labels

    def digest(self) -> str:
        """Return a SHA-256 over the prepared files, the classes and the splits."""
        root = Path(self._builder.data_path)
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        keys = f"{self._image_key} {self._mask_key}"
        return digest_files(root, paths, salt=f"{self._builder.info.full_name} {keys} {self._splits} {self._classes}")

    def _count(self, split: Split, name: str) -> int:
        given, there = self._splits[split], self._builder.info.splits
        known = f"the splits of {name} are {', '.join(sorted(there))}."
        if given is None:
            if split == "test":
                return 0
            raise ValueError(f"{split} is not given; {known} Give such as train[:90%].")
        try:
            count = int(there[given].num_examples)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{split} is {given!r}; {known} ({error})") from None
        if not count:
            raise ValueError(f"{split} is {given!r}, which has no example of {name}.")
        return count

    def _example(self, split: Split, index: int) -> Any:
        """An example by its place: the next one, or else from the beginning on."""
        place, examples = self._open_at.pop(split, (0, None))
        if examples is None or index < place:
            place, examples = 0, self._examples(split)
        for _ in range(index - place):
            next(examples)
        found = next(examples)
        self._open_at[split] = (index + 1, examples)
        return found

    def _examples(self, split: Split) -> Iterator[Any]:
        import tensorflow_datasets as tfds

        # One file after the other, so that the order is the same every time.
        reading = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        wanted = {self._image_key: True, self._mask_key: True}
        only = tfds.decode.PartialDecoding(wanted)
        dataset = self._builder.as_dataset(
            split=self._splits[split], shuffle_files=False, read_config=reading, decoders=only
        )
        return iter(tfds.as_numpy(dataset))


def _open(name: str, data_dir: str | None, download: bool) -> Any:
    """The builder of a prepared set."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise ValueError("dataset=tfds needs TensorFlow Datasets: pip install 'fnmask[tfds]'.") from None
    place = None if data_dir is None else str(Path(data_dir).expanduser())
    try:
        builder = tfds.builder(name, data_dir=place)
    except tfds.core.registered.DatasetNotFoundError:
        raise ValueError(
            f"name is {name!r}, which TensorFlow Datasets does not know and which is not prepared in "
            f"{place or 'its own folder'}. See tensorflow.org/datasets/catalog."
        ) from None
    except (AssertionError, ValueError) as error:  # of a version or config that there is not
        raise ValueError(f"name is {name!r}, which TensorFlow Datasets cannot open: {error}") from None
    if not builder.is_prepared():
        if not download:
            raise FileNotFoundError(
                f"{name} is not prepared in {builder.data_path}. Give dataset.data_dir, or let TensorFlow Datasets "
                "fetch it: dataset.download=true."
            )
        try:
            builder.download_and_prepare()
        except (AssertionError, OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"TensorFlow Datasets could not prepare {name}: {error}") from error
    return builder


def _only(features: Mapping[str, Any], channels: int, key: str) -> str:
    """The only image with so many channels."""
    shapes: dict[str, Sequence[int | None]] = {name: feature.shape or () for name, feature in features.items()}
    found = [name for name, shape in shapes.items() if len(shape) == 3 and shape[2] == channels]
    if len(found) != 1:
        told = f"{', '.join(sorted(found))} have" if found else "no feature has"
        known = ", ".join(sorted(features))
        raise ValueError(f"{key} is not given, and {told} {channels} channels. The features are {known}.")
    return found[0]


def _classes(given: Classes | None, mask: Any, known: _Known | None, name: str) -> ClassMap:
    if isinstance(given, str):
        return read_class_map(Path(given).expanduser())
    if isinstance(given, Mapping):
        return build_class_map({"name": own, "id": number} for own, number in given.items())
    # A mask that says what its ids mean.
    names = given if given is not None else getattr(mask, "names", None)
    if names is None and known is not None:
        return known.classes
    if names is None:
        raise ValueError(f"classes is not given, and {name} does not say what its ids mean. Give names in their order.")
    return build_class_map({"name": own, "id": number} for number, own in enumerate(names))


def _with_void(classes: ClassMap, void: Sequence[int]) -> ClassMap:
    taken = [number for number in void if number in classes.values]
    if taken:
        raise ValueError(f"void is {list(void)}, but {taken[0]} stands for a class.")
    values = tuple(dict.fromkeys((*classes.void_values, *void)))
    return ClassMap(classes.names, classes.colors, classes.values, (), values, has_values=True)
