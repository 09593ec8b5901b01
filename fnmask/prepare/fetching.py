"""A file from the web, in as many pieces as the line gives, and its checksum."""

import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

_CHUNK = 2**20
_TIMEOUT_S = 60

# Bytes that are there, and all of them where the server says so.
Progress = Callable[[int, int | None], None]


class FetchError(ValueError):
    """A download that did not succeed; the message says why, and whether the same command goes on with it."""


class _BrokenOffError(Exception):
    """The line broke: what there is stays, and may be gone on with."""


# What a line that breaks raises; any other `OSError` is of the disk.
_OF_THE_LINE = (_BrokenOffError, urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException)


def is_url(given: str) -> bool:
    """Whether it is an address rather than a file."""
    return "://" in given


def file_name(url: str) -> str:
    """The last part of an address's path."""
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    return name if name not in ("", "..") else "archive"


def fetch(url: str, path: Path, *, on_progress: Progress, attempts: int = 4, pause_s: float = 2.0) -> None:
    """Download to `path`; what is not complete lies in `path`.part, which the next call goes on with.

    It is gone on with only if the server says that its file is still the same one.

    Args:
        url: http or https.
        path: to write; its folder exists.
        on_progress: told of what is there.
        attempts: in a row that bring nothing.
        pause_s: between them.

    Raises:
        FetchError: another kind of address, a refusal, or a line that keeps breaking.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url} is no address of http or https. Download it by hand and give --from FILE.")
    part, tag = (path.with_name(f"{path.name}.{ending}") for ending in ("part", "part-of"))
    failures = 0
    while True:
        before = _size(part)
        try:
            _continue(url, part, tag, on_progress)
            break
        except _OF_THE_LINE as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= attempts:
                raise FetchError(
                    f"{url} broke off {attempts} times ({error}); {_size(part)} bytes lie in {part}. The same command "
                    "goes on from there."
                ) from error
            time.sleep(pause_s)
        except OSError as error:
            raise FetchError(f"{part} cannot be written: {error}.") from error
    part.replace(path)
    tag.unlink(missing_ok=True)


def check_sha256(path: Path, expected: str) -> None:
    """Compare the SHA-256 of a file.

    Raises:
        ValueError: no SHA-256 is given, or the file has another one.
    """
    wanted = expected.strip().lower()
    if len(wanted) != 64 or set(wanted) - set("0123456789abcdef"):
        raise ValueError(f"--sha256 is {expected!r}; it has 64 hexadecimal digits.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise ValueError(f"{path} has the SHA-256 {found}, not {wanted}: it is not the file that was meant.")


def _continue(url: str, part: Path, tag: Path, on_progress: Progress) -> None:
    """One connection: from where the last one ended, or from the beginning."""
    there, known = _size(part), tag.read_text() if tag.is_file() else ""
    headers = {"User-Agent": "fnmask"}
    if there and known:
        headers |= {"Range": f"bytes={there}-", "If-Range": known}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing is left, or the file has become shorter
                part.unlink(missing_ok=True)
            if error.code >= 500 or error.code in (408, 416, 429):
                raise _BrokenOffError(f"HTTP {error.code}") from None
            raise FetchError(
                f"{url} was answered with HTTP {error.code} ({error.reason}). Is a login needed? Then download it by "
                "hand and give --from FILE."
            ) from None
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {there}-")
        if response.status == 206 and not goes_on:
            part.unlink(missing_ok=True)
            raise _BrokenOffError("another part than was asked for came")
        there = there if goes_on else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else there + int(length)
        # A weak tag does not promise the same bytes.
        etag = response.headers.get("ETag", "")
        tag.write_text("" if etag.startswith("W/") else etag or response.headers.get("Last-Modified", ""))
        with part.open("ab" if goes_on else "wb") as file:
            while piece := response.read(_CHUNK):
                file.write(piece)
                there += len(piece)
                on_progress(there, total)
    if total is not None and there < total:
        raise _BrokenOffError(f"after {there} of {total} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
