"""Data sets of arrays, to check."""

import numpy as np


class Arrays:
    """A data source of what it is given: split -> [(id, image, labels)]; an exception in place of the labels is raised.

    With `groups` (split -> names) it has the method of that name.
    """

    def __init__(self, images, *, class_names=("land", "road", "water"), ignore_class=255, groups=None):
        self.images = {split: images.get(split, []) for split in ("train", "val", "test")}
        self.class_names = class_names
        self.class_colors = tuple((80 * place, 40, 200 - 60 * place) for place in range(len(class_names)))
        self.ignore_class = ignore_class
        if groups is not None:
            self.groups = lambda split: groups.get(split, ())

    def ids(self, split):
        return tuple(name for name, *_ in self.images[split])

    def load(self, split, index):
        _, image, labels = self.images[split][index]
        if isinstance(labels, Exception):
            raise labels
        return image, labels

    def digest(self):
        return "d" * 64


def photo(seed, *, height=32, width=34):
    """A picture of its own: gray blocks, the same for a seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (16, 17), np.uint8)
    large = np.kron(blocks, np.ones((height // 16, width // 17), np.uint8))
    return np.repeat(large[..., None], 3, axis=2)


def labels_of(*shares, height=32, width=34):
    """Labels in bands: as many columns of each class as it says; they add up to the width."""
    assert sum(shares) == width
    return np.repeat(np.repeat(np.arange(len(shares), dtype=np.uint8), shares)[None], height, axis=0)


def kinds(findings):
    """Severity and kind of each."""
    return [(finding.severity, finding.kind) for finding in findings]
