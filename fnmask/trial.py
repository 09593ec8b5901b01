"""One trial, a straight line: config -> data -> model and loss -> fit -> confusion matrices -> metrics -> tracker."""

import time
from collections.abc import Callable

from fnmask.config import TrialConfig
from fnmask.fit import evaluate, fit
from fnmask.result import Control, EpochHook, Result, measure_tradeoff
from fnmask.tracking.tracker import Tracker
from fnmask.trial_files import log_files
from fnmask.workbench import Workbench


def run_trial(
    config: TrialConfig,
    tracker: Tracker,
    *,
    workbench: Workbench,
    control: Callable[[], Control] = lambda: None,
    on_epoch: EpochHook | None = None,
    on_batch: Callable[[], None] = lambda: None,
) -> Result:
    """Train and judge one trial.

    Args:
        config: the checked config.
        tracker: where its numbers go; left open, for the caller to finish with an outcome.
        workbench: data and compiled steps of earlier trials.
        control: gives what the trade-off is measured against; asked for at the end, when a control that is run beside
            this trial may have finished.
        on_epoch: called at the end of every epoch; what it raises ends the trial.
        on_batch: called before every batch; the same.

    Raises:
        NonFiniteLoss: the training loss became NaN or infinite.
    """
    begin_s = time.monotonic()
    data = workbench.load(config)
    network = workbench.prepare(config)
    given = workbench.encode(config, data, network, on_batch)
    if data.spoiled_frac:
        tracker.log_metrics({"train/spoiled_label_frac": data.spoiled_frac}, step=0)
    judged = fit(config, given, network, workbench, tracker, on_epoch, on_batch)
    val = judged.evaluation.matrices
    metrics = {f"best/{key.removeprefix('val/')}": value for key, value in judged.metrics.items() if key[:4] == "val/"}
    metrics["best/epoch"] = judged.epoch
    metrics |= measure_tradeoff(config, val.sum(axis=0), control())
    tracker.log_metrics(metrics, step=judged.epoch)
    test = evaluate(config, network, given.test) if config.trainer.test and data.test.ids else None
    evaluations = {"val": judged.evaluation, **({"test": test} if test else {})}
    log_files(config, data, given, network, evaluations, tracker)
    return Result(judged.metrics | metrics, val, test.matrices if test else None, time.monotonic() - begin_s)
