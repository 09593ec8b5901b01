"""Hints at bad labels: masks worth a look, not masks that are wrong."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from fnmask.check.facts import ImageFacts
from fnmask.check.finding import Finding, Place
from fnmask.data.source import SPLITS

# Pixels of regions of one or two, as a share of the pairs of neighbors that differ. At most 7 % in the 701 masks of
# CamVid and 3 % in the 72 of the Dubai set, drawn by hand.
_SPECKS_OF_BORDERS = 0.1
# A class of an image nearly all of which lies in such regions: the ids between two classes that smoothing makes.
_SPECKS_OF_CLASS, _LEAST_SPECKS_PX = 0.8, 50
# Void that an image may have before it is told as more than usual, and how many times the usual that is.
_MUCH_VOID, _TIMES_USUAL = 0.1, 3
# Robust standard deviations from the median.
_FAR = 4.0
_LEAST_IMAGES = 20
_MOST_OUTLIERS = 12


def find_label_hints(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    """All hints at labels."""
    good = [one for one in facts if not one.fault]
    return [
        *_find_specks(good, class_names),
        *_find_constant(good, class_names),
        *_find_equal_masks(good),
        *_find_much_void(good),
        *_find_outliers(good, class_names),
    ]


def _find_specks(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    found: list[tuple[float, Place]] = []
    for one in facts:
        specks = int(one.specks.sum())
        share = specks / max(one.borders, 1)
        own = one.specks / np.maximum(one.pixels, 1)
        is_scattered = (own >= _SPECKS_OF_CLASS) & (one.specks >= _LEAST_SPECKS_PX)
        scattered = [name for name, really in zip(class_names, is_scattered, strict=True) if really]
        if (share > _SPECKS_OF_BORDERS and specks >= _LEAST_SPECKS_PX) or scattered:
            what = f", nearly all of {', '.join(scattered)}" if scattered else ""
            found.append((share, Place(one.split, one.id, f"{specks} px, {100 * share:.0f} % of its borders{what}")))
    if not found:
        return []
    message = (
        f"Masks with many regions of one or two pixels: {len(found)} of {len(facts)}. Look at them: that is what "
        "smoothing, JPEG, and resizing by anything but the nearest pixel make of a mask."
    )
    return [_hint("specks", message, [place for _, place in sorted(found, key=lambda item: -item[0])])]


def _find_constant(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    constant = [one for one in facts if not one.void and np.count_nonzero(one.pixels) == 1]
    if not constant:
        return []
    message = (
        f"Masks of a single class: {len(constant)} of {len(facts)}. Look at them: there may be nothing else to see, or "
        "nobody has labeled it."
    )
    places = [Place(one.split, one.id, class_names[int(one.pixels.argmax())]) for one in constant]
    return [_hint("constant", message, places)]


def _find_equal_masks(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Different images with one mask; masks of a single class are equal without meaning anything."""
    same: dict[tuple[object, ...], list[ImageFacts]] = defaultdict(list)
    for one in facts:
        if one.borders:
            same[one.size, one.label_sum, one.pixels.tobytes()].append(one)
    groups = [group for group in same.values() if len({one.image_sum for one in group}) > 1]
    if not groups:
        return []
    places = [
        Place(group[0].split, group[0].id, "as " + ", ".join(f"{one.split}/{one.id}" for one in group[1:]))
        for group in groups
    ]
    message = (
        f"Masks that label several different images alike, pixel by pixel: {len(groups)}. Look at them: a mask may "
        "have been saved under a wrong name."
    )
    return [_hint("equal_masks", message, places)]


def _find_much_void(facts: Sequence[ImageFacts]) -> list[Finding]:
    total = sum(one.void + one.labeled for one in facts)
    usual = sum(one.void for one in facts) / max(total, 1)
    shares = [(one.void / max(one.void + one.labeled, 1), one) for one in facts if one.labeled]
    much = sorted(
        ((share, one) for share, one in shares if share > max(_MUCH_VOID, _TIMES_USUAL * usual)),
        key=lambda item: -item[0],
    )
    if not much:
        return []
    message = (
        f"Images with far more void than the {100 * usual:.1f} % of all pixels: {len(much)} of {len(facts)}. Look at "
        "them: something may have been left out."
    )
    return [_hint("much_void", message, [Place(one.split, one.id, f"{100 * share:.1f} % void") for share, one in much])]


def _find_outliers(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    """Images whose classes are mixed as in few others of their split."""
    found: list[tuple[float, Place]] = []
    for split in SPLITS:
        own = [one for one in facts if one.split == split and one.labeled]
        if len(own) < _LEAST_IMAGES:
            continue
        pixels = np.stack([one.pixels for one in own]).astype(np.float64)
        shares, pooled = pixels / pixels.sum(axis=1, keepdims=True), pixels.sum(axis=0) / pixels.sum()
        distance = np.abs(shares - pooled).sum(axis=1) / 2
        median = np.median(distance)
        # 1.4826 times the median deviation is the standard deviation of a normal distribution.
        spread = max(1.4826 * float(np.median(np.abs(distance - median))), 0.01)
        for index in np.flatnonzero(distance > median + _FAR * spread):
            label = int(np.argmax(np.abs(shares[index] - pooled)))
            here, usual = (f"{100 * part[label]:.0f} %" for part in (shares[index], pooled))
            detail = f"{class_names[label]} {here}, in all of {split} {usual}"
            found.append((float(distance[index]), Place(split, own[index].id, detail)))
    if not found:
        return []
    found.sort(key=lambda item: -item[0])
    message = (
        f"Images that mix classes as few others of their split do: {len(found)} of {len(facts)}. Look at them: it may "
        "be a rare view, or labels of another image."
    )
    return [_hint("outlier", message, [place for _, place in found[:_MOST_OUTLIERS]], len(found))]


def _hint(kind: str, message: str, places: Sequence[Place], count: int | None = None) -> Finding:
    return Finding("hint", kind, message, tuple(places), len(places) if count is None else count)
