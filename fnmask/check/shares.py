"""Which classes a split has, how large they are, and whether two splits could be draws from one set of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnmask.check.facts import ImageFacts
from fnmask.check.finding import Finding, Place, listed
from fnmask.data.source import SPLITS, Split

_DRAWS = 200
# A difference that chance explains in one of a hundred draws is not told; nor is one that is certain and too small to
# matter, as it would be in a set of ten thousand images.
_LEAST_LIKELY = 0.01
_LEAST_DISTANCE = 0.03
_MOSTLY_VOID = 0.5


@dataclass(frozen=True, eq=False)
class SplitShares:
    """What a split holds.

    Attributes:
        images: readable ones.
        pixels: of each class, (C,).
        images_with: images that have the class, (C,).
        void: pixels without annotation.
    """

    images: int
    pixels: NDArray[np.int64]
    images_with: NDArray[np.int64]
    void: int

    @property
    def shares(self) -> NDArray[np.float64]:
        """Of each class among the labeled pixels, (C,); NaN where there are none."""
        total = self.pixels.sum()
        return self.pixels / total if total else np.full(len(self.pixels), np.nan)

    @property
    def void_share(self) -> float:
        """Of all pixels; NaN where there are none."""
        total = int(self.pixels.sum()) + self.void
        return self.void / total if total else float("nan")


def split_shares(facts: Sequence[ImageFacts], num_classes: int) -> dict[Split, SplitShares]:
    """Of each split that has a readable image."""
    found: dict[Split, SplitShares] = {}
    for split in SPLITS:
        pixels = _pixels(facts, split, num_classes)
        if len(pixels):
            void = sum(one.void for one in facts if one.split == split and not one.fault)
            found[split] = SplitShares(len(pixels), pixels.sum(axis=0), (pixels > 0).sum(axis=0), void)
    return found


def find_absent_classes(shares: Mapping[Split, SplitShares], class_names: Sequence[str]) -> list[Finding]:
    """Classes that a split lacks."""
    consequence = {
        "train": "It cannot be learned.",
        "val": "It has no score there, so a search cannot optimize it.",
        "test": "It has no score there.",
    }
    found = []
    for split, own in shares.items():
        absent = [name for name, pixels in zip(class_names, own.pixels, strict=True) if not pixels]
        if absent:
            text = f"{split} has no pixel of {listed(absent, 8)}. {consequence[split]}"
            where = tuple(Place(split, "", name) for name in absent)
            found.append(Finding("warning", "absent", text, where, len(absent)))
    return found


def find_void(facts: Sequence[ImageFacts], shares: Mapping[Split, SplitShares]) -> list[Finding]:
    """Images without any label, and splits that are mostly void."""
    found = []
    blank = [one for one in facts if not one.fault and one.void and not one.labeled]
    if blank:
        where = tuple(Place(one.split, one.id) for one in blank)
        text = f"Images without any labeled pixel: {len(blank)} of {len(facts)}. Nothing is learned from them."
        found.append(Finding("warning", "all_void", text, where, len(blank)))
    for split, own in shares.items():
        if own.void_share > _MOSTLY_VOID:
            text = (
                f"{100 * own.void_share:.0f} % of the pixels of {split} are void. Is a class mistaken for void? Of "
                "tiles what reaches beyond their image is void too."
            )
            found.append(Finding("warning", "void", text, (Place(split, ""),)))
    return found


def find_unlike_splits(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    """Pairs of splits whose class shares differ by more than a random division of their images gives.

    The distance is the total variation of the class shares among labeled pixels, half the sum of their differences:
    the share of pixels that would have to change class for the splits to agree. It is compared with 200 divisions of
    the images of both splits at random, into parts as large as they are. Val against test is a warning, and without a
    test split val against train; the others are hints.
    """
    present = [split for split in SPLITS if any(one.split == split and not one.fault for one in facts)]
    pairs: list[tuple[Split, Split]] = [("val", "test"), ("train", "val"), ("train", "test")]
    found = []
    for first, second in pairs:
        if first not in present or second not in present:
            continue
        ours, theirs = (_pixels(facts, split, len(class_names)) for split in (first, second))
        distance, usual, p = compare_shares(ours, theirs)
        if p > _LEAST_LIKELY or distance < _LEAST_DISTANCE:
            continue
        text = (
            f"{first} is unlike {second}: {100 * distance:.1f} % of the labeled pixels would have to change class for "
            f"the shares to agree; a random division of these images stays below {100 * usual:.1f} % in 95 of 100 "
            f"draws. Most of it: {_largest(ours, theirs, class_names)}. "
        )
        text += {
            ("val", "test"): "What is best on val need not be best on test.",
            ("train", "val"): "Val says little of what was learned of such classes.",
            ("train", "test"): "The network is tested on another mixture than it has learned.",
        }[first, second]
        is_warning = (first, second) == ("val", "test") or ("test" not in present and second == "val")
        found.append(Finding("warning" if is_warning else "hint", "unlike", text))
    return found


def compare_shares(
    ours: NDArray[np.int64], theirs: NDArray[np.int64], *, draws: int = _DRAWS
) -> tuple[float, float, float]:
    """Total variation distance of the class shares of two splits, and what chance makes of it.

    Args:
        ours: class pixels of each image of one split, (N, C).
        theirs: the same of the other, (M, C).
        draws: random divisions.

    Returns:
        The distance, the 95 % quantile of the distances of random divisions, and the share of these that are as
        large as the distance (counting the division that there is).
    """
    pooled = np.concatenate([ours, theirs]).astype(np.float64)
    total, ticks = pooled.sum(axis=0), np.zeros((draws, len(pooled)))
    ticks[:, : len(ours)] = 1
    chosen = np.random.default_rng(0).permuted(ticks, axis=1) @ pooled
    by_chance = _distance(chosen, total - chosen)
    distance = float(_distance(ours.sum(axis=0), theirs.sum(axis=0)))
    p = (1 + np.count_nonzero(by_chance >= distance - 1e-12)) / (1 + draws)
    return distance, float(np.sort(by_chance)[int(0.95 * (draws - 1))]), float(p)


def _distance(ours: NDArray[np.number], theirs: NDArray[np.number]) -> NDArray[np.float64]:
    totals = [np.maximum(part.sum(axis=-1, keepdims=True), 1) for part in (ours, theirs)]
    distance: NDArray[np.float64] = np.abs(ours / totals[0] - theirs / totals[1]).sum(axis=-1) / 2
    return distance


def _largest(ours: NDArray[np.int64], theirs: NDArray[np.int64], class_names: Sequence[str], most: int = 3) -> str:
    """The classes that make most of the difference; and the one whose share differs by the largest factor."""
    mine, other = (part.sum(axis=0) / max(part.sum(), 1) for part in (ours, theirs))
    # Rounded, so that equal differences keep the order of the classes.
    differences = np.round(np.abs(mine - other), 9)
    chosen = [label for label in np.argsort(-differences, kind="stable")[:most] if differences[label] > 0]
    factors = np.abs(np.log(np.maximum(mine, 1e-9) / np.maximum(other, 1e-9)))
    factors[(mine == 0) | (other == 0)] = 0
    largest = int(np.argmax(factors))
    if factors[largest] > np.log(3) and largest not in chosen:
        chosen.append(largest)
    told = [f"{class_names[label]} {100 * mine[label]:.1f} against {100 * other[label]:.1f} %" for label in chosen]
    return ", ".join(told)


def _pixels(facts: Sequence[ImageFacts], split: Split, num_classes: int) -> NDArray[np.int64]:
    own = [one.pixels for one in facts if one.split == split and not one.fault]
    return np.stack(own) if own else np.zeros((0, num_classes), np.int64)
