"""What readers of files share: a set is samples by split, and a format that their masks are in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmask.data.files import digest_files
from fnmask.data.mask_formats import MaskFormat
from fnmask.data.reading import noted_turn, picture_size, read_photo
from fnmask.data.samples import Sample
from fnmask.data.source import SPLITS, Split, check_split
from fnmask.data.tiles import fill_up


class SampledSource:
    """A data source once its samples are known.

    Attributes:
        place: folder that all files lie below.
        samples: by split.
        masks: reads labels.
        photo: how images are read, as `read_photo` takes it.
        salt: what beside the files decides the labels, for the digest.
        tile_size: height and width in px of samples that are windows of an image; None where all are whole images.
    """

    place: Path
    samples: Mapping[Split, tuple[Sample, ...]]
    masks: MaskFormat
    photo: Mapping[str, Any]
    salt: str
    tile_size: tuple[int, int] | None = None
    is_thread_safe = True

    def ids(self, split: Split) -> tuple[str, ...]:
        """Names of the images of a split, in their order."""
        check_split(split)
        known, samples = self.__dict__.setdefault("_ids", {}), self.samples[split]
        # Asked for with every image.
        if split not in known or known[split][0] is not samples:
            known[split] = samples, tuple(sample.id for sample in samples)
        ids: tuple[str, ...] = known[split][1]
        return ids

    def groups(self, split: Split) -> tuple[str, ...]:
        """What each image was taken from, a drive, a city, a tile; empty where nobody says."""
        check_split(split)
        return tuple(sample.group for sample in self.samples[split])

    def is_turn_unsure(self, split: Split, index: int) -> bool:
        """Whether a camera noted a turn that leaves the size of an image, so that its mask does not say who applies it.

        Raises:
            ValueError: the image cannot be read.
        """
        check_split(split)
        path = self.samples[split][index].image
        noted = noted_turn(path)
        return noted != 1 and (noted < 5 or len(set(picture_size(path))) == 1)

    def shown_colors(self, split: Split, index: int) -> Mapping[int, tuple[int, int, int]]:
        """Where masks are indices of palettes: in which colors that of an image shows the classes, by label.

        Raises:
            ValueError: the mask cannot be read.
        """
        check_split(split)
        shown = getattr(self.masks, "shown_colors", None)
        return {} if shown is None else shown(self.samples[split][index])

    def load(self, split: Split, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return one image (H, W, 3) and its labels (H, W), class ids or `ignore_class`.

        Raises:
            ValueError: one of the files cannot be used; the message names it.
        """
        check_split(split)
        sample = self.samples[split][index]
        image = read_photo(sample.image, window=sample.window, **self.photo)
        labels = self.masks.read(sample, (image.shape[0], image.shape[1]))
        if labels.shape == image.shape[1::-1] != image.shape[:2] and sample.window is None:
            # Labeled by a program that did not turn the image as the camera noted.
            image = read_photo(sample.image, upright=False, **self.photo)
        return (image, labels) if self.tile_size is None else fill_up(image, labels, self.tile_size)

    def digest(self) -> str:
        """Return a SHA-256 over all files with their places, the classes and the splits."""
        every = [sample for split in SPLITS for sample in self.samples[split]]
        files = [(sample.image, *self.masks.files(sample)) for sample in every]
        paths = dict.fromkeys(path for own in files for path in own)
        splits = ";".join(f"{split}:{','.join(self.ids(split))}" for split in SPLITS)
        salt = f"{self.salt} {splits}"
        if len(paths) < sum(map(len, files)):
            # A file that several images share is read once: which images those are, the order of files does not say.
            places = {path: place for place, path in enumerate(paths)}
            salt += f" {[[places[path] for path in own] for own in files]}"
        return digest_files(self.place, paths, salt=salt)
