"""Training labels made worse on purpose, to study what a loss does with labels that cannot be trusted.

An object is a connected part of the target class in one image, corners included. Every kind of noise touches each
object with probability `rate`, drawn from the seed and the name of the image: the same set and seed give the same
labels, and an image added to a set changes no other, unless objects are invented: those are copies of others of the
set. Void stays void, and no void is made.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]
Rate = Annotated[float, Ge(0), Le(1)]
Pixels = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0)]

_WITH_CORNERS = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Classes:
    """What a label means.

    Attributes:
        names: C names.
        ignore_class: the label of void, or None.
    """

    names: tuple[str, ...]
    ignore_class: int | None = None


class LabelNoise(Protocol):
    """A kind of noise. `conf/label_noise/` names the classes of this module, or one of your own."""

    @property
    def target(self) -> str:
        """Name of the class that is touched."""

    def spoil(self, labels: Labels, ids: Sequence[str], classes: Classes) -> Labels:
        """New labels `(N, H, W)`; those given are left alone.

        Raises:
            ValueError: the target, or another class that is named, is none.
        """


@dataclass(frozen=True)
class NoNoise:
    """Labels as they are."""

    target = ""

    def spoil(self, labels: Labels, ids: Sequence[str], classes: Classes) -> Labels:
        """The labels."""
        return labels


@dataclass(frozen=True)
class _Scene:
    """An image whose objects of the target are numbered, and which of them are touched."""

    image: Labels
    objects: NDArray[np.int32]
    chosen: NDArray[np.int64]
    generator: np.random.Generator
    target: int
    classes: Classes


class _ByObject(ABC):
    """Changes some objects of the target, image by image."""

    target: str
    rate: float
    seed: int

    def spoil(self, labels: Labels, ids: Sequence[str], classes: Classes) -> Labels:
        """See `LabelNoise`."""
        target, spoiled = index_of(self.target, classes), labels.copy()
        for image, objects, chosen, generator in _objects(spoiled, ids, target, self.rate, self.seed):
            self._change(_Scene(image, objects, chosen, generator, target, classes))
        return spoiled

    @abstractmethod
    def _change(self, on: _Scene) -> None:
        """Change the image in place."""


@dataclass(frozen=True, kw_only=True)
class OverWide(_ByObject):
    """Objects grow over their neighbors, as where center lines are drawn with a brush that is too wide.

    A pixel gets the class where the center of one of the object lies within `px` of its own, in Euclidean distance.
    """

    target: str
    px: Pixels
    rate: Rate = 1.0
    seed: Seed = 0

    def _change(self, on: _Scene) -> None:
        reached = _within(np.isin(on.objects, on.chosen), self.px) & _known(on.image, on.classes)
        on.image[reached] = on.target


@dataclass(frozen=True, kw_only=True)
class UnderWide(_ByObject):
    """Objects shrink: what lies within `px` of their edge gets the class that lies nearest; thin ones vanish."""

    target: str
    px: Pixels
    rate: Rate = 1.0
    seed: Seed = 0

    def _change(self, on: _Scene) -> None:
        # The edge of the picture is no edge of an object.
        lost = np.isin(on.objects, on.chosen) & _within(on.image != on.target, self.px)
        _fill(on.image, lost, on.target, on.classes)


@dataclass(frozen=True, kw_only=True)
class Shifted(_ByObject):
    """Objects lie `px` from where they belong, each in a direction of its own; what is left behind is filled."""

    target: str
    px: Pixels
    rate: Rate = 1.0
    seed: Seed = 0

    def _change(self, on: _Scene) -> None:
        angles = on.generator.uniform(0, 2 * np.pi, len(on.chosen))
        known = _known(on.image, on.classes)
        _fill(on.image, np.isin(on.objects, on.chosen), on.target, on.classes)
        for label, angle in zip(on.chosen, angles, strict=True):
            rows, columns = np.nonzero(on.objects == label)
            _put(
                on.image,
                rows + round(self.px * np.sin(angle)),
                columns + round(self.px * np.cos(angle)),
                on.target,
                known,
            )


@dataclass(frozen=True, kw_only=True)
class Dropped(_ByObject):
    """Objects are forgotten: their pixels get the class that lies nearest."""

    target: str
    rate: Rate
    seed: Seed = 0

    def _change(self, on: _Scene) -> None:
        _fill(on.image, np.isin(on.objects, on.chosen), on.target, on.classes)


@dataclass(frozen=True, kw_only=True)
class Spurious:
    """Objects are invented: copies of those of the set, at random places.

    Attributes:
        rate: invented objects for each one that there is; may exceed 1.
    """

    target: str
    rate: Annotated[float, Gt(0)]
    seed: Seed = 0

    def spoil(self, labels: Labels, ids: Sequence[str], classes: Classes) -> Labels:
        """See `LabelNoise`."""
        target, spoiled = index_of(self.target, classes), labels.copy()
        shapes = [
            np.argwhere(objects == label) for _, objects, found, _ in _objects(labels, ids, target, 1.0, self.seed)
            for label in found
        ]  # fmt: skip
        if not shapes:
            return spoiled
        for image, name in zip(spoiled, ids, strict=True):
            generator, known = _generator(self.seed, name), _known(image, classes)
            for _ in range(generator.poisson(self.rate * len(shapes) / len(labels))):
                shape = shapes[generator.integers(len(shapes))]
                shape = shape - shape.min(axis=0)
                # Anywhere such that its first corner lies in the picture; what reaches out is cut off.
                rows, columns = (shape + generator.integers(0, image.shape)).T
                _put(image, rows, columns, target, known)
        return spoiled


@dataclass(frozen=True, kw_only=True)
class Flipped:
    """Objects are taken for another class: the row of the target in a confusion matrix of labels.

    Attributes:
        to: probability that an object is called each other class; together at most 1, the rest stays.
    """

    target: str
    to: Mapping[str, Rate] = field(hash=False)
    seed: Seed = 0

    def spoil(self, labels: Labels, ids: Sequence[str], classes: Classes) -> Labels:
        """See `LabelNoise`."""
        target, spoiled = index_of(self.target, classes), labels.copy()
        others = [index_of(name, classes) for name in self.to]
        stays = 1.0 - sum(self.to.values())
        if target in others or stays < -1e-9:
            raise ValueError(f"to is {dict(self.to)!r}; it names other classes than {self.target!r}, at most 1 in all.")
        chances = np.array([*self.to.values(), max(0.0, stays)])
        for image, objects, chosen, generator in _objects(spoiled, ids, target, 1.0, self.seed):
            drawn = generator.choice([*others, target], size=len(chosen), p=chances / chances.sum())
            new = np.zeros(objects.max() + 1, np.uint8)
            new[chosen] = drawn
            image[objects > 0] = new[objects[objects > 0]]
        return spoiled


def index_of(name: str, classes: Classes) -> int:
    """The label of a class.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in classes.names:
        raise ValueError(f"{name!r} is no class of this data set: {', '.join(classes.names)}.")
    return classes.names.index(name)


