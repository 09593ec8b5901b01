"""Archives from elsewhere, unpacked without trust in them.

Nothing is written outside of one folder, no link or device is made, no mode bit is taken over, and what is written is
counted as it is written, whatever the archive says of itself.
"""

import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHUNK = 2**20

# Label images compress well, honest data sets by 200 at the most; small archives are harmless at any ratio.
_RATIO_COUNTS_FROM = 2**30


class ArchiveError(ValueError):
    """An archive is broken, or asks for what is refused; the message says what, and that nothing of it was kept."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may bring.

    Attributes:
        files: files and folders.
        total_bytes: of all files, unpacked.
        ratio: unpacked bytes for each byte of the archive, above 1 GiB unpacked.
    """

    files: int = 2_000_000
    total_bytes: int = 200 * 2**30
    ratio: int = 500


@dataclass(frozen=True)
class _Member:
    """A file or folder of an archive; `open` is None for a folder."""

    name: str
    n_bytes: int
    open: Callable[[], IO[bytes]] | None


def unpack(archive: Path, into: Path, *, limits: Limits, on_bytes: Callable[[int], None] = lambda n_bytes: None) -> int:
    """Unpack a zip or tar archive, compressed with gzip, bzip2 or xz where it is a tar.

    Args:
        archive: the file.
        into: an existing folder; files of the same name are replaced.
        limits: how much it may bring.
        on_bytes: told of every piece that was written, in bytes.

    Returns:
        Files that were written.

    Raises:
        ArchiveError: it is no archive, is broken, encrypted or beyond a limit, or one of its members is a link, a
            device, or would lie outside of the folder. What was written before stays in the folder.
        FileNotFoundError: there is no such file.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"There is no archive {archive}.")
    written = _Written(archive, limits, on_bytes)
    try:
        for member in _members(archive, written, shutil.disk_usage(into).free):
            target = _target(member.name, into, archive)
            if target is None:
                continue
            if member.open is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("wb") as file:
                written.copy(source, file)
    except ArchiveError:
        raise
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {error}.") from error
    except Exception as error:
        # A damaged archive makes its readers raise whatever they meet in it, from EOFError to UnicodeDecodeError.
        raise ArchiveError(f"{archive} cannot be unpacked: {error!r}. Is the download complete?") from error
    return written.files


class _Written:
    """Counts what is written, against the limits."""

    def __init__(self, archive: Path, limits: Limits, on_bytes: Callable[[int], None]) -> None:
        self.files = 0
        self._archive, self._limits, self._on_bytes = archive, limits, on_bytes
        self._members, self._bytes = 0, 0
        self._most = max(_RATIO_COUNTS_FROM, limits.ratio * archive.stat().st_size)

    def announce(self, n_bytes: int, free: int) -> None:
        """What the archive says that it holds, before anything is written."""
        self._check(n_bytes)
        if n_bytes > free:
            raise ArchiveError(f"{self._archive} needs {_gib(n_bytes)}; {_gib(free)} are free. Give -o another disk.")

    def count_member(self) -> None:
        """One more."""
        self._members += 1
        if self._members > self._limits.files:
            raise ArchiveError(f"{self._archive} holds more than {self._limits.files} files and is refused.")

    def copy(self, source: IO[bytes], file: IO[bytes]) -> None:
        """One file."""
        while piece := source.read(_CHUNK):
            self._bytes += len(piece)
            self._check(self._bytes)
            file.write(piece)
            self._on_bytes(len(piece))
        self.files += 1

    def _check(self, n_bytes: int) -> None:
        if n_bytes > self._limits.total_bytes:
            raise ArchiveError(
                f"{self._archive} holds more than {_gib(self._limits.total_bytes)} and is refused. If that is right, "
                "give --most-gib a larger number."
            )
        if n_bytes > self._most:
            raise ArchiveError(
                f"{self._archive} has {_gib(self._archive.stat().st_size)} and unpacks to more than "
                f"{_gib(self._most)}: that is no data set but a bomb."
            )


def _members(archive: Path, written: _Written, free: int) -> Iterator[_Member]:
    # A tar whose last file is a zip would pass for a zip, so tar is asked first.
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for item in tar:
                written.count_member()
                yield _of_tar(tar, item, archive)
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            written.announce(sum(item.file_size for item in packed.infolist()), free)
            for entry in packed.infolist():
                written.count_member()
                yield _of_zip(packed, entry, archive)
    else:
        with archive.open("rb") as file:
            start = file.read(512).lstrip().lower()
        page = start.startswith((b"<!doctype", b"<html"))
        why = "a web page: its address asks for a login or a click" if page else "neither a zip nor a tar archive"
        raise ArchiveError(f"{archive} is {why}. Download the archive by hand and give --from FILE.")


def _of_tar(tar: tarfile.TarFile, item: tarfile.TarInfo, archive: Path) -> _Member:
    _check_kind(item.name, archive, link=item.issym() or item.islnk(), plain=item.isreg() or item.isdir())

    def opened() -> IO[bytes]:
        source = tar.extractfile(item)
        if source is None:
            raise ArchiveError(f"{archive} holds {item.name!r}, which cannot be read.")
        return source

    return _Member(item.name, item.size, None if item.isdir() else opened)


def _of_zip(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, archive: Path) -> _Member:
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    _check_kind(entry.filename, archive, link=stat.S_ISLNK(mode), plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
    if entry.flag_bits & 1:
        raise ArchiveError(f"{archive} is encrypted. Unpack it by hand, and give `fnmask data prepare` -o alone.")
    return _Member(entry.filename, entry.file_size, None if entry.is_dir() else lambda: packed.open(entry))


def _check_kind(name: str, archive: Path, *, link: bool, plain: bool) -> None:
    if link or not plain:
        raise ArchiveError(f"{archive} holds {name!r}, {'a link' if link else 'no plain file'}, and is refused.")


def _target(name: str, into: Path, archive: Path) -> Path | None:
    """Where a member belongs; None for what macOS adds to every archive."""
    # Some programs on Windows separate folders by it.
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if plain.startswith("/") or re.match("[A-Za-z]:", plain) or ".." in parts or "\0" in plain:
        raise ArchiveError(f"{archive} holds {name!r}, which lies outside of its folder, and is refused.")
    if not parts or parts[0] == "__MACOSX" or parts[-1].startswith("._"):
        return None
    return into.joinpath(*parts)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.3g} GiB"
