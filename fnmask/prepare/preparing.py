"""A public data set from its archives: unpacked beside, read by its own reader, and put in place in one step."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from fnmask.data.named.facts import Facts
from fnmask.data.named.reader import NamedSet
from fnmask.data.source import SPLITS, Split
from fnmask.prepare.fetching import check_sha256, fetch, file_name, is_url
from fnmask.prepare.unpacking import Limits, unpack

# Of each split so many pairs are read, evenly spread.
_READ = 24


class Reader(Protocol):
    """The class of a reader of a public data set."""

    facts: Facts

    def __call__(self, *, root: str) -> NamedSet:
        """Open it."""


class Display(Protocol):
    """Shows how far it is."""

    def update(self, what: str, done: int, total: int | None) -> None:
        """So much of so much, or of nobody knows how much, in bytes or pairs."""


@dataclass(frozen=True)
class Verified:
    """What the reader found.

    Attributes:
        images: that each split has, as a training counts them.
        read: pairs that were decoded.
        files: images on disk, in all splits.
        published: how many the publisher has.
    """

    images: Mapping[Split, int]
    read: int
    files: int
    published: int


def prepare(
    reader: Reader,
    sources: Sequence[str],
    output: Path,
    *,
    checksums: Sequence[str],
    limits: Limits,
    read_all: bool,
    display: Display,
) -> Verified:
    """Unpack the archives of a data set into a new folder, and read from it.

    The folder appears when everything is in it and reads, or not at all. What was downloaded stays beside it.

    Args:
        reader: class of the set's reader.
        sources: archives, as files or addresses.
        output: the folder.
        checksums: SHA-256 of the archives in their order, or none.
        limits: of each archive.
        read_all: decode every pair, not some of each split.
        display: of the progress.

    Raises:
        FileExistsError: there is something in the folder.
        FileNotFoundError: an archive is missing, or what the reader needs is not in them.
        ValueError: an archive or a file in it cannot be used; the message says which and why.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileExistsError(f"{output} is there already. Remove it, or give -o another folder.")
    if checksums and len(checksums) != len(sources):
        raise ValueError(
            f"{len(sources)} times --from and {len(checksums)} times --sha256: give one for each, or none."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    archives = [_at_hand(source, output, display) for source in sources]
    for archive, expected in zip(archives, checksums, strict=False):
        check_sha256(archive, expected)
    with _beside(output) as staging:
        for archive in archives:
            folder = staging / _folder_of(archive.name, reader.facts)
            folder.mkdir(exist_ok=True)
            told = _Counter(display, f"unpacking {archive.name}")
            unpack(archive, folder, limits=limits, on_bytes=told.add)
        try:
            verified = verify(reader, staging, read_all=read_all, display=display)
        except (FileNotFoundError, ValueError) as error:
            held = ", ".join(_top(staging)) or "nothing"
            message = str(error).replace(str(staging), str(output))
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
            raise kind(f"{message} The archives hold {held}.") from None
        if output.is_dir():
            output.rmdir()
        os.rename(staging, output)
    return verified


def verify(reader: Reader, root: Path, *, read_all: bool, display: Display) -> Verified:
    """Open a data set and decode pairs of every split.

    Raises:
        FileNotFoundError: files are missing; the message says what belongs where.
        ValueError: a pair cannot be decoded, or its image and mask differ in size.
    """
    source = reader(root=str(root))
    places = [
        (split, index)
        for split in SPLITS
        for index in _spread(len(source.ids(split)), len(source.ids(split)) if read_all else _READ)
    ]
    for done, (split, index) in enumerate(places, start=1):
        image, labels = source.load(split, index)
        if image.shape[:2] != labels.shape:
            name = source.ids(split)[index]
            raise ValueError(f"{name} has {image.shape[:2]} px, its mask {labels.shape}: they must be of one size.")
        display.update("reading", done, len(places))
    return Verified(
        images={split: len(source.ids(split)) for split in SPLITS},
        read=len(places),
        files=sum(len(own) for own in source.samples.values()),
        published=sum(reader.facts.official.values()),
    )


class _Counter:
    """Adds up pieces for a display."""

    def __init__(self, display: Display, what: str) -> None:
        self._display, self._what, self._done = display, what, 0

    def add(self, n_bytes: int) -> None:
        self._done += n_bytes
        self._display.update(self._what, self._done, None)


def _at_hand(source: str, output: Path, display: Display) -> Path:
    """The archive as a file: as given, or downloaded, now or by an earlier call."""
    if not is_url(source):
        path = Path(source).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"There is no archive {path}.")
        return path
    folder = output.with_name(f"{output.name}-archives")
    folder.mkdir(exist_ok=True)
    path = folder / file_name(source)
    if not path.is_file():
        fetch(source, path, on_progress=lambda done, total: display.update(f"downloading {path.name}", done, total))
    return path


def _folder_of(archive: str, facts: Facts) -> str:
    return next((folder for pattern, folder in facts.unpack_into.items() if fnmatch(archive, pattern)), ".")


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder on the same disk; whatever of it was not renamed is removed."""
    staging = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}."))
    staging.chmod(0o755)  # others may read what is prepared, as if it had been unpacked by hand
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _spread(count: int, wanted: int) -> list[int]:
    """Indices from the first to the last."""
    wanted = min(count, wanted)
    return [place * (count - 1) // max(wanted - 1, 1) for place in range(wanted)]


def _top(folder: Path) -> list[str]:
    """What lies in it, two levels deep, as far as a message takes it."""
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*"))] or [
        path.name for path in sorted(folder.iterdir())
    ]
    return [*found[:6], *(["..."] if len(found) > 6 else [])]
