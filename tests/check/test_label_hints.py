import numpy as np
import pytest
from checking import Arrays, kinds, labels_of, photo
from PIL import Image

from fnmask.check.gathering import gather
from fnmask.check.label_hints import find_label_hints
from fnmask.data.aerial import Aerial

NAMES = ("land", "road", "water")


def hints(*labels, images=None, names=NAMES):
    rows = [(f"{i}", photo(i) if images is None else images[i], own) for i, own in enumerate(labels)]
    return find_label_hints(gather(Arrays({"train": rows}, class_names=names), n_workers=1), names)


def test_clean_masks_have_none():
    assert hints(*(labels_of(10 + i, 24 - i) for i in range(5))) == []
    source = Aerial(n_train=12, n_val=4, n_test=4)
    kinds_found = {one.kind for one in find_label_hints(gather(source, n_workers=1), source.class_names)}
    assert "specks" not in kinds_found


def scene(size=96):
    rows, columns = np.mgrid[:size, :size]
    return np.where((rows - 40) ** 2 + (columns - 50) ** 2 < 900, 10, 0).astype(np.uint8)


def smoothed(labels, **how):
    import io

    if "jpeg" in how:
        buffer = io.BytesIO()
        Image.fromarray(labels).save(buffer, "JPEG", quality=how["jpeg"])
        return np.minimum(np.array(Image.open(buffer)), 10)
    small = Image.fromarray(labels).resize((37, 37), Image.Resampling.BILINEAR)
    return np.array(small.resize((96, 96), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("how", [{"jpeg": 75}, {"jpeg": 30}])
def test_masks_saved_as_jpeg(how):
    names = tuple(f"class{i}" for i in range(11))
    image = photo(0, height=96, width=102)[:, :96]
    clean = hints(scene(), images=[image], names=names)
    assert "specks" not in {one.kind for one in clean}
    found = {one.kind: one for one in hints(smoothed(scene(), **how), images=[image], names=names)}
    assert found["specks"].severity == "hint"
    assert "% of its borders" in found["specks"].where[0].detail


def test_a_class_that_is_specks_alone_is_named():
    labels = labels_of(34)
    # 8 x 9 single pixels of 4 borders each, but for those at an edge: 8 at the left, 9 at the top: 271.
    labels[::4, ::4] = 1
    (found,) = [one for one in hints(labels) if one.kind == "specks"]
    assert str(found.where[0]) == "train/0: 72 px, 27 % of its borders, nearly all of road"


def test_constant_masks():
    void = labels_of(34)
    void[0, 0] = 255
    found = hints(labels_of(34), labels_of(0, 34), labels_of(20, 14), void)
    assert kinds(found) == [("hint", "constant")]
    assert [str(place) for place in found[0].where] == ["train/0: land", "train/1: road"]


def test_equal_masks_of_different_images():
    labels = [labels_of(20, 14), labels_of(20, 14), labels_of(21, 13), labels_of(21, 13), labels_of(34), labels_of(34)]
    images = [photo(0), photo(1), photo(2), photo(2), photo(4), photo(5)]
    found = {one.kind: one for one in hints(*labels, images=images)}
    assert [str(place) for place in found["equal_masks"].where] == ["train/0: as train/1"]


def test_much_void():
    labels = [labels_of(20, 14).copy() for _ in range(9)]
    labels[3][:, :10] = 255
    found = {one.kind: one for one in hints(*labels)}
    assert [str(place) for place in found["much_void"].where] == ["train/3: 29.4 % void"]
    assert "than the 3.3 % of all pixels: 1 of 9." in found["much_void"].message


def test_an_image_of_another_mixture():
    labels = [labels_of(16 + i % 4, 18 - i % 4) for i in range(24)]
    labels[7] = labels_of(1, 1, 32)
    found = {one.kind: one for one in hints(*labels)}
    # Water: 32 of 34 columns there, and of all 24 images.
    assert [str(place) for place in found["outlier"].where] == ["train/7: water 94 %, in all of train 4 %"]
    assert "outlier" not in {one.kind for one in hints(*labels[:12])}, "of few images nothing is said"
