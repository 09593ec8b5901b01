"""Which images of a folder are of which split, and what makes another set of it."""

import numpy as np
import pytest
from folders import fill, save
from PIL import Image

from fnmask.data.folder import Folder
from fnmask.data.source import SPLITS


def test_groups_are_not_divided(tmp_path):
    fill(tmp_path, 40)
    source = Folder(
        root=str(tmp_path), classes=["land", "road"], group_by=r"^(s\d+)_", val_fraction=0.25, test_fraction=0.25
    )
    groups = [{name.partition("_")[0] for name in source.ids(split)} for split in SPLITS]
    assert len(set.union(*groups)) == 8
    assert sum(map(len, groups)) == 8
    with pytest.raises(ValueError, match=r"finds nothing in the id 's0_0'"):
        Folder(root=str(tmp_path), classes=["land", "road"], group_by="x")


@pytest.mark.parametrize("form", ["{split}/{kind}", "{kind}/{split}"])
def test_splits_by_folders_above_or_below(tmp_path, form):
    for split, value in (("train", 0), ("valid", 1), ("test", 0)):
        for kind, content in (("images", np.zeros((2, 2, 3))), ("masks", np.full((2, 2), value))):
            save(tmp_path / form.format(split=split, kind=kind) / "a b.png", content)
    source = Folder(root=str(tmp_path), classes=["land", "road"])
    assert [source.ids(split) for split in SPLITS] == [("train/a b",), ("valid/a b",), ("test/a b",)]
    assert source.load("val", 0)[1].tolist() == [[1, 1], [1, 1]]


def test_splits_by_lists_and_by_a_csv_file(tmp_path):
    fill(tmp_path, 4)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("s0_0\ns0_1.png\n")
    (tmp_path / "lists" / "val.txt").write_text("# chosen by hand\ns0_2\n")
    source = Folder(root=str(tmp_path), classes=["land", "road"], lists="lists")
    assert [source.ids(split) for split in SPLITS] == [("s0_0", "s0_1"), ("s0_2",), ()]
    # Paths below the root, as of lists of pairs.
    (tmp_path / "lists" / "train.txt").write_text("images/s0_0.png masks/s0_0.png\nimages/s0_1\n")
    paths = Folder(root=str(tmp_path), classes=["land", "road"], lists="lists")
    assert paths.samples == source.samples
    (tmp_path / "lists" / "val.txt").write_text("s0_2\ns0_0\n")
    with pytest.raises(ValueError, match=r"val\.txt, line 2: 's0_0' is in train too|train\.txt.*is in val too"):
        Folder(root=str(tmp_path), classes=["land", "road"], lists="lists")
    (tmp_path / "lists" / "val.txt").write_text("s9_9\n")
    with pytest.raises(ValueError, match=r"val\.txt, line 1: there is no image 's9_9'"):
        Folder(root=str(tmp_path), classes=["land", "road"], lists="lists")
    rows = "image,mask,split\nimages/s0_0.png,masks/s0_1.png,train\nimages/s0_2.png,masks/s0_2.png,val\n"
    (tmp_path / "pairs.csv").write_text(rows)
    source = Folder(root=str(tmp_path), images="pairs.csv", classes=["land", "road"])
    assert source.ids("train") == ("images/s0_0",)
    assert source.load("train", 0)[1][0, 0] == 1
    (tmp_path / "pairs.csv").write_text(rows + "images/none.png,masks/s0_2.png,val\n")
    with pytest.raises(FileNotFoundError, match=r"^There is no file .*none\.csv\.$"):
        Folder(root=str(tmp_path), images="none.csv", classes=["land", "road"])
    with pytest.raises(FileNotFoundError, match=r"pairs\.csv, line 4: there is no file .*none\.png"):
        Folder(root=str(tmp_path), images="pairs.csv", classes=["land", "road"])


def test_a_row_may_name_a_file_in_any_way(tmp_path, monkeypatch):
    fill(tmp_path, 2)
    monkeypatch.chdir(tmp_path.parent)
    rows = [f"{tmp_path}/images/s0_0.png,masks/s0_0.png,train", "masks/../images/s0_1.png,./masks/s0_1.png,val"]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    sources = [
        Folder(root=root, images="pairs.csv", classes=["land", "road"]) for root in (str(tmp_path), tmp_path.name)
    ]
    assert [source.ids(split) for source in sources for split in ("train", "val")] == [
        ("images/s0_0",),
        ("images/s0_1",),
    ] * 2
    assert sources[0].digest() == sources[1].digest()
    rows += ["./images/s0_0.png,masks/s0_1.png,val"]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    with pytest.raises(ValueError, match="names the image 'images/s0_0' more than once"):
        Folder(root=tmp_path.name, images="pairs.csv", classes=["land", "road"])


