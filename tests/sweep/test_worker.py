"""A worker: results, failures, trade-offs, and what a sweep that goes on proposes."""

from itertools import pairwise

import numpy as np
import pytest
from made_up import ALONE, COMPLETE, FULL_STRENGTH, MEASURED, NUMBERS, TWO, Training, alpha_of, told
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.outcomes import TrialPruned
from fnmask.result import Result
from fnmask.sweep.claims import claim_trial
from fnmask.sweep.machine import this_process
from fnmask.sweep.samplers import build_sampler
from fnmask.sweep.study import CONTROL, EPOCH, LABEL, MATRICES, OUTCOME


def test_a_result_is_in_both_stores(begin_sweep, work, tmp_path):
    begun = begin_sweep(*TWO)
    assert work(begun, lambda config, epoch: {0.25: 8, 0.5: 12}[alpha_of(config)]) == "finished"
    assert told(begun) == [COMPLETE] * 2
    assert [trial.value for trial in begun.study.trials] == [0.5, 1]
    runs = begun.store.runs(begun.parent_run_id)
    assert [run.metrics["val/miou"] for run in runs] == [0.5, 1]
    assert [run.tag("kind") for run in runs] == ["trial"] * 2
    assert [run.tag("trial") for run in runs] == ["0", "1"]
    assert [run.name for run in runs] == [trial.user_attrs[LABEL] for trial in begun.study.trials]
    assert runs[0].params["loss.alpha"] == "0.25"
    assert begun.study.trials[0].user_attrs[EPOCH] == [2, 2, 0.5]
    assert (tmp_path / "mlruns" / "hydra" / "sweeps" / "s" / "1" / ".hydra" / "overrides.yaml").is_file()
    begun.close("finished")
    assert begun.store.find_sweep("s").tag("outcome") == "finished"


def test_a_sweep_without_a_tracking_store(begin_sweep, work):
    begun = begin_sweep(*TWO, "tracking=none")
    assert work(begun) == "finished"
    assert [trial.value for trial in begun.study.trials] == [0.5, 0.5]
    begun.close("finished")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("too wide"), "failed:crash"),
        (SystemExit(1), "failed:crash"),
        (ZeroDivisionError("0"), "failed:nonfinite"),
        (MemoryError("8 GiB"), "failed:memory"),
        (ConfigError(["loss.alpha: no."]), "failed:config"),
    ],
)
def test_a_trial_that_fails_is_recorded_and_the_next_one_is_run(begin_sweep, work, error, outcome):
    def learn(config, epoch):
        if alpha_of(config) == 0.25:
            raise error
        return 8

    begun = begin_sweep(*TWO)
    # The grid has one combination less than its budget.
    assert work(begun, learn) == "incomplete"
    assert told(begun) == [("FAIL", outcome, outcome, "FAILED"), COMPLETE]
    (run, _) = begun.store.runs(begun.parent_run_id)
    assert str(error) in run.tag("reason")
    assert begun.study.trials[0].user_attrs["fnmask:reason"] == run.tag("reason")
    assert b"in learn" in begun.store.read_artifact(run.run_id, "error.txt")


def test_a_result_that_cannot_be_ranked_has_failed(begin_sweep, work):
    begun = begin_sweep(*TWO, "study.constraints={val/precision/road: '>= 0.1'}")

    class Blind(Training):
        def __call__(self, config, tracker, **given):
            result = super().__call__(config, tracker, **given)
            return Result({**result.metrics, "val/precision/road": float("nan")}, result.val, None, 1.0)

    assert work(begun, training=Blind()) == "incomplete"
    assert told(begun) == [("FAIL", "failed:nonfinite", "failed:nonfinite", "FAILED")] * 2


def test_a_trial_that_breaks_a_constraint_counts_and_is_infeasible(begin_sweep, work):
    begun = begin_sweep(*TWO, "study.constraints={val/recall/road: '>= 0.5'}")
    # Recall 4/12 and 8/12.
    assert work(begun, lambda config, epoch: {0.25: 4, 0.5: 8}[alpha_of(config)]) == "finished"
    assert told(begun) == [("COMPLETE", "infeasible", "infeasible", "FINISHED"), COMPLETE]
    assert [trial.constraints["val/recall/road"] for trial in begun.study.trials] == pytest.approx([1 / 6, -1 / 6])


