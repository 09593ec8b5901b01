"""A contestant of `benchmarks.throughput`: an Optuna study around `compile` and `fit`, with MLflow's autologging."""

import sys

import mlflow
import optuna

from benchmarks.throughput_trial import SCORE, arguments, build, callbacks, read_request, start_logging


def main() -> None:
    """Optimize over the masks that are given."""
    request = read_request()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    start_logging(request)
    masks = request["trials"]

    def objective(trial: optuna.Trial) -> float:
        mask = masks[trial.suggest_categorical("mask", range(len(masks)))]
        model, loss = build(request, **mask)
        with mlflow.start_run():
            mlflow.log_params(mask)
            history = model.fit(**arguments(request), callbacks=callbacks(request, loss))
        return float(history.history[SCORE][-1])

    study = optuna.create_study(
        storage=f"sqlite:///{request['folder']}/optuna.db",
        sampler=optuna.samplers.GridSampler({"mask": list(range(len(masks)))}),
        direction="maximize",
    )
    study.optimize(objective, n_trials=len(masks))


if __name__ == "__main__":
    sys.exit(main())
