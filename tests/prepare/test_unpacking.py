"""Archives that are not to be trusted: what is refused, and that nothing lies outside of the folder."""

import contextlib
import io
import resource
import stat
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnmask.prepare import unpacking
from fnmask.prepare.unpacking import ArchiveError, Limits, unpack

FILES = {"a/b.png": b"x" * 5000, "a/c d/ü.txt": "grüße".encode(), "empty.txt": b""}


def write_zip(path, files, **kwargs):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **kwargs) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def write_tar(path, members, mode="w"):
    """Members as a content, or as a `TarInfo` to be taken as it is."""
    with tarfile.open(path, mode) as packed:
        for name, content in members.items():
            item = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if not isinstance(content, tarfile.TarInfo):
                item.size = len(content)
            packed.addfile(item, None if item is content else io.BytesIO(content))
    return path


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "inner" / "into"
    folder.mkdir(parents=True)
    return folder


def opened(archive, into, **limits):
    return unpack(archive, into, limits=Limits(**limits))


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_what_is_in_comes_out(kind, tmp_path, into):
    archive = tmp_path / f"set.{kind}"
    if kind == "zip":
        write_zip(archive, FILES)
    else:
        write_tar(archive, FILES, mode=f"w:{kind.partition('.')[2]}")
    pieces = []
    assert unpack(archive, into, limits=Limits(), on_bytes=pieces.append) == len(FILES)
    found = {path.relative_to(into).as_posix(): path.read_bytes() for path in into.rglob("*") if path.is_file()}
    assert found == FILES
    assert sum(pieces) == sum(map(len, FILES.values()))


def test_the_name_of_an_archive_says_nothing(tmp_path, into):
    # A tar whose last member is a zip ends like a zip.
    inner = write_zip(tmp_path / "inner.zip", {"inside.txt": b"no"})
    archive = write_tar(tmp_path / "set.zip", {"a.txt": b"yes", "inner.zip": inner.read_bytes()})
    assert opened(archive, into) == 2
    assert sorted(path.name for path in into.iterdir()) == ["a.txt", "inner.zip"]


OUTSIDE = ["../out.txt", "a/../../out.txt", "/out.txt", "C:/out.txt", "..\\out.txt", "\\out.txt"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_place_outside_is_refused(kind, name, tmp_path, into):
    archive = tmp_path / f"set.{kind}"
    (write_zip if kind == "zip" else write_tar)(archive, {name: b"x"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArchiveError, match=r"which lies outside of its folder, and is refused\."):
        opened(archive, into)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.FIFOTYPE, "no plain file"),
        (tarfile.CHRTYPE, "no plain file"),
        (tarfile.BLKTYPE, "no plain file"),
    ],
)
@pytest.mark.parametrize("target", ["../../out", "a.txt"])
def test_links_and_devices_are_refused_wherever_they_lead(kind, told, target, tmp_path, into):
    item = tarfile.TarInfo("trick")
    item.type, item.linkname = kind, target
    archive = write_tar(tmp_path / "set.tar", {"a.txt": b"x", "trick": item, "trick/b.txt": b"y"})
    with pytest.raises(ArchiveError, match=f"holds 'trick', {told}, and is refused"):
        opened(archive, into)
    assert [path.name for path in into.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(kind, tmp_path, into):
    entry = zipfile.ZipInfo("trick")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        packed.writestr(entry, "../../out")
    with pytest.raises(ArchiveError, match=r"holds 'trick', .* and is refused"):
        opened(tmp_path / "set.zip", into)
    assert not list(into.iterdir())


def test_no_mode_is_taken_over(tmp_path, into):
    item = tarfile.TarInfo("run.sh")
    item.size, item.mode = 2, 0o6777
    with tarfile.open(tmp_path / "set.tar", "w") as packed:
        packed.addfile(item, io.BytesIO(b"ls"))
    opened(tmp_path / "set.tar", into)
    assert (into / "run.sh").stat().st_mode & 0o6111 == 0


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_files_and_too_many_bytes(kind, tmp_path, into):
    archive = tmp_path / f"set.{kind}"
    (write_zip if kind == "zip" else write_tar)(archive, {f"{number}.txt": b"x" * 100 for number in range(10)})
    assert opened(archive, into, files=10, total_bytes=1000) == 10
    with pytest.raises(ArchiveError, match="more than 9 files"):
        opened(archive, into, files=9)
    with pytest.raises(ArchiveError, match=r"holds more than .* GiB and is refused.*--most-gib"):
        opened(archive, into, total_bytes=999)


def test_a_bomb_is_refused(tmp_path, into, monkeypatch):
    monkeypatch.setattr(unpacking, "_RATIO_COUNTS_FROM", 2**20)
    for archive in (
        write_zip(tmp_path / "set.zip", {"zeros": bytes(2**23)}),
        write_tar(tmp_path / "set.tar.xz", {"zeros": bytes(2**23)}, mode="w:xz"),
    ):
        with pytest.raises(ArchiveError, match=r"set\..* and unpacks to more than .*: that is no data set but a bomb"):
            opened(archive, into)
        # As much as a label image may be compressed is fine.
        assert opened(archive, into, ratio=10_000) == 1


def test_a_zip_that_says_less_than_it_holds(tmp_path, into):
    archive = write_zip(tmp_path / "set.zip", {"zeros": bytes(2**20)})
    content = archive.read_bytes()
    true, told = (2**20).to_bytes(4, "little"), (100).to_bytes(4, "little")
    assert content.count(true) == 2
    archive.write_bytes(content.replace(true, told))
    with pytest.raises(ArchiveError, match=r"cannot be unpacked: .* Is the download complete\?"):
        opened(archive, into)
    assert (into / "zeros").stat().st_size <= 100


def test_a_disk_that_is_full_while_it_is_written(tmp_path, into):
    archive = write_tar(tmp_path / "set.tar", {"a": bytes(2**21)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    try:
        with pytest.raises(ArchiveError, match=r"cannot be unpacked: \[Errno"):
            opened(archive, into)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


SEGMENTS = ("..", ".", "", "a", "ü b", "C:", "__MACOSX", "._a", "a" * 300, "\0", "inner", "into")


@settings(max_examples=300, deadline=None)
@given(
    names=st.lists(
        st.tuples(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=5), st.sampled_from("/\\")),
        min_size=1,
        max_size=4,
    ),
    kind=st.sampled_from([write_zip, write_tar]),
)
def test_whatever_the_names_nothing_lies_outside(names, kind):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "inner/into").mkdir(parents=True)
        files = {sign.join(segments): b"x" for segments, sign in names}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two members of one name
                kind(root / "set", files)
        except (ValueError, IndexError):  # zipfile itself cannot write such a name
            return
        with contextlib.suppress(ArchiveError):
            opened(root / "set", root / "inner/into")
        outside = {path.name for path in root.iterdir()} | {path.name for path in (root / "inner").iterdir()}
        assert outside == {"set", "inner", "into"}


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=700), kind=st.sampled_from(["zip", "tar", "tar.gz"]), at=st.integers(0, 2000))
def test_damaged_archives_are_refused_or_read(content, kind, at):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "into").mkdir()
        archive = root / f"set.{kind}"
        if kind == "zip":
            write_zip(archive, {"a/b.txt": b"hello" * 50, "c.txt": b"x"})
        else:
            write_tar(archive, {"a/b.txt": b"hello" * 50, "c.txt": b"x"}, mode=f"w:{kind.partition('.')[2]}")
        whole = bytearray(archive.read_bytes())
        place = at % len(whole)
        whole[place : place + len(content)] = content
        archive.write_bytes(whole)
        with contextlib.suppress(ArchiveError):
            opened(archive, root / "into")
        assert {path.name for path in root.iterdir()} == {archive.name, "into"}