def test_a_trial_that_takes_too_long(begin_sweep, work):
    begun = begin_sweep(*TWO, "study.trial_timeout_s=1e-9")
    assert work(begun) == "incomplete"
    assert told(begun) == [("FAIL", "failed:timeout", "failed:timeout", "FAILED")] * 2
    assert "longer than study.trial_timeout_s=1e-09 at epoch 1" in begun.study.trials[0].user_attrs["fnmask:reason"]


def test_a_trial_that_leads_nowhere_is_pruned_and_counts(begin_sweep, work):
    # A median of one trial; the second is behind it after the first epoch.
    pruner = ("study/pruner=median", "study.pruner.n_startup_trials=1")
    begun = begin_sweep(*TWO, *FULL_STRENGTH, *pruner)
    seen = []

    def learn(config, epoch):
        seen.append((alpha_of(config), epoch))
        return {0.25: 8, 0.5: 4}[alpha_of(config)]

    assert work(begun, learn) == "finished"
    assert told(begun) == [COMPLETE, ("PRUNED", "pruned", "pruned", "FINISHED")]
    assert seen[4:] == [(0.5, 1)]
    run = begun.store.runs(begun.parent_run_id)[1]
    assert run.tag("reason") == "given up at epoch 1"


def test_too_many_failures_in_a_row_stop_the_sweep(begin_sweep, work):
    def fail(config, epoch):
        raise ValueError("too wide")

    begun = begin_sweep(*NUMBERS, "study.max_failures=2")
    assert work(begun, fail) == "stopped"
    assert [trial.state.name for trial in begun.study.trials] == ["FAIL"] * 2
    # Another call of the same command forgives them.
    begun = begin_sweep(*NUMBERS, "study.max_failures=2")
    assert work(begun) == "finished"
    assert told(begun)[2:] == [COMPLETE] * 3


def test_a_tradeoff_is_measured_against_the_control(begin_sweep, work):
    begun = begin_sweep(*MEASURED)
    training = Training(lambda config, epoch: 8 if config.is_plain else 12)
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [None, 0.25, 0.5], "the control is run first"
    # From an IoU of 0.5 to one of 1: 50 points.
    assert [trial.value for trial in begun.study.trials] == pytest.approx([0, 50, 50])
    assert [run.tag("control") for run in begun.store.runs(begun.parent_run_id)] == ["plain", "", ""]


def test_a_trial_waits_for_its_control_and_is_queued_behind_it_when_that_fails(begin_sweep, work):
    begun = begin_sweep(*MEASURED)
    # Another worker has the control.
    claimed = claim_trial(begun.study, begun.storage, begun.rules, this_process(), begun.plan.space.suggest)
    assert claimed.trial.user_attrs[CONTROL] == "plain"

    def learn(config, epoch):
        running = begun.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        if epoch == 2 and len(running) == 2:
            claimed.trial.set_user_attr(OUTCOME, "failed:crash")
            begun.study.tell(claimed.trial, state=TrialState.FAIL)
        return 8 if config.is_plain else 12

    training = Training(learn)

    def stop_in_time(config, epoch):
        assert len(training.ran) < 6, "the trial is run again and again, and its control is not"
        return learn(config, epoch)

    training.learn = stop_in_time
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.25, None, 0.25, 0.5]
    assert told(begun)[1] == ("FAIL", "interrupted", "interrupted", "KILLED")
    assert "ControlLost" in begun.study.trials[1].user_attrs["fnmask:reason"]


def test_a_hook_that_fails_for_one_trial_fails_that_trial(begin_sweep, work, monkeypatch):
    def hook(trial, chosen):
        if trial.number == 1:
            raise ValueError("too wide")
        return {}

    monkeypatch.setattr("fnmask.sweep.plan.hooked", hook, raising=False)
    begun = begin_sweep(*NUMBERS, "study.hook=fnmask.sweep.plan.hooked")
    assert work(begun) == "finished"
    assert [row[1] for row in told(begun)] == ["complete", "failed:crash", "complete", "complete"]


def numbers_of(begun):
    return [trial.params["loss.alpha"] for trial in begun.study.trials]


@pytest.mark.parametrize("sampler", ["random", "tpe", "quasi_random"])
def test_a_sweep_that_is_taken_up_again_goes_on_instead_of_starting_over(begin_sweep, work, sampler):
    for n_trials in (2, 4, 6):
        begun = begin_sweep(*NUMBERS, f"study.n_trials={n_trials}", f"study.sampler={sampler}")
        assert work(begun) == "finished"
    assert len(set(numbers_of(begun))) == 6


