"""Which images train, validate and test: by folders, lists or fractions, groups undivided."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fnmask.data.files import read_text
from fnmask.data.samples import Sample
from fnmask.data.source import SPLITS, Split

# What people call them.
_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


def split_name(given: str) -> Split | None:
    """The split that a folder or a list is called after, with a year or without, or None."""
    return _NAMES.get(re.sub(r"_?(19|20)\d\d$", "", given.lower()))


def by_names(samples: Iterable[Sample]) -> dict[Split, tuple[Sample, ...]]:
    """The splits that the samples name.

    Raises:
        ValueError: a name that is no split, or no image in train or val.
    """
    found: dict[Split, list[Sample]] = {split: [] for split in SPLITS}
    for sample in samples:
        name = split_name(sample.split)
        if name is None:
            raise ValueError(f"{sample.id!r} has the split {sample.split!r}; allowed are train, val and test.")
        found[name].append(sample)
    return _checked(found)


def by_lists(samples: Sequence[Sample], folder: Path, root: Path) -> dict[Split, tuple[Sample, ...]]:
    """The splits that `train.txt`, `val.txt` and `test.txt` of a folder name: an id or a file in each line.

    Raises:
        FileNotFoundError: no `train.txt` or no `val.txt`.
        ValueError: a line that names no image, or an image that two lists name.
    """
    lists = {name: path for path in sorted(folder.glob("*.txt")) if (name := split_name(path.stem)) is not None}
    for needed in ("train", "val"):
        if needed not in lists:
            raise FileNotFoundError(f"There is no {needed}.txt in {folder}.")
    known = _by_any_name(samples, root)
    found: dict[Split, list[Sample]] = {split: [] for split in SPLITS}
    seen: dict[str, Split] = {}
    for split, path in lists.items():
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            # Lists of pairs name the image first.
            named = line.split("\t")[0].strip()
            if not named or named.startswith("#"):
                continue
            sample = (
                known.get(named) or known.get(named.split()[0]) or known.get(Path(named).with_suffix("").as_posix())
            )
            if sample is None:
                raise ValueError(f"{path}, line {number}: there is no image {named!r}.")
            if seen.setdefault(sample.id, split) != split:
                raise ValueError(f"{path}, line {number}: {sample.id!r} is in {seen[sample.id]} too. Keep one of them.")
            found[split].append(sample)
    return _checked(found)


def _by_any_name(samples: Sequence[Sample], root: Path) -> Mapping[str, Sample]:
    """By id; and by path below the root or file name, where only one image has it."""
    names: dict[str, list[Sample]] = {}
    for sample in samples:
        place = sample.image.relative_to(root)
        for name in {place.as_posix(), place.with_suffix("").as_posix(), place.name, place.stem}:
            names.setdefault(name, []).append(sample)
    alone = {name: own[0] for name, own in names.items() if len(own) == 1}
    return alone | {sample.id: sample for sample in samples}


def by_fractions(samples: Sequence[Sample], *, val: float, test: float, seed: int) -> dict[Split, tuple[Sample, ...]]:
    """Fractions of the images, drawn by a seed; images of a group stay together.

    A group falls by a hash of its name and the seed, so that a set that grows keeps its splits nearly as they were.

    Args:
        samples: all of them; one without a group is a group of its own.
        val: fraction of the images, above 0.
        test: the same, 0 for no test split.
        seed: of the draw.

    Raises:
        ValueError: fractions that leave nothing to train on, or too few groups for them.
    """
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise ValueError(f"val_fraction is {val} and test_fraction {test}; together they must be below 1, val above 0.")
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group or f"\0{sample.id}", []).append(sample)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    wanted = {"val": val * len(samples), "test": test * len(samples)}
    found: dict[Split, list[Sample]] = {split: [] for split in SPLITS}
    for name in order:
        # A group goes where more than half of it is still wanted.
        half = len(groups[name]) / 2
        split: Split = next((one for one in ("val", "test") if wanted[one] - len(found[one]) >= half), "train")
        found[split] += groups[name]
    told = _checked(found, hint=f" There are {len(groups)} groups of {len(samples)} images: change the fractions.")
    if test and not told["test"]:
        raise ValueError(f"test_fraction={test} of {len(samples)} images in {len(groups)} groups leaves none for test.")
    return told


def with_groups(samples: Iterable[Sample], pattern: str) -> list[Sample]:
    """The samples with the group that a regular expression finds in their ids: its first group, or all that it finds.

    Raises:
        ValueError: no regular expression, or one that finds nothing in an id.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"group_by is {pattern!r}, which is no regular expression: {error}.") from None
    told = []
    for sample in samples:
        match = expression.search(sample.id)
        group = match and match.group(1 if match.groups() else 0)
        if not group:
            raise ValueError(f"group_by={pattern!r} finds nothing in the id {sample.id!r}. Ids are paths, unsuffixed.")
        told.append(replace(sample, group=group))
    return told


def _checked(found: Mapping[Split, Sequence[Sample]], hint: str = "") -> dict[Split, tuple[Sample, ...]]:
    for needed in ("train", "val"):
        if not found[needed]:
            raise ValueError(f"The {needed} split has no image.{hint}")
    return {split: tuple(own) for split, own in found.items()}