def test_a_disk_without_room(tmp_path, into):
    archive = write_zip(tmp_path / "set.zip", {"a": bytes(2000)})
    full = unpacking._Written(archive, Limits(), print)
    with pytest.raises(ArchiveError, match=r"needs .* GiB; .* GiB are free\. Give -o another disk"):
        full.announce(2000, 1999)
    full.announce(2000, 2000)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_a_truncated_archive(kind, tmp_path, into):
    noise = bytes(zlib.crc32(bytes([number % 256, number // 256])) & 255 for number in range(60_000))
    archive = tmp_path / f"set.{kind}"
    if kind == "zip":
        write_zip(archive, {"a": noise, "b": noise})
    else:
        write_tar(archive, {"a": noise, "b": noise}, mode=f"w:{kind.partition('.')[2]}")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 2 // 3])
    with pytest.raises(ArchiveError, match=r"set\."):
        opened(archive, into)


def test_an_encrypted_zip(tmp_path, into):
    archive = write_zip(tmp_path / "set.zip", {"a": b"x"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="is encrypted"):
        opened(archive, into)


def test_what_is_no_archive(tmp_path, into):
    (tmp_path / "page.zip").write_text("\n <!DOCTYPE html><html>log in</html>")
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "empty.zip").touch()
    with pytest.raises(ArchiveError, match="a web page: its address asks for a login or a click"):
        opened(tmp_path / "page.zip", into)
    for name in ("text", "empty"):
        with pytest.raises(ArchiveError, match="neither a zip nor a tar archive"):
            opened(tmp_path / f"{name}.zip", into)
    with pytest.raises(FileNotFoundError, match=r"no archive .*none\.zip"):
        opened(tmp_path / "none.zip", into)


def test_a_file_where_a_folder_should_be(tmp_path, into):
    archive = write_tar(tmp_path / "set.tar", {"a": b"x", "a/b": b"y"})
    with pytest.raises(ArchiveError, match="cannot be unpacked"):
        opened(archive, into)


def test_what_macos_adds_is_left_out(tmp_path, into):
    archive = write_zip(tmp_path / "set.zip", {"a.png": b"x", "__MACOSX/a.png": b"y", "b/._a.png": b"z", "./": b""})
    assert opened(archive, into) == 1
    assert [path.name for path in into.iterdir()] == ["a.png"]
