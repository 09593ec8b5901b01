"""Images that come twice: equal in every pixel, or nearly.

Nearly equal is judged by small gray pictures: a bit for each pair of neighbors in a row says which one is brighter (a
difference hash of 256 bits), and the gray levels themselves must agree too. It finds copies that were saved again,
resized or made a little brighter, and neighboring frames of a film; it does not find mirrored, turned or cropped ones.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fnmask.check.facts import ImageFacts
from fnmask.check.finding import Finding, Place
from fnmask.data.source import SPLITS

# Of 256 bits. Of different pictures about half differ; of CamVid's frames 1/15 s apart 27, of no two drives below 68.
NEAR_BITS = 32
# Mean difference of gray levels, 0..255: bits alone call a dark and a bright picture of the same shapes equal.
NEAR_LEVELS = 12.0
# Standard deviation of gray levels below which a picture is flat, and its bits are noise.
_FLAT_LEVELS = 3.0
_BLOCK = 1024


def difference_bits(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bits of pictures `(N, R, K)` as -1 and 1, `(N, R (K - 1))`: 1 where the right neighbor is brighter."""
    brighter = thumbs[:, :, 1:] > thumbs[:, :, :-1]
    return np.where(brighter, 1, -1).reshape(len(thumbs), -1).astype(np.float32)


def hash_distances(bits: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many bits differ, `(N, M)`: a product of matrices, since equal bits give 1 and others -1."""
    distances: NDArray[np.float32] = (bits.shape[1] - bits @ others.T) / 2
    return distances


def find_duplicates(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Equal images, within splits and across; those whose labels differ are told apart."""
    same: dict[tuple[object, ...], list[ImageFacts]] = defaultdict(list)
    for one in facts:
        # Two different pictures would need the same checksum and the same small picture.
        same[one.size, one.image_sum, one.thumb.tobytes()].append(one)
    groups = [group for group in same.values() if len(group) > 1]
    found = []
    for across in (True, False):
        chosen = [group for group in groups if (len({one.split for one in group}) > 1) == across]
        if not chosen:
            continue
        surplus = sum(len(group) - 1 for group in chosen)
        unlike = sum(len({one.label_sum for one in group}) > 1 for group in chosen)
        labels = f" Of {unlike} the labels differ." if unlike else " Their labels are equal."
        where = tuple(Place(one.split, one.id, _others(one, group)) for group in chosen for one in group[:1])
        kind, message = (
            ("duplicate_across", "In more than one split, so that the network is tested on what it was trained on")
            if across
            else ("duplicate", "More than once in a split, where they count double")
        )
        text = f"{message}: {len(chosen)} of the images, equal in every pixel; {surplus} too many.{labels}"
        found.append(Finding("warning", kind, text, where, len(chosen)))
    return found


def find_near_duplicates(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Nearly equal images across splits, one finding for each two of them; and within splits, as a hint."""
    # Of a flat picture all bits are noise.
    textured = [one for one in facts if float(one.thumb.std()) >= _FLAT_LEVELS]
    by_split = {split: [one for one in textured if one.split == split] for split in SPLITS}
    found = []
    for first, second in itertools.combinations(SPLITS, 2):
        near = _nearest(by_split[first], by_split[second])
        if near:
            message = (
                f"Images of {second} that look nearly like one of {first}: {len(near)}. Scores on them say little of "
                "new images."
            )
            found.append(Finding("warning", "near_duplicate_across", message, _near_places(near), len(near)))
    alike = [pair for own in by_split.values() for pair in _nearest(own, own)]
    if alike:
        message = (
            f"Images with another in the same split that looks nearly like them: {len(alike)} of {len(facts)}. There "
            "are fewer independent images than it seems: intervals over images are too narrow."
        )
        found.append(Finding("hint", "near_duplicate", message, _near_places(alike), len(alike)))
    return found


def _nearest(ours: Sequence[ImageFacts], theirs: Sequence[ImageFacts]) -> list[tuple[float, ImageFacts, ImageFacts]]:
    """For each of theirs that is nearly equal to one of ours: the bits that differ, it, and ours that is nearest.

    Equal images, itself among them, do not count. One for each: of a camera that stands still all pairs are alike.
    """
    if not ours or not theirs:
        return []
    small, other = (np.stack([one.thumb for one in part]) for part in (ours, theirs))
    bits, other_bits = difference_bits(small), difference_bits(other)
    sums, other_sums = (np.array([one.image_sum for one in part]) for part in (ours, theirs))
    means, other_means = (thumbs.mean(axis=(1, 2)) for thumbs in (small, other))
    found = []
    for begin in range(0, len(theirs), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        distances = hash_distances(other_bits[block], bits)
        distances[other_sums[block, None] == sums] = np.inf
        # Where the means are further apart than the levels may be on average, so are the levels.
        distances[np.abs(other_means[block, None] - means) > NEAR_LEVELS] = np.inf
        best = distances.argmin(axis=1)
        for place, (index, distance) in enumerate(zip(best, distances.min(axis=1), strict=True), start=begin):
            levels = np.abs(small[index].astype(np.int16) - other[place]).mean()
            if distance <= NEAR_BITS and levels <= NEAR_LEVELS:
                found.append((float(distance), theirs[place], ours[index]))
    return found


def _near_places(near: Sequence[tuple[float, ImageFacts, ImageFacts]]) -> tuple[Place, ...]:
    """The most alike first."""
    return tuple(
        Place(one.split, one.id, f"like {other.split}/{other.id}, {distance:.0f} of 256 bits differ")
        for distance, one, other in sorted(near, key=lambda pair: pair[0])
    )


def _others(one: ImageFacts, group: Sequence[ImageFacts]) -> str:
    names = [f"{other.split}/{other.id}" for other in group if other is not one]
    differ = len({other.label_sum for other in group}) > 1
    return "= " + ", ".join(names) + (", with other labels" if differ else "")
