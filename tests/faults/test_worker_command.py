"""`fnmask worker`: workers that find all they need in the study."""

import signal
import sys

import optuna
import pytest
from sweeping import BUDGET, QUICKSTART, Running, check_books, run_sweep, sqlite, train_command

pytestmark = pytest.mark.slow


def worker_command(storage, *words):
    return [sys.executable, "-m", "fnmask", "worker", "--study", "quickstart", "--storage", storage, *words]


def test_workers_join_a_sweep_that_only_watches(tmp_path, database):
    sweep = Running(train_command(tmp_path, *QUICKSTART, "study.n_workers=0", storage=database), tmp_path)
    sweep.wait_for("Start workers with: fnmask worker --study quickstart --storage 'postgresql")
    workers = [Running(worker_command(database, "--index", str(index)), tmp_path / "elsewhere") for index in range(2)]
    assert [worker.end() for worker in workers] == [0, 0], [worker.text for worker in workers]
    assert sweep.end() == 0, sweep.text
    assert "Sweep quickstart: finished" in workers[0].text
    check_books(tmp_path, "quickstart", database, budget=BUDGET)
    # There is nothing left to do for another one.
    late = Running(worker_command(database), tmp_path / "elsewhere")
    assert late.end() == 0, late.text


def test_the_last_worker_closes_a_sweep_that_nobody_watches(tmp_path, database):
    sweep = Running(train_command(tmp_path, *QUICKSTART, "study.n_workers=0", storage=database), tmp_path)
    sweep.wait_for("Start workers with")
    sweep.send(signal.SIGINT)
    assert sweep.end() == 130, sweep.text
    worker = Running(worker_command(database), tmp_path / "elsewhere")
    assert worker.end() == 0, worker.text
    check_books(tmp_path, "quickstart", database, budget=BUDGET)


def test_a_worker_joins_a_sweep_that_runs_in_its_own_process(tmp_path):
    sweep = Running(train_command(tmp_path, *QUICKSTART), tmp_path)
    sweep.wait_for("[complete]")
    worker = Running(worker_command(sqlite(tmp_path)), tmp_path)
    assert (sweep.end(), worker.end()) == (0, 0), sweep.text + worker.text
    check_books(tmp_path, "quickstart", sqlite(tmp_path), budget=BUDGET)


def test_a_password_is_left_nowhere(tmp_path, database):
    secret = database.replace("@", ":s3cret@", 1)
    code, text = run_sweep(
        tmp_path, *QUICKSTART, "study.n_trials=3", "trainer.epochs=1", storage="${oc.env:STORAGE}", STORAGE=secret
    )
    assert code == 0, text
    more = Running(
        train_command(tmp_path, *QUICKSTART, "trainer.epochs=1", "study.n_workers=0", storage="${oc.env:STORAGE}"),
        tmp_path,
        STORAGE=secret,
    )
    more.wait_for("Start workers with")
    worker = Running([*worker_command(secret)[:-2]], tmp_path / "elsewhere", FNMASK_STORAGE=secret)
    assert (worker.end(), more.end()) == (0, 0), worker.text + more.text
    left = [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert left == []
    attributes = optuna.load_study(study_name="quickstart", storage=database).user_attrs
    assert "s3cret" not in str(attributes)


def test_what_does_not_fit_is_refused(tmp_path, database):
    absent = Running(worker_command(database), tmp_path)
    assert absent.end() == 2
    assert "study.name: there is no study 'quickstart'. There are: none." in absent.text
    code, text = run_sweep(tmp_path, *QUICKSTART, "trainer.epochs=2", storage=database)
    assert code == 0, text
    other = Running(worker_command(database, "trainer.epochs=3"), tmp_path)
    assert other.end() == 2, other.text
    assert "trainer.epochs: was 2, is 3" in other.text
