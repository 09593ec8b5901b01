"""A contestant of `benchmarks.sweep_rivals`: Ray Tune with its MLflow callback, in an environment of its own."""

import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rivals_common import ALPHA, RATE, REQUEST, SCORE, TPE, read_request, run_epochs, score_of, write_about

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
# By default a search with a model has one trial started at a time.
os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(read_request()["n_workers"])

import optuna
import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

# `trial_name` and the name of the run.
_OWN_TAGS = 2


def trial(config: dict[str, Any]) -> None:
    """The trainable."""
    request = read_request()
    Path("config.yaml").write_text(request["payload"]["config"])
    run_epochs(request, score_of(config[ALPHA]), lambda epoch, metrics: tune.report(dict(metrics)))


def main() -> None:
    """Tune."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    request = read_request()
    folder, n_workers = Path(request["folder"]), request["n_workers"]
    payload = request["payload"]
    # Its search takes no `/` in a name.
    params = {key.replace("/", "."): value for key, value in payload["params"].items()}
    space = {**params, ALPHA: tune.uniform(0, 1), RATE: tune.loguniform(1e-4, 1e-2)}
    search = OptunaSearch(metric=SCORE, mode="max", sampler=optuna.samplers.TPESampler(seed=0, **TPE))
    versions = {package: version(package) for package in ("ray", "optuna", "mlflow")}
    write_about(request, versions=versions, search="OptunaSearch, TPE, study in memory")
    callback = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        experiment_name="ray",
        tags=dict(list(payload["tags"].items())[_OWN_TAGS:]),
        save_artifact=True,
    )
    ray.init(
        num_cpus=n_workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": {REQUEST: os.environ[REQUEST]}},
    )
    tuner = tune.Tuner(
        trial,
        param_space=space,
        tune_config=tune.TuneConfig(
            num_samples=request["n_trials"],
            search_alg=ConcurrencyLimiter(search, max_concurrent=n_workers),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), callbacks=[callback], verbose=0),
    )
    tuner.fit()


if __name__ == "__main__":
    sys.exit(main())
