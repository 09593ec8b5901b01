"""`fnmask data` as a person types it."""

import json

import pytest
from test_checked import spoil, write_folder

from fnmask.cli import main


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "data")
    return tmp_path / "data"


def check(data, output, *more):
    words = ["dataset=folder", f"dataset.root={data}", "dataset.classes=[land,road]", f"root={output.parent}", *more]
    return main(["data", "check", *words, "-o", str(output)])


def test_a_clean_set_is_0_and_leaves_three_files(data, tmp_path, capsys):
    assert check(data, tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert told.startswith("Data set folder, digest ")
    assert f"page: {tmp_path / 'out' / 'check.html'}" in told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["check.html", "check.json", "check.txt"]
    report = json.loads((tmp_path / "out/check.json").read_text())
    assert report["splits"]["train"]["images"] == 4
    assert (tmp_path / "out/check.txt").read_text().startswith("Data set folder, digest ")


def test_errors_are_1(data, tmp_path, capsys):
    spoil(data)
    assert check(data, tmp_path / "out") == 1
    assert "Images that cannot be read" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/check.json").read_text())["summary"].startswith("2 errors")


def test_missing_partners_are_all_named(data, tmp_path, capsys):
    for index in (0, 1, 2, 3):
        (data / f"train/masks/{index}.png").rename(data / f"train/masks/other{index}.png")
    assert check(data, tmp_path / "out") == 1
    (finding,) = json.loads((tmp_path / "out/check.json").read_text())["findings"]
    assert finding["kind"] == "partner"
    assert len(finding["where"]) == finding["count"] == 8
    assert "Nothing else was checked." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["dataset.root=???"], "\ndataset.root: missing. Give dataset.root=VALUE."),
        (["dataset.root=/nowhere"], "There is no folder /nowhere."),
        (["dataset.split_by=lists"], "split_by=lists needs lists=FOLDER"),
        (["dataset.imges=x"], "dataset.imges: unknown key."),
        (["dataset=camvit"], "Did you mean camvid?"),
        (["dataset.classes=null"], "classes is not given."),
    ],
)
def test_what_cannot_be_asked_for_is_2(data, tmp_path, capsys, words, told):
    assert check(data, tmp_path / "out", *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("Nothing was checked.\n")
    assert told in error


def test_a_number_of_workers_below_1_is_2(data, capsys):
    assert main(["data", "check", f"dataset.root={data}", "--workers", "0"]) == 2
    assert "--workers: got 0" in capsys.readouterr().err


def test_what_was_found_is_told_where_no_file_can_be_written(data, tmp_path, capsys):
    spoil(data)
    (tmp_path / "out").write_text("a file")
    assert check(data, tmp_path / "out") == 2
    told = capsys.readouterr()
    assert "Images that cannot be read" in told.out
    assert told.err.startswith("The report cannot be written: ")
    assert told.err.endswith(" Give another folder with -o DIR.\n")