def test_the_same_seed_proposes_the_same_and_another_worker_something_else(begin_sweep, work):
    proposed = []
    for name, seed, index in (("a", 0, 0), ("b", 0, 0), ("c", 1, 0), ("d", 0, 1)):
        begun = begin_sweep(*NUMBERS[:-1], f"study.name={name}", f"study.seed={seed}")
        assert work(begun, index=index) == "finished"
        proposed.append(tuple(numbers_of(begun)))
    assert proposed[0] == proposed[1]
    assert len(set(proposed)) == 3


def test_a_pruned_training_needs_no_pruner(begin_sweep, work):
    def give_up(config, epoch):
        raise TrialPruned("not worth it")

    begun = begin_sweep(*TWO)
    assert work(begun, give_up) == "finished"
    assert told(begun) == [("PRUNED", "pruned", "pruned", "FINISHED")] * 2


def test_a_control_that_another_worker_finishes_meanwhile_is_found(begin_sweep, work):
    begun = begin_sweep(*MEASURED)
    control = claim_trial(begun.study, begun.storage, begun.rules, this_process(), begun.plan.space.suggest).trial

    def learn(config, epoch):
        # The first look, after the first epoch, has found none.
        if epoch == 2 and not finished:
            finished.append(control.number)
            matrix = np.full((5, 5), 1)
            np.fill_diagonal(matrix, 8)
            control.set_user_attr(MATRICES, [matrix.tolist()])
            begun.study.tell(control, 0.0)
        return 12

    finished = []
    training = Training(learn)
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.25, 0.5], "nothing is run again"
    assert [trial.value for trial in begun.study.trials] == pytest.approx([0, 50, 50])


@pytest.mark.parametrize("sampler", ["random", "quasi_random"])
def test_what_is_drawn_ahead_is_run_whole_and_warm_trials_first(begin_sweep, work, sampler):
    words = ("backbone=choice(tiny,unet_resnet18,fpn)", "loss.alpha=interval(0,1)", f"study.sampler={sampler}", *ALONE)
    runs = {}
    for n_trials in (5, 11):
        begun = begin_sweep(*words, f"study.n_trials={n_trials}")
        assert work(begun) == "finished"
        trials = sorted(begun.study.trials, key=lambda trial: trial.datetime_start)
        assert [trial.state.name for trial in trials] == ["COMPLETE"] * n_trials, "nothing is left in the queue"
        runs[n_trials] = [trial.params["backbone"] for trial in trials]
    # Blocks of five, and of six for the rest: each begins with what the worker holds, up to three networks.
    changes = sum(before != after for before, after in pairwise(runs[5]))
    assert changes == len(set(runs[5])) - 1, runs[5]


def test_another_worker_takes_from_the_same_queue(begin_sweep):
    begun = begin_sweep("loss.alpha=interval(0,1)", "study.sampler=random", "study.n_trials=6", *ALONE)
    sampler = build_sampler("random", seed=0, space=begun.plan.space)
    begun.study.sampler = sampler
    asked = []

    def draw_ahead(count):
        asked.append(count)
        return sampler.draw_ahead(begun.study, count)

    claimed = [
        claim_trial(
            *(begun.study, begun.storage, begun.rules, this_process(), begun.plan.space.suggest), draw_ahead=draw_ahead
        )
        for _ in range(6)
    ]
    assert asked == [6], "as many as the sweep lacks, and once for all workers"
    assert len({each.chosen["loss.alpha"] for each in claimed}) == 6


@pytest.mark.parametrize("fails", [False, True])
def test_a_failed_trial_takes_what_was_warm_with_it(begin_sweep, work, fails):
    """Its network is thrown away: the next trial is the next of the grid, whatever its network."""
    words = ("loss.alpha=choice(0.25,0.5,1)", "backbone=choice(tiny,unet_resnet18)", "study.sampler=grid", *ALONE)
    begun = begin_sweep(*words)
    networks = []

    def learn(config, epoch):
        if epoch == 1:
            networks.append(config.choices["backbone"])
        if fails and len(networks) == 2:
            raise ValueError("made up")
        return 8

    work(begun, learn)
    assert networks[:3] == ["tiny", "tiny", "unet_resnet18" if fails else "tiny"]
