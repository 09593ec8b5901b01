"""No training on a data set with errors; warnings stay with the run."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from composing import SMALL, compose_config
from PIL import Image

from fnmask import checked
from fnmask.binding import ConfigError
from fnmask.check.finding import Finding, Place
from fnmask.check.report import CheckReport
from fnmask.checked import keep, read_kept, require_checked
from fnmask.recording import Labels, run_recorded
from fnmask.result import Result
from fnmask.sweep.composer import check_job

CHECKOUT = Path(__file__).parents[1]


def write_folder(root, *, count=4):
    """Images and masks of two classes, in three splits."""
    for split in ("train", "val", "test"):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            pixels = np.random.default_rng([len(split), index]).integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / "images" / f"{index}.png")
            labels = np.zeros((16, 16), np.uint8)
            labels[:, : 5 + index] = 1
            Image.fromarray(labels).save(root / split / "masks" / f"{index}.png")


def words(data, root):
    return [
        *("dataset=folder", f"dataset.root={data}", "dataset.classes=[land,road]", "dataset.image_size=[16,16]"),
        *(word for word in SMALL if not word.startswith("dataset.")),
        f"root={root}",
    ]


def config_of(data, root, *more):
    return check_job(compose_config(*words(data, root), *more))


def spoil(data):
    """A mask of a class that there is not, and a file that is no picture."""
    Image.fromarray(np.full((16, 16), 7, np.uint8)).save(data / "train/masks/1.png")
    (data / "val/images/2.png").write_text("no picture")


@pytest.fixture
def data(tmp_path):
    write_folder(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def counted(monkeypatch):
    """How often a set was read."""
    calls = []
    original = checked.check_source
    monkeypatch.setattr(
        checked, "check_source", lambda *args, **kwargs: (calls.append(1), original(*args, **kwargs))[1]
    )
    return calls


def test_a_set_is_checked_once_for_its_content_wherever_it_lies(data, tmp_path, counted):
    report = require_checked(config_of(data, tmp_path))
    assert report.of("error") == []
    assert report.name == "folder"
    moved = data.rename(tmp_path / "moved")
    assert require_checked(config_of(moved, tmp_path)) == report
    assert len(counted) == 1
    # Groups are no content; what is said of them is another report.
    require_checked(config_of(moved, tmp_path, "dataset.group_by='\\d'"))
    assert len(counted) == 2
    Image.fromarray(np.ones((16, 16), np.uint8)).save(moved / "train/masks/0.png")
    from fnmask.config import _data_digest

    _data_digest.cache_clear()  # as in another process
    require_checked(config_of(moved, tmp_path))
    assert len(counted) == 3


def test_errors_are_told_all_at_once_in_the_words_of_the_check(data, tmp_path):
    spoil(data)
    with pytest.raises(ConfigError) as raised:
        require_checked(config_of(data, tmp_path))
    assert len(raised.value.faults) == 3
    unreadable, unknown, advice = raised.value.faults
    assert unreadable.startswith("dataset: Images that cannot be read, or their masks: 1 of 12.")
    assert "val/2.png" not in unreadable
    assert "val/2: " in unreadable or "val/val/2: " in unreadable
    assert unknown.startswith("dataset: Masks with what is neither a class nor void: 1 of 12; they hold 7 (256 px).")
    assert "fnmask data check" in advice
    with pytest.raises(ConfigError):
        require_checked(config_of(data, tmp_path))


def test_without_a_place_to_write_it_is_checked_again(data, tmp_path, counted, caplog):
    (tmp_path / "mlruns").touch()
    for _ in range(2):
        require_checked(config_of(data, tmp_path))
    assert len(counted) == 2
    assert "is not kept" in caplog.text


def test_a_torn_report_counts_as_none(data, tmp_path):
    config = config_of(data, tmp_path)
    require_checked(config)
    (kept,) = (tmp_path / "mlruns/.data").glob("*-check-*.json")
    kept.write_text(kept.read_text()[:100])
    assert read_kept(config) is None
    require_checked(config)
    assert read_kept(config) is not None


def run(config):
    """A recorded run that trains nothing."""
    split = SimpleNamespace(ids=("a",))
    bench = SimpleNamespace(
        load=lambda config: SimpleNamespace(train=split, val=split, test=split, digest="d" * 16), discard=lambda: None
    )
    result = Result({"val/miou": 0.5}, np.zeros((1, 2, 2), np.int64), None, 1.0)
    return run_recorded(config, Labels("run"), store=None, run=lambda *args, **kwargs: result, workbench=bench).tracker


def test_warnings_are_kept_with_the_run(data, tmp_path):
    config = config_of(data, tmp_path)
    assert "fnmask.data_check" not in run(config).tags, "nobody has checked it"
    warning = Finding("warning", "leakage", "They share a drive.", (Place("val", "a"),))
    report = CheckReport(
        "folder", "d", ("land", "road"), ((0, 0, 0), (9, 9, 9)), {}, (warning, Finding("hint", "x", "Look."))
    )
    keep(config, report)
    tracker = run(config)
    assert tracker.tags["fnmask.data_check"] == "0 errors, 1 warning, 1 hint"
    assert tracker.artifacts["data_check.txt"].decode() == (
        "Data: 0 errors, 1 warning, 1 hint.\nwarning: They share a drive. [val/a]\n"
    )
    keep(config, CheckReport("folder", "d", (), (), {}, ()))
    tracker = run(config)
    assert tracker.tags["fnmask.data_check"] == "0 errors, 0 warnings, 0 hints"
    assert "data_check.txt" not in tracker.artifacts


@pytest.mark.parametrize("more", [[], ["--multirun", "loss.target=choice(land,road)", "study.n_trials=3"]])
def test_training_is_refused_before_anything_is_loaded(data, tmp_path, more):
    spoil(data)
    command = [sys.executable, str(CHECKOUT / "train.py"), *more, *words(data, tmp_path)]
    if not more:
        command.append("loss.target=road")
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("Nothing was trained.\ndataset: Images that cannot be read")
    assert "dataset: Masks with what is neither a class nor void" in done.stderr
    assert not list(tmp_path.rglob("mlflow.db"))
    assert not list(tmp_path.rglob("optuna.db"))


def test_a_set_that_was_refused_is_looked_at_again(data, tmp_path, monkeypatch):
    """Without an extra that was missing, or after a disk that failed, the files are the same."""
    from fnmask.data import reading

    for path in sorted((data / "train/images").iterdir()):
        Image.fromarray(np.asarray(Image.open(path)).mean(axis=-1).astype(np.uint16)).save(path.with_suffix(".tif"))
        path.unlink()
    monkeypatch.setattr(reading, "has_rasterio", lambda: False)
    with pytest.raises(ConfigError, match="needs rasterio"):
        require_checked(config_of(data, tmp_path))
    monkeypatch.undo()
    assert require_checked(config_of(data, tmp_path)).of("error") == []


def test_a_report_that_does_not_fit_on_the_disk_leaves_nothing(data, tmp_path, monkeypatch, caplog):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    require_checked(config_of(data, tmp_path))
    assert "No space left" in caplog.text
    assert list((tmp_path / "mlruns/.data").iterdir()) == []
