"""A worker on a real study and a real MLflow store; only the training is made up."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.types import HydraContext
from optuna.trial import TrialState

from fnmask.binding import ConfigError
from fnmask.metrics.readings import summarize
from fnmask.outcomes import TrialPruned
from fnmask.result import Result, measure_tradeoff
from fnmask.sweep.begin import begin
from fnmask.sweep.claims import claim_trial
from fnmask.sweep.interruption import Interruption
from fnmask.sweep.join import run_worker
from fnmask.sweep.machine import this_process
from fnmask.sweep.plan import make_plan
from fnmask.sweep.recovery import requeue_lost
from fnmask.sweep.study import ATTEMPT, CONTROL, EPOCH, LABEL, OUTCOME, RETRY_OF, RUN_ID, outcome_of
from fnmask.sweep.worker import Worker
from fnmask.tracking.mlflow_run import MlflowTracker
from fnmask.tracking.mlflow_store import MlflowStore

# One direction, no control: what a trial finds is its own.
ALONE = ("study.directions={val/miou:maximize}", "study.controls={}", "study.best_known=false", "study.name=s")
# Two trials, `loss.alpha=0.25` first.
TWO = ("loss.alpha=choice(0.25,0.5)", "study.sampler=grid", *ALONE)
# Three numbers between 0 and 1.
NUMBERS = ("loss.alpha=interval(0,1)", "study.n_trials=3", *ALONE)
# A plain control, then the two.
MEASURED = (
    *("loss.alpha=choice(0.25,0.5)", "study.sampler=grid", "study.controls={plain: ['loss=plain']}"),
    *("study.best_known=false", "study.name=s"),
)
FULL_STRENGTH = ("loss.warmup_epochs=0", "loss.ramp_epochs=0", "trainer.epochs=4")


class Killed(BaseException):
    """Ends a worker where it stands, as `kill -9` does: nothing is told, nothing is closed."""


class Bench:
    """Data without images."""

    def load(self, config):
        empty = SimpleNamespace(ids=())
        return SimpleNamespace(train=empty, val=empty, test=empty, digest="none")

    def discard(self):
        pass


class Training:
    """Trains nothing. `learn(config, epoch)` says how many of the 12 pixels of each of five classes are right.

    The rest is spread over the other classes: 12 right ones are an IoU of 1, 8 one of 8/16, 4 one of 4/20.
    """

    def __init__(self, learn=lambda config, epoch: 8):
        self.learn, self.ran = learn, []

    def __call__(self, config, tracker, *, workbench, control, on_epoch, on_batch):
        self.ran.append((config.resolved["loss"].get("alpha"), config.seed))
        names = config.source.class_names
        for epoch in range(1, config.trainer.epochs + 1):
            on_batch()
            right = self.learn(config, epoch)
            matrix = np.full((5, 5), (12 - right) // 4)
            np.fill_diagonal(matrix, right)
            metrics = {f"val/{key}": value for key, value in summarize(matrix, names, config.loss.targets).items()}
            tracker.log_metrics(metrics, step=epoch)
            on_epoch(epoch, metrics, matrix)
        metrics |= measure_tradeoff(config, matrix, control())
        tracker.log_metrics(metrics, step=config.trainer.epochs)
        return Result(metrics, matrix[None], None, 1.0)


def alpha_of(config):
    return config.resolved["loss"].get("alpha")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory):
    root = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        MlflowStore(root, "elsewhere")
    return (root / "mlflow.db").read_bytes()


@pytest.fixture
def begin_sweep(tmp_path, monkeypatch, empty_mlflow, empty_database, composer, loader):
    """A function from the words of a command line to the sweep that it begins, or takes up."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "optuna.db").write_bytes(empty_database)
    (tmp_path / "mlflow.db").write_bytes(empty_mlflow)

    def from_words(*words):
        words = (f"root={tmp_path}", "trainer.epochs=2", *words)
        composing = composer(*words, "hydra/job_logging=none", "hydra/hydra_logging=none")
        return begin(make_plan(composing, words, with_options=False), composing, words)

    return from_words


@pytest.fixture
def context(loader):
    return HydraContext(config_loader=loader, callbacks=Callbacks())


@pytest.fixture
def work(context):
    """A function that is a worker of the sweep until it is over; returns how it ended."""

    def run(begun, learn=lambda config, epoch: 8, *, training=None, index=0):
        with Interruption() as interruption:
            return run_worker(
                begun, context, training or Training(learn), Bench(), interruption=interruption, index=index
            )

    return run


@pytest.fixture
def die(context, dead_process):
    """A function that is a worker until it is killed."""

    def run(begun, learn=lambda config, epoch: 8):
        with Interruption() as interruption, pytest.raises(Killed):
            Worker(begun, context, Training(learn), Bench(), interruption, 0, dead_process).run()

    return run


def told(begun):
    """How every trial ended: for Optuna, as its worker wrote, and in MLflow."""
    runs = {run.run_id: run for run in begun.store.runs(begun.parent_run_id)}
    rows = []
    for trial in begun.study.trials:
        run = runs.get(trial.user_attrs.get(RUN_ID, ""))
        rows.append((trial.state.name, outcome_of(trial), run and run.tag("outcome"), run and run.status))
    return rows


