"""Downloads from a server on this machine: whole, broken off, gone on with, changed meanwhile, refused."""

import hashlib

import pytest
from serving_files import CONTENT, serving

from fnmask.prepare.fetching import FetchError, check_sha256, fetch, file_name, is_url


def fetched(server, path, **kwargs):
    told = []
    fetch(server.url, path, on_progress=lambda done, total: told.append((done, total)), pause_s=0, **kwargs)
    return told


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_arrives(says_length, tmp_path):
    with serving(says_length=says_length) as server:
        told = fetched(server, tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT) if says_length else None)
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_a_line_that_breaks_is_taken_up_where_it_broke(tmp_path):
    with serving(1000, 70_000) as server:
        fetched(server, tmp_path / "set.zip")
        assert server.asked == [None, "bytes=1000-", "bytes=71000-"]
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_line_that_keeps_breaking_ends_with_what_there_is(tmp_path):
    path = tmp_path / "set.zip"
    with serving(500, 0, 0, 0) as server:
        with pytest.raises(FetchError, match=r"broke off 3 times .*; 500 bytes lie in .*set\.zip\.part\. The same"):
            fetched(server, path, attempts=3)
        assert not path.exists()
        server.cuts.clear()
        # The next call, of another process perhaps.
        fetched(server, path)
        assert server.asked[-1] == "bytes=500-"
    assert path.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_taken_anew(tmp_path):
    path = tmp_path / "set.zip"
    with serving(500, 0) as server, pytest.raises(FetchError):
        fetched(server, path, attempts=1)
    with serving(content=CONTENT[::-1], tag='"two"') as server:
        fetched(server, path)
        assert server.asked == ["bytes=500-"]
    assert path.read_bytes() == CONTENT[::-1]


def test_a_weak_tag_is_not_relied_on(tmp_path):
    path = tmp_path / "set.zip"
    with serving(500, tag='W/"one"') as server:
        fetched(server, path)
        assert server.asked == [None, None]
    assert path.read_bytes() == CONTENT


def test_refusals(tmp_path):
    with serving(status=403) as server, pytest.raises(FetchError, match=r"HTTP 403 .* Is a login needed\?"):
        fetched(server, tmp_path / "a")
    with serving(status=503) as server:
        with pytest.raises(FetchError, match="broke off 2 times"):
            fetched(server, tmp_path / "a", attempts=2)
        assert len(server.asked) == 2
    for url in ("file:///etc/passwd", "ftp://host/set.zip", "data://x"):
        with pytest.raises(FetchError, match="no address of http or https"):
            fetch(url, tmp_path / "a", on_progress=print)
    assert not (tmp_path / "a").exists()


def test_a_server_that_is_not_there(tmp_path):
    with serving() as server:
        url = server.url
    with pytest.raises(FetchError, match="broke off 1 times"):
        fetch(url, tmp_path / "a", on_progress=print, attempts=1)


def test_a_disk_that_cannot_be_written(tmp_path):
    (tmp_path / "a.part").mkdir()
    with serving() as server, pytest.raises(FetchError, match=r"a\.part cannot be written"):
        fetched(server, tmp_path / "a")


def test_a_checksum(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    right = hashlib.sha256(CONTENT).hexdigest()
    check_sha256(path, right)
    check_sha256(path, f" {right.upper()}\n")
    with pytest.raises(ValueError, match=rf"has the SHA-256 {right}, not {'0' * 64}"):
        check_sha256(path, "0" * 64)
    for wrong in (right[:-1], "g" * 64, ""):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            check_sha256(path, wrong)


def test_what_an_address_is_called():
    assert file_name("https://host/a/Train.zip?download=1") == "Train.zip"
    assert file_name("https://host/") == "archive"
    assert file_name("https://host/%2e%2e%2fetc%2fpasswd") == "passwd"
    assert file_name("https://host/a/..") == "archive"
    assert [is_url(given) for given in ("https://a/b", "file://a", "a/b.zip", "C:/a")] == [True, True, False, False]
