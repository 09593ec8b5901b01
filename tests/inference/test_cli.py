"""`fnmask predict` and `fnmask export` from end to end, in process."""

import csv
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from fnmask.cli import main
from fnmask.data.mask_files import read_values
from fnmask.inference.segmenter import Segmenter
from fnmask.inference.trained import load_trained


@pytest.fixture
def here(project, monkeypatch):
    """In the project's root, with an image and a file that is none."""
    monkeypatch.chdir(project.root)
    picture, _ = project.config("loss=plain").source.load("val", 0)
    (project.root / "photos").mkdir()
    Image.fromarray(picture).save(project.root / "photos" / "one.png")
    Image.fromarray(np.tile(picture, (2, 1, 1))[:70]).save(project.root / "photos" / "tall.png")
    return project


def test_predict(here, capsys):
    assert main(["predict", "--run", here.ids["plain0"][:8], "photos", "-o", "photos/out"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines() == [
        f"plain (run {here.ids['plain0']})",
        "2 images: masks/ and overlays/ in photos/out, areas in photos/out/areas.csv",
    ]
    segmenter = Segmenter(load_trained(here.store, here.ids["plain0"]))
    with Image.open("photos/one.png") as one:
        wanted = segmenter.segment_whole(np.array(one))
    np.testing.assert_array_equal(read_values(here.root / "photos/out/masks/one.png")[0], wanted)
    with open("photos/out/areas.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["one", "tall"]
    assert int(rows[0]["road_px"]) == (wanted == 2).sum()
    assert sum(int(rows[1][key]) for key in rows[1] if key.endswith("_px")) == 70 * 48
    # Again, with a file that is none, in tiles, with a threshold: nothing of the first call is taken for an image.
    (here.root / "photos" / "bad.png").write_text("hello")
    words = ["--tile", "--overlap", "8", "--decision", "road>0.8"]
    assert main(["predict", "--run", here.ids["plain0"], "photos", "-o", "photos/out", *words]) == 3
    told = capsys.readouterr().out
    assert "decision road>0.8\n2 images" in told
    assert re.search(r"1 skipped:\n  \S+/photos/bad\.png cannot be read as a picture[^\n]*\n", told)
    assert (read_values(here.root / "photos/out/masks/one.png")[0] == 2).sum() < (wanted == 2).sum()


def test_predict_with_the_id_of_a_moved_threshold(here, capsys):
    run_id = here.ids["plain0"]
    assert main(["export", "--run", run_id, "--decision", "road>0.8", "-o", "m"]) == 0
    told = capsys.readouterr().out
    (recorded,) = re.findall(r"moved threshold, seed 0: run (\w+), others' gain [+-]\d+\.\d, target cost", told)
    assert told.count("moved threshold, seed") == 3
    assert re.search(r"^m\.keras, for images of 48 x 48 px; what it takes and gives: m\.keras\.json$", told, re.M)
    assert "checked: logits differ by at most" in told
    assert main(["predict", "--run", recorded, "photos/one.png", "-o", "a"]) == 0
    assert f"plain (run {run_id}), decision road>0.8" in capsys.readouterr().out
    assert main(["predict", "--run", run_id, "photos/one.png", "-o", "b", "--decision", "road>0.8"]) == 0
    np.testing.assert_array_equal(
        read_values(here.root / "a/masks/one.png")[0], read_values(here.root / "b/masks/one.png")[0]
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "--run", "RUN", "nowhere", "-o", "out"], "There is no image in 'nowhere'"),
        (["predict", "--run", "RUN", "photos", "-o", "photos/one.png"], "one.png is a file. Give a folder"),
        (["predict", "--run", "123456", "photos", "-o", "out"], "There is no run '123456' in the experiment 'fnmask'"),
        (["predict", "--run", "PRUNED", "photos", "-o", "out"], "has no trained network: it is pruned"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--experiment", "x"], "There is no MLflow experiment 'x'"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--scale", "0.5"], "--overlap and --scale are for tiles"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--tile", "--scale", "inf"], "--scale is inf"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--tile", "--scale", "nan"], "--scale is nan"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--tile", "--overlap", "48"], "give less than 48"),
        (["predict", "--run", "RUN", "photos", "-o", "out", "--decision", "road"], "Write CLASS>THRESHOLD"),
        (["export", "--run", "RUN", "--decision", "raod>0.8"], "Did you mean road?"),
        (["export", "--run", "RUN", "-o", "photos/one.keras"], "photos/one.keras is there already"),
        (["export", "--run", "RUN", "--image-size", "0", "-5"], "--image-size is 0 -5; give px above 0"),
        (["export", "--run", "RUN", "--format", "mlflow", "-o", "m"], "keeps the model with its run"),
        (["export", "--run", "RUN", "--register", "name"], "--register is for --format mlflow"),
        (["export", "--run", "RUN", "--format", "mlflow", "--register", "a/b"], "none with / or :"),
        (["export", "--run", "RUN", "--data", "there"], "--data is for --decision"),
        (["export", "--run", "RUN", "--data", "there", "--decision", "road>0.123"], "say where they lie with --data"),
    ],
)
def test_refusals_are_one_message_and_2(here, capsys, words, told):
    shutil.copy("photos/one.png", "photos/one.keras")
    ids = {"RUN": here.ids["plain0"], "PRUNED": here.ids["pruned"]}
    assert main([ids.get(word, word) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fnmask: ")
    assert told in error
    assert len(error.splitlines()) <= 2


def test_outside_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    assert main(["predict", "--run", "123456", "a.png", "-o", "out"]) == 2
    assert "No mlflow.db in" in capsys.readouterr().err


def test_a_broken_export_is_told(here, capsys, monkeypatch):
    from fnmask.inference import export

    monkeypatch.setitem(export._WRITERS, "keras", lambda model, path: lambda images: np.ones((2, 48, 48, 5)))
    assert main(["export", "--run", here.ids["plain0"], "-o", "broken"]) == 2
    assert "does not compute what the network does" in capsys.readouterr().err
