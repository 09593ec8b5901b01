"""Files as a whole: as one number, as a text, and a folder that appears in one step."""

import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Files may be larger than memory.
_PART = 2**20

# Seconds after which nobody fills a folder any more.
_ABANDONED_S = 86_400.0


def digest_files(root: Path, paths: Iterable[Path], *, salt: str) -> str:
    """Hash names below `root` and contents, in the given order, and a salt for what else decides the result."""
    total = hashlib.sha256(salt.encode())
    for path in paths:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            # The length ends a name and a content, so that no two lists of files give the same bytes.
            total.update(b"\0%b\0%d\0" % (os.fsencode(path.relative_to(root)), size))
            while part := file.read(_PART):
                total.update(part)
    return total.hexdigest()


def read_text(path: Path) -> str:
    """A text in UTF-8, whatever a Windows editor put before it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: of another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}). Save it so.") from None


@contextmanager
def make_folder(place: Path) -> Iterator[Path]:
    """A folder to fill, which is moved to its place in one step, so that nobody ever sees half of it.

    Its files, at the first level, are on the disk before it is moved: after a power failure there would otherwise be
    files of the right length that hold zeros.

    Raises:
        OSError: it cannot be written; nothing is left. Not where another worker was faster: then its folder stands.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(place)
    own = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    try:
        yield own
        for path in (*own.iterdir(), own):
            _sync(path)
        os.rename(own, place)
        _sync(place.parent)
    except BaseException as error:
        shutil.rmtree(own, ignore_errors=True)
        if not (isinstance(error, OSError) and place.is_dir()):
            raise


def _remove_abandoned(place: Path) -> None:
    """Remove what killed processes have left of the same folder."""
    for left in place.parent.glob(f".{glob.escape(place.name)}.*"):
        with suppress(OSError):  # another process removes it as well
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
