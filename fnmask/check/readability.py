"""Errors: images that cannot be trained on, and splits without any; and files that are perhaps read another way."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fnmask.check.facts import Fault, ImageFacts
from fnmask.check.finding import Finding, Place, Severity, listed
from fnmask.data.class_map import Color, hex_color
from fnmask.data.source import SPLITS, DataSource, Split

_MOST_UNKNOWN = 12

_MESSAGES: dict[Fault, str] = {
    "unreadable": "Images that cannot be read, or their masks: {}. Get the files anew, mend their permissions, or take "
    "them out of the set.",
    "refused": "Images that the reader refuses: {}. It says why of each.",
    "size": "Images that differ in size from their masks: {}. A mask must have the size of its image.",
    "shape": "Images or labels of a wrong shape or type: {}.",
}


def find_faults(facts: Sequence[ImageFacts]) -> list[Finding]:
    """A finding for each kind of fault that images have."""
    found = []
    for fault, message in _MESSAGES.items():
        bad = [one for one in facts if one.fault == fault]
        if bad:
            where = tuple(Place(one.split, one.id, one.detail) for one in bad)
            found.append(Finding("error", fault, message.format(f"{len(bad)} of {len(facts)}"), where, len(bad)))
    return found


def find_unknown(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Labels or colors that are neither a class nor void, over all images that have any."""
    bad = [one for one in facts if one.fault == "unknown"]
    if not bad:
        return []
    pixels: Counter[str] = Counter()
    for one in bad:
        pixels.update(one.unknown)
    told = listed([f"{value} ({count} px)" for value, count in pixels.most_common()], _MOST_UNKNOWN)
    message = (
        f"Masks with what is neither a class nor void: {len(bad)} of {len(facts)}; they hold {told}. Correct "
        "them, or say what these values mean. Very many of them come of smoothing, or of saving masks as JPEG."
    )
    worst = sorted(bad, key=lambda one: -sum(one.unknown.values()))
    where = tuple(Place(one.split, one.id, one.detail or _unknown_text(one.unknown)) for one in worst)
    return [Finding("error", "unknown", message, where, len(bad))]


def find_turned(facts: Sequence[ImageFacts]) -> list[Finding]:
    """Images that were turned by a note of the camera, of which the mask does not tell whether it was drawn so."""
    turned = [one for one in facts if one.is_turn_unsure and not one.fault]
    if not turned:
        return []
    message = (
        f"Images with a camera's note to turn or mirror them, whose masks have the same size either way: {len(turned)} "
        f"of {len(facts)}. They are turned, as viewers show them; look whether their masks lie so too."
    )
    where = tuple(Place(one.split, one.id) for one in turned)
    return [Finding("warning", "turned", message, where, len(turned))]


def find_palettes(facts: Sequence[ImageFacts], class_names: Sequence[str]) -> list[Finding]:
    """Masks of indices whose palettes show a class in other colors than most do: perhaps the colors are meant."""
    shown: dict[int, Counter[Color]] = {}
    for one in facts:
        for label, color in one.shown.items():
            shown.setdefault(label, Counter())[color] += 1
    usual = {label: counts.most_common(1)[0][0] for label, counts in shown.items()}
    others = [(one, label) for one in facts for label, color in one.shown.items() if color != usual[label]]
    if not others:
        return []
    first: dict[ImageFacts, int] = {}
    for one, label in others:
        first.setdefault(one, label)
    message = (
        f"Masks whose palettes show a class in another color than most do: {len(first)} of {len(facts)}. If the colors "
        "mean the classes, not the indices, these labels are wrong: give a class map with colors and without ids."
    )
    where = tuple(
        Place(
            one.split, one.id, f"{class_names[label]} is {hex_color(one.shown[label])}, not {hex_color(usual[label])}"
        )
        for one, label in first.items()
    )
    return [Finding("warning", "palettes", message, where, len(first))]


def find_misplaced(source: DataSource) -> list[Finding]:
    """Masks that nothing is made of, and masks that count for several images, where the source can tell."""
    unused, shared = getattr(source, "misplaced_masks", lambda: ((), ()))()
    found = []
    if shared:
        message = (
            f"Files of a class that fit several images: {len(shared)}. Put a sign beside {{id}} in dataset.masks, so "
            "that an id which begins another is told from it."
        )
        found.append(_of_files("error", "shared_mask", message, shared))
    if unused:
        message = (
            f"Files that are named like masks, of no class and image that there is: {len(unused)}. What they mark "
            "counts as what no file marks. Name their class, or take them out."
        )
        found.append(_of_files("warning", "unused_mask", message, unused))
    return found


def _of_files(severity: Severity, kind: str, message: str, files: Sequence[str]) -> Finding:
    return Finding(severity, kind, message, tuple(Place("", file) for file in files), len(files))


def find_empty_splits(ids: Mapping[Split, Sequence[str]]) -> list[Finding]:
    """Splits that a training needs and that have no image."""
    empty = [split for split in ("train", "val") if not ids[split]]
    return [Finding("error", "empty", f"The {split} split has no image. Give it at least one.") for split in empty]


def find_same_ids(ids: Mapping[Split, Sequence[str]]) -> list[Finding]:
    """Ids that a split has more than once."""
    twice = [Place(split, name) for split in SPLITS for name, count in Counter(ids[split]).items() if count > 1]
    if not twice:
        return []
    return [
        Finding("error", "same_id", f"Ids that a split has more than once: {len(twice)}.", tuple(twice), len(twice))
    ]


def _unknown_text(unknown: Mapping[str, int]) -> str:
    return listed([f"{value} ({count} px)" for value, count in unknown.items()], _MOST_UNKNOWN)
