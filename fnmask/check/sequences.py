"""Leakage by origin: images of one drive, scene or tile that lie in several splits."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fnmask.check.duplicates import difference_bits
from fnmask.check.facts import ImageFacts
from fnmask.check.finding import Finding, Place, listed
from fnmask.data.source import DataSource, Split

# Neighbors by number that are no more alike than other images are no sequence: names alone are weak evidence. The
# medians of some dozens of pairs of independent images differ by a few percent.
ALIKE_SHARE = 0.85
_LEAST_PAIRS = 8
_OTHER_PAIRS = 2000

_ORDER: tuple[tuple[Split, Split], ...] = (("train", "val"), ("train", "test"), ("val", "test"))


@dataclass(frozen=True)
class Origin:
    """Where an image comes from.

    Attributes:
        group: name of the drive, scene or tile.
        number: of the image in it, or None.
    """

    group: str
    number: int | None = None


def origin_of_name(name: str) -> Origin | None:
    """Group and number that an id tells: what stands before its last number (of three digits or more, where there is
    one) and that number, such as `0016E5` and 7959 of `0016E5_07959`; None without a number.
    """
    numbers = list(re.finditer(r"\d+", name))
    if not numbers:
        return None
    last = ([one for one in numbers if len(one.group()) > 2] or numbers)[-1]
    return Origin(name[: last.start()].rstrip("_-./ ") + name[last.end() :], int(last.group()))


def source_groups(source: DataSource) -> Callable[[Split], Sequence[str]] | None:
    """The `groups` method that a source may have: for each image of a split, in the order of its ids, a name that
    images share which were taken together; empty for none.
    """
    return getattr(source, "groups", None)


def find_shared_groups(facts: Sequence[ImageFacts], groups: Mapping[tuple[Split, str], str]) -> list[Finding]:
    """Groups in two splits, by what the source says.

    Args:
        facts: of all images.
        groups: by split and id; empty for an image without one.
    """
    origins = {}
    for one in facts:
        group = groups.get((one.split, one.id), "")
        named = origin_of_name(one.id)
        if group:
            origins[one.split, one.id] = Origin(group, named.number if named else None)
    return _shared(origins, "warning", "by the groups that the data set names")


def find_shared_names(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Groups in two splits, by the names of the images: a warning where neighbors by number look alike, else a hint.

    Nothing is said of a set whose images all have one name before their numbers.
    """
    named = {(one.split, one.id): origin for one in facts if (origin := origin_of_name(one.id)) is not None}
    if len({origin.group for origin in named.values()}) < 2:
        return []
    adjacent, others = _likeness(facts, named)
    if adjacent is not None and adjacent <= ALIKE_SHARE * others:
        reason = (
            f"by their names; neighbors by number look alike (in the median {adjacent:.0f} of 256 bits differ, "
            f"{others:.0f} between other images)"
        )
        return _shared(named, "warning", reason)
    return _shared(named, "hint", "if their names say so (they do not look alike, so it may be a numbering alone)")


def _likeness(facts: Sequence[ImageFacts], named: Mapping[tuple[Split, str], Origin]) -> tuple[float | None, float]:
    """Median distance of neighbors by number in a group, and of images of different groups."""
    members = [(named[one.split, one.id], one) for one in facts if (one.split, one.id) in named and not one.fault]
    members.sort(key=lambda member: (member[0].group, member[0].number or 0))
    if len(members) < 2:
        return None, 0.0
    bits = difference_bits(np.stack([one.thumb for _, one in members]))
    names = np.array([origin.group for origin, _ in members])
    is_next = names[1:] == names[:-1]
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(members), (_OTHER_PAIRS, 2))
    pairs = pairs[names[pairs[:, 0]] != names[pairs[:, 1]]]
    if is_next.sum() < _LEAST_PAIRS or not len(pairs):
        return None, 0.0
    adjacent = (bits.shape[1] - (bits[1:] * bits[:-1]).sum(axis=1)[is_next]) / 2
    apart = (bits.shape[1] - (bits[pairs[:, 0]] * bits[pairs[:, 1]]).sum(axis=1)) / 2
    return float(np.median(adjacent)), float(np.median(apart))


def _shared(origins: Mapping[tuple[Split, str], Origin], severity: str, reason: str) -> list[Finding]:
    by_group: dict[str, dict[Split, list[tuple[int | None, str]]]] = defaultdict(lambda: defaultdict(list))
    totals = Counter(split for split, _ in origins)
    for (split, name), origin in origins.items():
        by_group[origin.group][split].append((origin.number, name))
    found = []
    for first, second in _ORDER:
        shared = {group: own for group, own in by_group.items() if own.get(first) and own.get(second)}
        if not shared:
            continue
        images = sum(len(own[second]) for own in shared.values())
        message = (
            f"Images of {second} that were taken together with images of {first}, {reason}: {images} of "
            f"{totals[second]}, of {listed(sorted(shared), 4)}. Scores on them are optimistic for a new place; report "
            "them apart, or split by group."
        )
        where = tuple(_group_place(group, own, first, second) for group, own in sorted(shared.items()))
        found.append(Finding("warning" if severity == "warning" else "hint", "leakage", message, where, images))
    return found


def _group_place(
    group: str, own: Mapping[Split, Sequence[tuple[int | None, str]]], first: Split, second: Split
) -> Place:
    """A group with its counts, and where its two parts come closest."""
    detail = f"{len(own[first])} images in {first}, {len(own[second])} in {second}"
    ours, theirs = ([(number, name) for number, name in own[split] if number is not None] for split in (first, second))
    if ours and theirs:
        # As floats: a name may hold a number of any length.
        numbers, others = (np.array([float(number) for number, _ in part]) for part in (ours, theirs))
        here, there = np.unravel_index(np.abs(numbers[:, None] - others).argmin(), (len(ours), len(theirs)))
        detail += f"; closest by number: {first}/{ours[here][1]} and {second}/{theirs[there][1]}"
    return Place("", group, detail)
