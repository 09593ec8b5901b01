"""A worker on a real study and a real MLflow store, whose trainings are made up."""

from types import SimpleNamespace

import numpy as np

from fnmask.metrics.readings import summarize
from fnmask.result import Result, measure_tradeoff
from fnmask.sweep.study import RUN_ID, outcome_of

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


def told(begun):
    """How every trial ended: for Optuna, as its worker wrote, and in MLflow."""
    runs = {run.run_id: run for run in begun.store.runs(begun.parent_run_id)}
    rows = []
    for trial in begun.study.trials:
        run = runs.get(trial.user_attrs.get(RUN_ID, ""))
        rows.append((trial.state.name, outcome_of(trial), run and run.tag("outcome"), run and run.status))
    return rows


COMPLETE = ("COMPLETE", "complete", "complete", "FINISHED")
