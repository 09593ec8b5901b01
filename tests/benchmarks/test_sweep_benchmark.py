"""`python -m benchmarks.sweep`: that its pieces run and count rightly; not how fast anything is."""

import json
import sqlite3
from contextlib import closing
from importlib.util import find_spec

import optuna
import pytest

from benchmarks import sweep_overhead, sweep_rivals
from benchmarks.dummy import DummyTrial, begin_dummy, count, words_of, work
from benchmarks.rivals_common import run_epochs, score_of, take_number
from benchmarks.sweep_databases import Databases
from benchmarks.sweep_filling import fill_runs, fill_study
from benchmarks.sweep_parallel import Scale, _numbers, draw_sleeps, efficiency, wall_seconds
from fnmask.sweep.study import RUN_ID, outcome_of


def silent(line):
    pass


def trial(place, began_s, ended_s):
    return {"place": place, "began_s": began_s, "ended_s": ended_s, "sleep_s": ended_s - began_s}


def test_efficiency_is_the_share_of_the_workers_time_that_was_slept():
    # Two workers for ten seconds, of which three trials of five seconds fill fifteen.
    assert efficiency([5.0, 5.0, 5.0], 2, 10.0) == 0.75


def test_the_clock_runs_from_the_first_trial_to_the_last_end_without_those_that_warm_up():
    trials = [trial(0, 0.0, 1.0), trial(2, 3.0, 9.0), trial(1, 2.0, 4.0), trial(3, 5.0, 7.0)]
    assert wall_seconds(trials) == 9.0
    assert wall_seconds(trials, first=2) == 6.0


def test_everybody_sleeps_as_long_and_log_normal_trials_have_the_same_mean():
    assert draw_sleeps("equal", 4, 2.5) == [2.5] * 4
    drawn = draw_sleeps("log-normal", 24, 2.5)
    assert drawn == draw_sleeps("log-normal", 24, 2.5)
    assert sum(drawn) == pytest.approx(24 * 2.5)
    assert max(drawn) > 2 * min(drawn)


def test_a_trial_takes_from_the_end_of_one_to_the_end_of_the_next():
    ends = [1.0, 9.0, 10.0, 10.5, 13.0]
    assert sweep_rivals.seconds_per_trial([{"ended_s": end} for end in ends], warmup=1) == pytest.approx(4.0 / 3)


def test_sqlite_is_measured_up_to_the_workers_that_it_allows():
    assert _numbers("SQLite", Scale()) == [4, 8]
    assert _numbers("SQLite", Scale(workers=(1, 2))) == [2]
    assert _numbers("PostgreSQL", Scale()) == [1, 2, 4, 8, 16]


def test_milliseconds_have_quartiles_and_leave_out_what_did_not_run():
    assert sweep_overhead.milliseconds([0.001, None, 0.002, 0.003, 0.004, 0.005]) == "**3** [2, 4]"
    assert sweep_overhead.milliseconds([0.001]) == "**1** [1, 1]"


def test_trials_note_their_times_and_take_their_sleeps_in_turn(tmp_path):
    request = {"folder": str(tmp_path), "sleeps": [0.0, 0.04], "payload": {"metrics": {"train/loss": 1.0}}}
    logged = []
    for _ in range(2):
        run_epochs(request, 0.5, lambda epoch, metrics: logged.append((epoch, metrics)))
    notes = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [note["sleep_s"] for note in notes] == [0.0, 0.04]
    assert notes[1]["ended_s"] - notes[1]["began_s"] >= 0.04
    assert [epoch for epoch, _ in logged] == [1, 2, 3, 4] * 2
    assert logged[0][1] == {"train/loss": 1.0, "val/miou": 0.5}
    assert take_number(tmp_path) == 2


