"""Which files belong together: images with the masks that label them, found by folders, patterns or a CSV file."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fnmask.data.files import read_text
from fnmask.data.rasters import Window
from fnmask.data.reading import IMAGE_SUFFIXES

# `{id}` and `{class}` stand in patterns of masks for what an image or a class is called.
ID, CLASS = "{id}", "{class}"


@dataclass(frozen=True)
class Sample:
    """An image and what labels it.

    Attributes:
        id: unique; what the wildcards of the pattern stand for, or the path below its folder, without suffix.
        image: its file.
        masks: the files that label it; none where annotations lie in one file for all.
        split: that a folder or a list names; empty if none does.
        group: of images that must not be divided; empty for none.
        window: the part of the image that the sample is; None for all of it.
        stem: what `{id}` stands for in patterns of masks, where the id says more than that.

    Raises:
        ValueError: the name of a file is no text; nothing could be written of it.
    """

    id: str
    image: Path
    masks: tuple[Path, ...] = ()
    split: str = ""
    group: str = ""
    window: Window | None = None
    stem: str = ""

    def __post_init__(self) -> None:
        for path in (self.image, *self.masks):
            try:
                str(path).encode()
            except UnicodeEncodeError:  # such as of archives that Windows packed
                raise ValueError(f"The name of {os.fsencode(path)!r} is no text in UTF-8. Rename the file.") from None


def find_files(root: Path, place: str, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> dict[str, Path]:
    """Files by id.

    Args:
        root: folder that the place is below.
        place: a folder, all files in and below it; or a pattern with `*`, `?` and `**`.
        suffixes: of the files that count in a folder; a pattern says it by itself.

    Raises:
        FileNotFoundError: there is none, or one is a link to nothing.
        ValueError: two files have one id, or the place leaves the root.
    """
    if Path(place).is_absolute() or ".." in Path(place).parts:
        raise ValueError(f"{place!r} leaves the data set: give a place below its root.")
    if any(sign in place for sign in "*?"):
        pattern, written = _pattern(place), place.replace("[", "[[]")  # which means itself
        found = [(path, pattern.fullmatch(path.relative_to(root).as_posix())) for path in sorted(root.glob(written))]
        named = [("/".join(part for part in match.groups() if part), path) for path, match in found if match]
    else:
        folder = root / place
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
        named = [(path.relative_to(folder).with_suffix("").as_posix(), path) for path in paths]
    lost = [path for _, path in named if path.is_symlink() and not path.exists()]
    if lost:
        raise FileNotFoundError(
            f"{len(lost)} files are links to what is not there, such as {lost[0]} to {os.readlink(lost[0])}. Fetch "
            "what they stand for, or remove them."
        )
    named = [(name, path) for name, path in named if path.is_file()]
    if not named:
        raise FileNotFoundError(f"There is no file at {root / place}.")
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if twice:
        files = ", ".join(path.name for name, path in named if name == twice[0])
        raise ValueError(f"Several files at {root / place} have the id {twice[0]!r}: {files}. Keep one of them.")
    for _, path in named:
        check_inside(path, root)
    return dict(named)


def check_inside(path: Path, root: Path) -> None:
    """Refuse a symbolic link that leaves the data set: its content would change unseen.

    Raises:
        ValueError: it does.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{path} is a link to {path.resolve()}, outside of {root}. Copy the file there.")


def read_pairs(path: Path, root: Path) -> list[Sample]:
    """Samples from a CSV file with the columns `image` and `mask`, and where wanted `split` and `group`.

    Raises:
        FileNotFoundError: there is no such file, or one that a row names is missing; the row is told.
        ValueError: another header, or an image that comes twice.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    rows = csv.DictReader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    try:
        fields = [field.strip().lower() for field in rows.fieldnames or ()]
        if not {"image", "mask"} <= set(fields):
            raise ValueError(f"{path} has the columns {', '.join(fields) or '(none)'}; it needs image and mask.")
        rows.fieldnames = fields
        samples = [_sample_of(row, f"{path}, line {rows.line_num}", root) for row in rows]
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}.") from None
    twice = [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]
    if twice:
        raise ValueError(f"{path} names the image {twice[0]!r} more than once.")
    return samples


def _sample_of(row: dict[str, str], where: str, root: Path) -> Sample:
    # One image has one id, however its path is written.
    image, mask = (root / os.path.relpath(root / (row.get(key) or "").strip(), root) for key in ("image", "mask"))
    for file in (image, mask):
        if not file.is_file():
            raise FileNotFoundError(f"{where}: there is no file {file}.")
        check_inside(file, root)
    name = image.relative_to(root).with_suffix("").as_posix()
    return Sample(name, image, (mask,), (row.get("split") or "").strip(), (row.get("group") or "").strip())


def _pattern(place: str) -> re.Pattern[str]:
    """What the wildcards of a pattern stand for, as groups; the suffix of the last one is left out."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", place)
    written = {"**/": "(?:(.*)/)?", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}
    text = "".join(written.get(part, re.escape(part)) for part in parts)
    # `*` at the end stands for the suffix as well, which is no part of the name.
    return re.compile(re.sub(r"\(\[\^/\]\*\)$", r"([^/]*?)(?:\\.[^./]+)?", text))
