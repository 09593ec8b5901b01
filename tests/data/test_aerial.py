import subprocess
import sys

import numpy as np
import pytest

from fnmask.data.aerial import Aerial
from fnmask.data.aerial_canvas import LAND, Canvas
from fnmask.data.arrays import SplitArrays, count_classes, load_split


@pytest.fixture(scope="module")
def arrays() -> SplitArrays:
    return load_split(Aerial(n_train=16), "train", image_size=(128, 128))


def test_image_depends_on_its_number_only() -> None:
    few, many = Aerial(n_train=2, n_val=1, n_test=1, size_px=64), Aerial(n_train=9, n_val=3, n_test=3, size_px=64)
    many.load("train", 0)  # what was painted before does not matter
    for split in ("train", "val", "test"):
        for one, other in zip(few.load(split, 0), many.load(split, 0), strict=True):
            np.testing.assert_array_equal(one, other)


def test_seed_split_and_index_give_other_images() -> None:
    images = [
        Aerial(size_px=64).load("train", 0)[0],
        Aerial(size_px=64).load("train", 1)[0],
        Aerial(size_px=64).load("val", 0)[0],
        Aerial(size_px=64).load("test", 0)[0],
        Aerial(size_px=64, seed=1).load("train", 0)[0],
    ]
    assert len({image.tobytes() for image in images}) == len(images)


def test_every_class_is_common_and_void_is_rare(arrays: SplitArrays) -> None:
    shares = count_classes(arrays.labels, 5, 255).pixels / arrays.labels.size
    assert (shares > 0.05).all()
    assert (shares < 0.5).all()
    assert 0 < (arrays.labels == 255).mean() < 0.02


def test_colors_tell_something_but_not_everything(arrays: SplitArrays) -> None:
    # A lookup of the commonest class per coarse color, fitted on the images themselves, is what a network without any
    # context could reach at best: well above guessing land, well below perfect.
    bins = (arrays.images // 32).astype(int) @ [64, 8, 1]
    valid = arrays.labels < 5
    table = np.zeros((512, 5))
    np.add.at(table, (bins[valid], arrays.labels[valid]), 1)
    accuracy = table.max(axis=1).sum() / table.sum()
    guessing = table.sum(axis=0).max() / table.sum()
    assert guessing + 0.1 < accuracy < 0.85


@pytest.mark.parametrize("name", ["n_train", "n_val", "n_test"])
def test_counts_start_at_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; give 1 or more"):
        Aerial(**{name: 0})


def test_size_and_split_and_index_are_checked() -> None:
    with pytest.raises(ValueError, match="size_px is 31; give 32 or more"):
        Aerial(size_px=31)
    with pytest.raises(ValueError, match="train, val, test"):
        Aerial().ids("validation")  # type: ignore[arg-type]
    with pytest.raises(IndexError, match=r"images 0\.\.1, not 2"):
        Aerial(n_val=2).load("val", 2)


def test_digest_follows_the_parameters() -> None:
    assert Aerial().digest() == Aerial().digest()
    others = [Aerial(seed=1), Aerial(n_train=7), Aerial(n_val=7), Aerial(n_test=7), Aerial(size_px=64), Aerial()]
    assert len({source.digest() for source in others}) == len(others)


def test_odd_sizes_have_the_asked_shape() -> None:
    image, labels = Aerial(size_px=77).load("test", 0)
    assert (image.shape, labels.shape, image.dtype, labels.dtype) == ((77, 77, 3), (77, 77), np.uint8, np.uint8)


def test_polygons_outside_the_canvas_have_no_area() -> None:
    canvas = Canvas(np.random.default_rng(0), 8)
    far = canvas.area([(20, 20), (30, 20), (30, 30)])
    half = canvas.area([(-4, -4), (3, -4), (3, 3), (-4, 3)])
    canvas.fill(half, np.ones(3, np.float32), label=2, grain=np.zeros((16, 16), np.float32))
    assert not far.inside.any()
    # Pillow draws both edges of a polygon: 0..3 px are the fine pixels 0..6.
    np.testing.assert_array_equal(canvas.labels == 2, np.add.outer(np.arange(16) > 6, np.arange(16) > 6) == 0)
    assert (canvas.labels[7:] == LAND).all()


def test_readers_import_without_tensorflow() -> None:
    code = (
        "import sys, fnmask.data.aerial, fnmask.data.named.camvid, fnmask.data.named.dubai, fnmask.data.arrays, "
        "fnmask.data.label_noise; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
