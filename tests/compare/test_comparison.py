"""Files, attachment and the command, on a real store."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fnmask import cli
from fnmask.compare import write_comparison
from fnmask.compare.table import build_table
from fnmask.tracking.mlflow_store import MlflowStore

AddTrial = Callable[..., str]
PLAIN = [[80, 20, 0], [10, 40, 0], [0, 10, 40]]
SOFT = [[95, 5, 0], [20, 30, 0], [0, 0, 50]]


@pytest.fixture
def parent(store: MlflowStore, add_trial: AddTrial) -> str:
    parent = store.open_sweep(study="roads & <cars>", tags={"fnmask.commit": "abc123"}, params={"study": {"n": 2}})
    add_trial(parent, 0, "plain", PLAIN, control="plain")
    add_trial(parent, 1, "soft</script> road a=0", SOFT)
    store.close_sweep(parent, "finished")
    return parent


def test_everything_is_written_and_attached(store: MlflowStore, parent: str, tmp_path: Path) -> None:
    result = write_comparison(store, [], tmp_path / "out" / "deep")
    assert set(result.paths) == {"report.html", "report.md", "report.json", "table.txt", "test.csv", "val.csv"}
    assert result.main.split == "test"
    assert result.paths["table.txt"].read_text() == result.table
    with result.paths["test.csv"].open(newline="") as file:
        assert [row["iou_car_percent"] for row in csv.DictReader(file)] == ["80.0000", "100.0000"]
    for name, path in result.paths.items():
        assert store.read_artifact(parent, f"compare/{name}") == path.read_bytes()
    assert store.find_sweep().status == "FINISHED", "attaching does not open the run again"


def test_page_needs_no_network_and_escapes_names(store: MlflowStore, parent: str, tmp_path: Path) -> None:
    page = write_comparison(store, [], tmp_path, attach=False).report.read_text()
    assert store.artifact_names(parent, "compare") == ()
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    # The plotting library, the figures, and what acts on the page.
    assert page.count("</script>") == 3
    assert "roads &amp; &lt;cars&gt;" in page
    assert "soft&lt;/script&gt; road a=0" in page
    for fact in ("abc123", "toy, 2 images", "2 complete", "epochs 3"):
        assert fact in page


def test_intervals_are_corrected_for_all_tables_of_the_page(store: MlflowStore, parent: str, tmp_path: Path) -> None:
    result = write_comparison(store, [], tmp_path, attach=False)
    alone = {split: build_table(result.sweep, split, resamples=20).comparisons for split in ("test", "val")}
    assert alone["test"] > 1
    assert {table.comparisons for table in result.tables.values()} == {sum(alone.values())}


def test_split_can_be_chosen(store: MlflowStore, parent: str, tmp_path: Path) -> None:
    assert write_comparison(store, [], tmp_path, split="val", attach=False).main.split == "val"
    with pytest.raises(ValueError, match=r"'train'.*test, val"):
        write_comparison(store, [], tmp_path, split="train")


def test_command_prints_the_table_and_the_page(
    store: MlflowStore, parent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = store.root / "some" / "where"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert cli.main(["compare"]) == 0
    output = capsys.readouterr().out
    page = store.root / "mlruns" / "reports" / "roads_cars_" / "report.html"
    assert page.is_file()
    assert f"page: {page}" in output
    assert "+13.2" in output
    assert cli.main(["compare", "--sweep", parent[:10], "--split", "val", "--output", "here"]) == 0
    assert (folder / "here" / "val.csv").is_file()


def test_command_refuses_in_one_line(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(store.root)
    assert cli.main(["compare"]) == 2
    assert "No sweep has been run yet" in capsys.readouterr().err
    store.open_sweep(study="s", tags={}, params={})
    assert cli.main(["compare", "--sweep", "other"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setattr(cli, "find_root", lambda start: None)
    assert cli.main(["compare"]) == 2
    assert "No mlflow.db" in capsys.readouterr().err


def test_command_refuses_a_file_for_a_folder(
    store: MlflowStore, parent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store.root)
    Path("page.html").touch()
    for given in ("page.html", "page.html/deeper"):
        assert cli.main(["compare", "--output", given]) == 2
        told = capsys.readouterr().err
        assert told.startswith("fnmask: The comparison cannot be written: ")
        assert told.endswith(f"{given}'. Give another folder with --output DIR.\n")


def test_command_makes_no_experiment_and_names_those_that_there_are(
    store: MlflowStore, parent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store.root)
    for _ in range(2):  # the first call must not have made it
        assert cli.main(["compare", "--experiment", "typo"]) == 2
        told = capsys.readouterr().err
        assert "no MLflow experiment 'typo'" in told
        assert "fnmask" in told
        assert "--experiment NAME" in told


def test_command_names_the_experiments_that_hold_sweeps(
    store: MlflowStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    MlflowStore(store.root, "other").open_sweep(study="s", tags={}, params={})
    monkeypatch.chdir(store.root)
    assert cli.main(["compare"]) == 2
    told = capsys.readouterr().err
    assert "No sweep has been run in the experiment 'fnmask'" in told
    assert "hold sweeps: other (1). Choose one with --experiment NAME" in told


def test_root_is_the_nearest_parent_with_a_database(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "mlflow.db").touch()
    assert cli.find_root(inner) == tmp_path
    (tmp_path / "a" / "mlflow.db").touch()
    assert cli.find_root(inner) == tmp_path / "a"


def test_help_needs_neither_mlflow_nor_tensorflow() -> None:
    code = (
        "import sys, contextlib; from fnmask import cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['compare', '--help'])\n"
        "print([name for name in ('tensorflow', 'keras', 'mlflow', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--sweep" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


def test_comparing_needs_no_tensorflow(store: MlflowStore, parent: str) -> None:
    code = (
        "import sys; from fnmask.cli import main; code = main(['compare'])\n"
        "print(code, 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=store.root, env=environment)
    assert result.stdout.splitlines()[-1] == "0 False False"
    assert result.stderr == ""


def test_a_control_of_an_earlier_sweep_is_on_the_page(store: MlflowStore, add_trial: AddTrial, tmp_path: Path) -> None:
    earlier = store.open_sweep(study="earlier", tags={}, params={})
    add_trial(earlier, 0, "plain", PLAIN, control="plain")
    add_trial(store.open_sweep(study="later", tags={}, params={}), 0, "soft", SOFT)
    result = write_comparison(store, ["later"], tmp_path, attach=False)
    assert [row.variant for row in result.main.rows] == ["plain", "soft"]