COMPLETE = ("COMPLETE", "complete", "complete", "FINISHED")


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


def test_a_preempted_trial_is_queued_again_and_run_by_the_next_call(begin_sweep, work):
    def learn(config, epoch):
        signal.raise_signal(signal.SIGTERM)
        return 8

    begun = begin_sweep(*NUMBERS)
    training = Training(learn)
    assert work(begun, training=training) == "interrupted"
    assert told(begun)[0] == ("FAIL", "interrupted", "interrupted", "KILLED")
    assert begun.study.trials[1].state == TrialState.WAITING
    again = begin_sweep(*NUMBERS)
    resumed = Training()
    assert work(again, training=resumed) == "finished"
    assert resumed.ran[0] == training.ran[0], "the same number"
    assert again.store.runs(again.parent_run_id)[1].tag("retry_of") == "0"
    assert again.study.trials[1].user_attrs[ATTEMPT] == 0, "which was not its fault"


def test_the_first_ctrl_c_lets_the_running_trial_finish(begin_sweep, work):
    def learn(config, epoch):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return 8

    begun = begin_sweep(*NUMBERS)
    assert work(begun, learn) == "interrupted"
    assert told(begun) == [COMPLETE]


def test_the_second_ctrl_c_cuts_it_short(begin_sweep, work):
    def learn(config, epoch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return 8

    begun = begin_sweep(*NUMBERS)
    assert work(begun, learn) == "interrupted"
    assert [row[1] for row in told(begun)] == ["interrupted", "queued"]


def test_the_trial_of_a_killed_worker_is_run_again(begin_sweep, work, die):
    def learn(config, epoch):
        raise Killed

    begun = begin_sweep(*TWO)
    die(begun, learn)
    assert told(begun) == [("RUNNING", "running", "running", "RUNNING")]
    begun = begin_sweep(*TWO)
    training = Training()
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.25, 0.5]
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]
    runs = begun.store.runs(begun.parent_run_id)
    assert [run.tag("retry_of") for run in runs] == ["", "0", ""]
    attributes = begun.study.trials[1].user_attrs
    assert (attributes[RETRY_OF], attributes[ATTEMPT]) == (0, 1)


def test_a_worker_that_is_killed_before_its_run_was_opened(begin_sweep, work, die, monkeypatch):
    def open_nothing(*given, **named):
        raise Killed

    begun = begin_sweep(*TWO)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "start_run", open_nothing)
        die(begun)
    assert work(begun) == "finished"
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", None, None), COMPLETE, COMPLETE]


@pytest.mark.parametrize("right", [4, 8], ids=["infeasible", "complete"])
def test_a_result_that_was_told_before_its_run_was_closed(begin_sweep, work, die, monkeypatch, right):
    def finish_nothing(*given, **named):
        raise Killed

    words = (*TWO, "study.constraints={val/recall/road: '>= 0.5'}")
    begun = begin_sweep(*words)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "finish", finish_nothing)
        die(begun, lambda config, epoch: right)
    outcome = "infeasible" if right == 4 else "complete"
    assert told(begun) == [("COMPLETE", outcome, "running", "RUNNING")]
    begun = begin_sweep(*words)
    training = Training()
    assert work(begun, training=training) == "finished"
    assert [alpha for alpha, _ in training.ran] == [0.5], "the first one has its result"
    begun.close("finished")
    assert told(begun) == [("COMPLETE", outcome, outcome, "FINISHED"), COMPLETE]


def test_a_worker_that_is_killed_between_the_word_and_the_result(begin_sweep, work, die):
    begun = begin_sweep(*TWO)
    tell = begun.study.tell

    def tell_nothing(*given, **named):
        raise Killed

    begun.study.tell = tell_nothing
    die(begun)
    begun.study.tell = tell
    assert begun.study.trials[0].user_attrs[OUTCOME] == "complete"
    assert work(begun) == "finished"
    begun.close("finished")
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]


def test_a_run_that_cannot_be_closed_now_is_closed_with_the_sweep(begin_sweep, work, monkeypatch, caplog):
    def finish_nothing(*given, **named):
        raise OSError("the server is away")

    begun = begin_sweep(*TWO)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "finish", finish_nothing)
        assert work(begun) == "finished"
    assert "The run of trial 0 could not be closed: OSError: the server is away" in caplog.text
    begun.close("finished")
    assert told(begun) == [COMPLETE] * 2


def test_a_worker_that_was_taken_for_dead_gives_its_result_up(begin_sweep, work):
    begun = begin_sweep(*TWO)
    interfered = []

    def learn(config, epoch):
        if not interfered:
            # What another machine does after nine missed heartbeats.
            interfered.append(begun.study.trials[0])
            begun.study.tell(0, state=TrialState.FAIL)
            requeue_lost(begun.study, interfered[0], 2)
        return 8

    assert work(begun, learn) == "finished"
    begun.close("finished")
    # Its settings have been run by whoever took the copy, here the same worker.
    assert told(begun) == [("FAIL", "lost", "lost", "KILLED"), COMPLETE, COMPLETE]


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
