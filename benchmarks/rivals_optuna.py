"""A contestant of `benchmarks.sweep_rivals`: a bare Optuna study with the MLflow callback of optuna-integration."""

import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import optuna
from optuna_integration.mlflow import MLflowCallback
from rivals_common import ALPHA, RATE, SCORE, TPE, log_known, read_request, run_epochs, score_of, write_about

# Set by the callback (number, times, state, direction, two distributions) and by `mlflow.start_run` (user, source, its
# type, name).
_OWN_TAGS = 7 + 4


def main() -> None:
    """Optimize, one trial after the other."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore")
    request = read_request()
    folder = Path(request["folder"])
    write_about(request, versions={"optuna-integration": version("optuna-integration")}, search="TPE")
    callback = MLflowCallback(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", metric_name=SCORE)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("optuna", artifact_location=str(folder / "artifacts"))

    @callback.track_in_mlflow()
    def objective(trial: optuna.Trial) -> float:
        alpha, rate = trial.suggest_float(ALPHA, 0, 1), trial.suggest_float(RATE, 1e-4, 1e-2, log=True)
        log_known(request, mlflow, alpha=alpha, rate=rate, but=_OWN_TAGS)

        def log(epoch: int, metrics: Any) -> None:
            mlflow.log_metrics(metrics, step=epoch)
            trial.report(metrics[SCORE], epoch)

        run_epochs(request, score_of(alpha), log)
        return score_of(alpha)

    study = optuna.create_study(
        study_name="optuna",
        storage=f"sqlite:///{folder / 'optuna.db'}",
        sampler=optuna.samplers.TPESampler(seed=0, **TPE),
        direction="maximize",
    )
    study.optimize(objective, n_trials=request["n_trials"], callbacks=[callback])


if __name__ == "__main__":
    sys.exit(main())
