"""Whatever lies in a folder: a training goes well, or is refused in words that name the file."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_checked import CHECKOUT, config_of, words, write_folder

from fnmask.binding import ConfigError
from fnmask.checked import require_checked

FIRST = "train/images/0.png"
MASK = "train/masks/0.png"


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "data")
    return tmp_path / "data"


def refusal(data):
    """What a person reads in place of a training."""
    with pytest.raises(ConfigError) as raised:
        require_checked(config_of(data, data.parent))
    told = "\n".join(raised.value.faults)
    assert "Traceback" not in told
    return told


def as_jpeg(path):
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()
    return path.with_suffix(".jpg")


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def bomb(path, side=60_000):
    """A PNG of a hundred bytes that says it is of 3.6 gigapixels."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def huge(path):
    """20,000 x 20,000 px of one bit each."""
    Image.new("1", (20_000, 20_000)).save(path)


SPOILED = {
    "a truncated PNG": (lambda data: cut(data / FIRST), "train/0.*0.png cannot be read as a picture"),
    "a truncated JPEG": (lambda data: cut(as_jpeg(data / FIRST)), "0.jpg cannot be read as a picture"),
    "a truncated mask": (lambda data: cut(data / MASK), "masks/0.png cannot be read as a picture"),
    "a zero-byte file": (lambda data: (data / FIRST).write_bytes(b""), "images/0.png is empty. Is the download"),
    "a zero-byte mask": (lambda data: (data / MASK).write_bytes(b""), "masks/0.png is empty"),
    "a text file": (lambda data: (data / FIRST).write_text("hello\n" * 99), "images/0.png cannot be read as a picture"),
    "a bomb": (lambda data: bomb(data / FIRST), "images/0.png has more than 179 megapixels.* cut it into parts"),
    "a mask that is a bomb": (lambda data: bomb(data / MASK), "masks/0.png has more than 179 megapixels"),
    "a huge image": (lambda data: huge(data / FIRST), "images/0.png has more than 179 megapixels"),
    "a mask of another size": (lambda data: Image.new("L", (9, 16)).save(data / MASK), "differ in size .*16 x 9 px"),
    "a mask saved as JPEG": (lambda data: as_jpeg(data / MASK), "0.jpg is a JPEG file, whose values are not those"),
    "a mask that is gone": (lambda data: (data / MASK).unlink(), "1 files have no partner .*: 0"),
    "a folder named like an image": (
        lambda data: ((data / FIRST).unlink(), (data / FIRST).mkdir()),
        "1 files have no partner .*: 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_refused_in_words_that_name_the_file(data, name):
    spoil, told = SPOILED[name]
    spoil(data)
    found = refusal(data)
    assert re.search(told, found, re.S), found


def test_a_link_that_leaves_the_set(data, tmp_path):
    elsewhere = tmp_path / "elsewhere.png"
    (data / FIRST).rename(elsewhere)
    (data / FIRST).symlink_to(elsewhere)
    assert "outside of" in refusal(data)
    (data / FIRST).unlink()
    elsewhere.rename(data / "train/0.png")
    (data / FIRST).symlink_to(data / "train/0.png")
    assert not require_checked(config_of(data, tmp_path)).of("error"), "one that stays inside is as good as a file"


@contextmanager
def as_nobody():
    """Without the rights of root, who may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read():
    # pytest's folders belong to whoever runs it alone.
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o777)
        write_folder(root / "data")
        (root / "data" / FIRST).chmod(0)
        with as_nobody(), pytest.raises(ConfigError) as raised:
            require_checked(config_of(root / "data", root))
        assert "images/0.png may not be read: mend its permissions." in "\n".join(raised.value.faults)
    finally:
        shutil.rmtree(root)


def to_cmyk(data):
    Image.open(data / FIRST).convert("CMYK").save((data / FIRST).with_suffix(".jpg"))
    (data / FIRST).unlink()


def to_one_pixel(data):
    Image.new("RGB", (1, 1), (9, 8, 7)).save(data / FIRST)
    Image.new("L", (1, 1), 1).save(data / MASK)


def to_unicode(data):
    for kind in ("images", "masks"):
        (data / "train" / kind / "0.png").rename(data / "train" / kind / "a b  Ünïcödé 日本 ' \" $(x) [1]*.png")


@pytest.mark.parametrize("change", [to_cmyk, to_one_pixel, to_unicode])
def test_read_as_it_is_meant(data, tmp_path, change):
    """Nothing to refuse: an image of inks, of one pixel, or of a name with every sign."""
    from fnmask.data.arrays import load_split

    before = load_split(config_of(data, tmp_path).source, "train", image_size=(16, 16))
    change(data)
    config = config_of(data, tmp_path)
    assert not require_checked(config).of("error")
    after = load_split(config.source, "train", image_size=(16, 16))
    own = after.ids.index(next(name for name in after.ids if name.startswith(("0", "a ", "train/0", "train/a "))))
    if change is to_one_pixel:
        assert (after.images[own] == (9, 8, 7)).all()
        assert (after.labels[own] == 1).all()
    else:
        np.testing.assert_array_equal(after.labels[own], before.labels[0])
        # JPEG and the way to inks and back change noise a lot.
        assert abs(after.images[own].mean() - before.images[0].mean()) < 12
    others = [place for place in range(len(after.ids)) if place != own]
    np.testing.assert_array_equal(sorted(after.images[others].sum((1, 2, 3))), sorted(before.images[1:].sum((1, 2, 3))))


def test_a_file_that_goes_between_the_check_and_the_training(data, tmp_path, monkeypatch, capsys):
    from fnmask import single

    config = config_of(data, tmp_path, "loss.target=road", "tracking.kind=none")
    original = single.require_checked

    def check_and_lose(config, **more):
        report = original(config, **more)
        (data / FIRST).unlink()
        return report

    monkeypatch.setattr(single, "require_checked", check_and_lose)
    assert single.run_single(config) == 1
    told = capsys.readouterr()
    assert "images/0.png is not there any more" in told.out
    assert "Traceback" not in told.out + told.err


def test_the_disk_is_full_while_the_images_are_kept(data, tmp_path, caplog):
    from fnmask.workbench import Workbench

    whole = Workbench(keeps=False).load(config_of(data, tmp_path))
    disk = tmp_path / "full" / "mlruns" / ".data"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        config = config_of(data, tmp_path / "full", "trainer.eval_resolution=original")
        kept = Workbench().load(config)
        for split in ("train", "val", "test"):
            np.testing.assert_array_equal(getattr(kept, split).images, getattr(whole, split).images)
            np.testing.assert_array_equal(getattr(kept, split).labels, getattr(whole, split).labels)
        assert "stays in memory" in caplog.text
        assert "No space left on device" in caplog.text
        assert not list(disk.glob("*/.*")), "nothing half done is left"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.slow
def test_two_trainings_that_keep_the_images_of_one_set_at_once(data, tmp_path):
    command = [sys.executable, str(CHECKOUT / "train.py"), *words(data, tmp_path), "loss.target=road"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) for _ in range(2)]
    told = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    numbers = [[line for line in out.splitlines() if line.startswith("  val/")] for out, _ in told]
    assert numbers[0]
    assert numbers[0] == numbers[1]
    assert {path.name for path in (tmp_path / "mlruns/.data").glob("*-*x*/*")} == {"train", "val", "test"}


def test_links_to_nothing_are_no_fewer_images(data):
    """As of large files that were never fetched: image and mask were left out without a word."""
    for kind in ("images", "masks"):
        (data / "train" / kind / "9.png").symlink_to("../../store/9.png")
    with pytest.raises(ConfigError, match=r"1 files are links to what is not there, such as .*9\.png to ../../store/9"):
        config_of(data, data.parent)
    for kind in ("images", "masks"):
        (data / "train" / kind / "9.png").unlink()
        (data / "train" / kind / "9.png").symlink_to("9.png")
    with pytest.raises(ConfigError, match=r"1 files are links to what is not there"):
        config_of(data, data.parent)


def test_a_name_that_is_no_text(data):
    for kind in ("images", "masks"):
        folder = os.fsencode(data / "train" / kind)
        os.rename(folder + b"/0.png", folder + b"/caf\xe9.png")
    with pytest.raises(ConfigError, match=r"caf\\\\?xe9\.png' is no text in UTF-8\. Rename the file"):
        config_of(data, data.parent)