def _objects(
    labels: Labels, ids: Sequence[str], target: int, rate: float, seed: int
) -> Iterator[tuple[Labels, NDArray[np.int32], NDArray[np.int64], np.random.Generator]]:
    """Every image with its objects, numbered from 1, those that are touched, and what else is drawn from."""
    for image, name in zip(labels, ids, strict=True):
        objects, count = ndimage.label(image == target, structure=_WITH_CORNERS)
        if count:
            generator = _generator(seed, name)
            chosen = 1 + np.flatnonzero(generator.random(count) < rate)
            if chosen.size:
                yield image, objects, chosen, generator


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _within(mask: NDArray[np.bool_], px: int) -> NDArray[np.bool_]:
    """Where the nearest pixel of the mask lies within `px`; nowhere if there is none."""
    if not mask.any():
        return np.zeros_like(mask)
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask) <= px
    return near


def _known(image: Labels, classes: Classes) -> NDArray[np.bool_]:
    """Pixels that are not void, which noise leaves alone."""
    return np.ones(image.shape, bool) if classes.ignore_class is None else image != classes.ignore_class


def _fill(image: Labels, lost: NDArray[np.bool_], target: int, classes: Classes) -> None:
    """Give lost pixels the class of the nearest one that is neither of the target nor void; none there, nothing."""
    taken = (image != target) & _known(image, classes)
    if lost.any() and taken.any():
        _, (rows, columns) = ndimage.distance_transform_edt(~taken, return_indices=True)
        image[lost] = image[rows[lost], columns[lost]]


def _put(
    image: Labels, rows: NDArray[np.int64], columns: NDArray[np.int64], target: int, known: NDArray[np.bool_]
) -> None:
    """Call pixels the target, those inside the picture that are not void."""
    inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
    rows, columns = rows[inside], columns[inside]
    kept = known[rows, columns]
    image[rows[kept], columns[kept]] = target
