"""Trials of several seeds, by a worker."""

import numpy as np
import pytest
from made_up import COMPLETE, MEASURED, TWO, Killed, Training, alpha_of, told

from fnmask.sweep.study import EPOCH
from fnmask.tracking.mlflow_store import MlflowStore


def test_three_seeds_are_three_runs_below_that_of_the_trial(begin_sweep, work):
    begun = begin_sweep(*TWO, "study.seeds=3", "seed=5")
    # IoU 0.5, 1 and 0.2 at the seeds 5, 6 and 7.
    training = Training(lambda config, epoch: {5: 8, 6: 12, 7: 4}[config.seed])
    assert work(begun, training=training) == "finished"
    assert training.ran == [(0.25, 5), (0.25, 6), (0.25, 7), (0.5, 5), (0.5, 6), (0.5, 7)]
    assert told(begun) == [COMPLETE] * 2
    mean = (0.5 + 1 + 0.2) / 3
    assert [trial.value for trial in begun.study.trials] == pytest.approx([mean, mean])
    trial, _ = begun.store.runs(begun.parent_run_id)
    assert trial.tag("kind") == "trial"
    assert trial.metrics["val/miou"] == pytest.approx(mean)
    assert trial.metrics["seed_std/val/miou"] == pytest.approx(np.std([0.5, 1, 0.2], ddof=1))
    seeds = begun.store.runs(trial.run_id)
    assert [(run.tag("kind"), run.tag("seed"), run.tag("trial"), run.status) for run in seeds] == [
        ("seed", seed, "0", "FINISHED") for seed in ("5", "6", "7")
    ]
    assert [run.metrics["val/miou"] for run in seeds] == [0.5, 1, 0.2]
    assert len(begun.store.seed_runs(begun.parent_run_id)) == 6
    assert begun.study.trials[0].user_attrs[EPOCH] == [6, 6, 0.2]


def test_every_seed_is_measured_against_the_control_of_the_same_seed(begin_sweep, work):
    begun = begin_sweep(*MEASURED, "study.seeds=3")
    plain, masked = {0: 8, 1: 12, 2: 4}, {0: 12, 1: 8, 2: 8}
    learn = lambda config, epoch: (plain if config.is_plain else masked)[config.seed]  # noqa: E731
    assert work(begun, learn) == "finished"
    # 0.5 to 1, 1 to 0.5, 0.2 to 0.5.
    assert begun.study.trials[1].value == pytest.approx((50 - 50 + 30) / 3)


def test_a_trial_that_is_clearly_worse_is_not_given_its_other_seeds(begin_sweep, work):
    begun = begin_sweep(*TWO, "study.seeds=3", "study.seed_margin_points=5")
    training = Training(lambda config, epoch: {0.25: 12, 0.5: 8}[alpha_of(config)])
    assert work(begun, training=training) == "finished"
    assert training.ran[3:] == [(0.5, 0)]
    assert told(begun) == [COMPLETE, ("PRUNED", "pruned", "pruned", "FINISHED")]
    _, pruned = begun.store.runs(begun.parent_run_id)
    assert pruned.tag("reason") == "clearly worse after the first of 3 seeds"
    (seed,) = begun.store.runs(pruned.run_id)
    assert seed.tag("outcome") == "complete", "that seed was run to its end"


def test_a_seed_that_fails_fails_its_trial(begin_sweep, work):
    def learn(config, epoch):
        if (alpha_of(config), config.seed) == (0.25, 1):
            raise ValueError("too wide")
        return 8

    begun = begin_sweep(*TWO, "study.seeds=3")
    training = Training(learn)
    assert work(begun, training=training) == "incomplete"
    assert training.ran[:3] == [(0.25, 0), (0.25, 1), (0.5, 0)]
    assert told(begun) == [("FAIL", "failed:crash", "failed:crash", "FAILED"), COMPLETE]
    failed, _ = begun.store.runs(begun.parent_run_id)
    assert [run.tag("outcome") for run in begun.store.runs(failed.run_id)] == ["complete", "failed:crash"]


def test_a_worker_that_is_killed_in_its_second_seed_leaves_nothing_open(begin_sweep, work, die):
    def learn(config, epoch):
        if config.seed == 1:
            raise Killed
        return 8

    begun = begin_sweep(*TWO, "study.seeds=2")
    die(begun, learn)
    begun = begin_sweep(*TWO, "study.seeds=2")
    assert work(begun) == "finished"
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]
    lost, *_ = begun.store.runs(begun.parent_run_id)
    assert [run.tag("outcome") for run in begun.store.runs(lost.run_id)] == ["complete", "lost"]


def test_a_store_that_is_away_does_not_lose_a_trial_of_several_seeds(begin_sweep, work, monkeypatch):
    start, calls = MlflowStore.start_run, []

    def start_at_the_second_attempt(*given, **named):
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the server is away")
        return start(*given, **named)

    monkeypatch.setattr(MlflowStore, "start_run", start_at_the_second_attempt)
    begun = begin_sweep(*TWO, "study.seeds=2")
    assert work(begun) == "incomplete"
    assert [row[1] for row in told(begun)] == ["failed:crash", "complete"]