def test_a_filled_study_looks_as_if_its_trials_had_been_run(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    work(words_of(tmp_path, storage, 2), DummyTrial(), begun=begin_dummy(words_of(tmp_path, storage, 2)))
    fill_study(storage, 30)
    fill_runs(f"sqlite:///{tmp_path / 'mlflow.db'}", 31)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials = optuna.load_study(study_name="dummy", storage=storage).trials
    real, copies = trials[1], trials[2:]
    assert [each.number for each in trials] == list(range(30))
    assert count([outcome_of(each) for each in trials]) == {"complete": 30}
    assert all(each.user_attrs.keys() == real.user_attrs.keys() for each in copies)
    assert all(each.distributions == real.distributions for each in copies)
    assert len({each.params["loss.alpha"] for each in copies} | {each.user_attrs[RUN_ID] for each in copies}) == 56
    # What is copied is scored as a dummy trial scores itself.
    for each in trials:
        assert each.value == pytest.approx(score_of(each.params["loss.alpha"]))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        for name, of_each in (("metrics", 120), ("latest_metrics", 30), ("params", 97)):
            counts = database.execute(f"SELECT count(*) FROM {name} GROUP BY run_uuid ORDER BY count(*) DESC LIMIT 30")
            assert {row[0] for row in counts} == {of_each}
    # The sweep goes on from there, and its budget counts them.
    work(words_of(tmp_path, storage, 31), DummyTrial(), begun=begin_dummy(words_of(tmp_path, storage, 31)))
    assert len(optuna.load_study(study_name="dummy", storage=storage).trials) == 31


@pytest.mark.slow
def test_overhead_is_timed_phase_by_phase(tmp_path):
    timings, phases = sweep_overhead.measure(Databases(tmp_path, None), "SQLite", "random", [6], 2, silent)
    assert {size: len(seconds) for size, seconds in timings.seconds.items()} == {"6": 2}
    assert all(len(taken) == len(sweep_overhead.PHASES) for of_size in phases.values() for taken in of_size)
    assert all(second > 0 for of_size in phases.values() for taken in of_size for second in taken)
    trials = optuna.load_study(study_name="dummy_random", storage=f"sqlite:///{tmp_path / 'optuna_random_6.db'}").trials
    # The rest of what was drawn ahead waits.
    assert sum(trial.state.is_finished() for trial in trials) == 6 + sweep_overhead._WARMUP + 2


@pytest.mark.slow
@pytest.mark.skipif(find_spec("optuna_integration") is None, reason="optuna-integration is not installed")
def test_the_callback_logs_as_much_as_we_do(tmp_path):
    payload = sweep_rivals.read_payload(tmp_path)
    ours = sweep_rivals.count_logged(tmp_path)
    assert ours == "120 / 97 / 21 / 1"
    trials = sweep_rivals.run_contestant(sweep_rivals.CALLBACK, tmp_path, payload, 2)
    assert [each["place"] for each in trials] == [0, 1]
    # It logs the score a second time, as what was optimized.
    assert sweep_rivals.count_logged(tmp_path) == ours.replace("120", "121")


@pytest.mark.slow
def test_workers_of_one_sweep_share_its_trials(tmp_path):
    trials = sweep_rivals.run_contestant(sweep_rivals.OURS, tmp_path, {}, 4, n_workers=2, sleeps=[0.2] * 4)
    assert sorted(each["place"] for each in trials) == [0, 1, 2, 3]
    assert wall_seconds(trials) >= 2 * 0.2


def test_who_fails_says_why(tmp_path):
    broken = sweep_rivals.Contestant("broken", ("sh", "rivals_common.py"), "")
    with pytest.raises(RuntimeError, match=r"broken: exit code .*, 0 trials"):
        sweep_rivals.run_contestant(broken, tmp_path, {}, 1)


def test_whose_environment_is_missing_is_told_how_to_make_it(tmp_path, monkeypatch):
    def run(contestant, folder, payload, n_trials):
        (folder / "of_ours").mkdir()
        (folder / "of_ours" / "about.json").write_text('{"versions": {"optuna": "5"}, "search": "tpe"}')
        (folder / "last").unlink(missing_ok=True)
        (folder / "last").symlink_to(folder / "of_ours")
        return [{"ended_s": place} for place in range(n_trials)]

    monkeypatch.setattr(sweep_rivals, "read_payload", lambda folder: {})
    monkeypatch.setattr(sweep_rivals, "count_logged", lambda folder: "1 / 2 / 3 / 4")
    monkeypatch.setattr(sweep_rivals, "run_contestant", run)
    absent = sweep_rivals.Contestant("absent", (str(tmp_path / "python"), "rivals_ray.py"), "make sweep-rivals")
    lines = sweep_rivals.report(tmp_path, 2, 3, silent, only=(sweep_rivals.OURS, absent))
    few = "**1.00** [1.00, 1.00, 3 rounds]"
    assert lines[-2] == f"| fnmask | **1000** [1000, 1000] | {few} | - | - | 1 / 2 / 3 / 4 | tpe; optuna 5 |"
    assert lines[-1] == "| absent | - | - | - | - | - | not installed: make sweep-rivals |"