def test_folders_of_splits_that_do_not_go_together(tmp_path):
    """Of competitions the test images come without masks."""
    fill(tmp_path, images="train/images", masks="train/masks")
    fill(tmp_path, images="test/images", masks="unused")
    with pytest.raises(ValueError, match=r"Images lie in test, train, masks in train\..* masks=train/masks take those"):
        Folder(root=str(tmp_path), classes=["land", "road"])
    alone = Folder(root=str(tmp_path), images="train/images", masks="train/masks", classes=["land", "road"])
    assert sum(len(alone.ids(split)) for split in SPLITS) == 10
    with pytest.raises(ValueError, match=r"masks is '\{split\}\.json', and the images lie in no folder called train"):
        Folder(root=str(tmp_path), images="*/images/*.png", masks="{split}.json")


def test_brackets_in_a_pattern_mean_themselves(tmp_path):
    fill(tmp_path, images="new [1]", masks="masks")
    source = Folder(root=str(tmp_path), images="new [1]/*.png", masks="masks/*.png", classes=["land", "road"])
    assert "s0_0" in source.ids("train") + source.ids("val") + source.ids("test")


def test_a_row_without_a_split_is_refused_and_not_drawn(tmp_path):
    """One blank cell used to throw all the splits of the file away, and to draw others."""
    fill(tmp_path, 4)
    rows = [f"images/s0_{n}.png,masks/s0_{n}.png,{split}" for n, split in enumerate(["train", "train", "val", ""])]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    for split_by in ("auto", "csv"):
        with pytest.raises(ValueError, match=r"1 of 4 images have no split, the others do: 'images/s0_3'\. Name"):
            Folder(root=str(tmp_path), images="pairs.csv", classes=["land", "road"], split_by=split_by)


def test_splits_that_are_drawn_of_folders_with_the_same_names(tmp_path):
    for split in ("train", "val"):
        fill(tmp_path / split, 10)
    source = Folder(root=str(tmp_path), classes=["land", "road"], split_by="fractions", val_fraction=0.3)
    every = [name for split in SPLITS for name in source.ids(split)]
    assert sorted(every) == sorted(f"{split}/s{n // 5}_{n}" for split in ("train", "val") for n in range(10))


def test_a_list_means_an_id_before_a_file_name(tmp_path):
    fill(tmp_path, 4)
    fill(tmp_path, 2, images="images/more", masks="masks/more")
    (tmp_path / "train.txt").write_text("s0_0\n")
    (tmp_path / "val.txt").write_text("more/s0_0\n")
    source = Folder(root=str(tmp_path), classes=["land", "road"], lists=".")
    assert [source.ids(split) for split in SPLITS] == [("s0_0",), ("more/s0_0",), ()]


@pytest.mark.parametrize("pattern", [r"^(\d*)", r"^(?:(\d+)_|s)", "x*"])
def test_a_group_of_no_letters_is_none(tmp_path, pattern):
    """Images of such a group would be divided, each for itself."""
    fill(tmp_path)
    with pytest.raises(ValueError, match="finds nothing in the id 's0_0'"):
        Folder(root=str(tmp_path), classes=["land", "road"], group_by=pattern)


def test_what_changes_labels_changes_the_digest(tmp_path):
    """Decoded images are kept by the digest: equal ones would be served to each other."""
    fill(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        picture = Image.fromarray(np.array([[0, 1, 1, 0]] * 3, np.uint8))
        picture.putpalette([9, 9, 9, 5, 5, 5])
        picture.save(path)
    # The palette says it the other way round than the indices.
    (tmp_path / "map.json").write_text(
        '[{"name": "a", "id": 0, "color": "#050505"}, {"name": "b", "id": 1, "color": "#090909"}]'
    )

    def folder(**options):
        return Folder(root=str(tmp_path), classes="map.json", **options)

    ids, colors = folder(mask_format="ids"), folder(mask_format="colors")
    assert (ids.load("train", 0)[1] != colors.load("train", 0)[1]).all()
    assert ids.digest() != colors.digest()
    assert folder(tile_size=(8, 8)).digest() != folder(tile_size=(9, 9)).digest(), "both are one tile, filled up"


def test_which_images_share_a_mask_changes_the_digest(tmp_path):
    fill(tmp_path)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())

    def source(third):
        masks = [names[0], names[1], names[third]]
        rows = [f"images/{image},masks/{mask},train" for image, mask in zip(names, masks, strict=False)]
        (tmp_path / "pairs.csv").write_text(
            "\n".join(["image,mask,split", *rows, f"images/{names[3]},masks/{names[0]},val"])
        )
        return Folder(root=str(tmp_path), images="pairs.csv", classes=["land", "road"])

    first, second = source(0), source(1)
    assert first.load("train", 2)[1][0, 0] != second.load("train", 2)[1][0, 0]
    assert first.digest() != second.digest()
