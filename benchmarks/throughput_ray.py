"""A contestant of `benchmarks.throughput`: Ray Tune, an actor for each trial, with MLflow's autologging in it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune

from benchmarks.throughput_trial import REQUEST, SCORE, arguments, build, callbacks, read_request, start_logging


def run(config: Mapping[str, Any]) -> None:
    """One trial."""
    import mlflow

    request = read_request()
    start_logging(request)
    model, loss = build(request, **request["trials"][config["mask"]])
    with mlflow.start_run():
        mlflow.log_params(request["trials"][config["mask"]])
        history = model.fit(**arguments(request), callbacks=callbacks(request, loss))
    tune.report({SCORE: history.history[SCORE][-1]})


def main() -> None:
    """Run the masks that are given, one after the other with all cores."""
    request = read_request()
    here = str(Path(__file__).parents[1])
    environment = {"env_vars": {REQUEST: os.environ[REQUEST], "PYTHONPATH": here, "RAY_CHDIR_TO_TRIAL_DIR": "0"}}
    ray.init(include_dashboard=False, log_to_driver=False, runtime_env=environment)
    cores = len(os.sched_getaffinity(0))
    tuner = tune.Tuner(
        tune.with_resources(run, {"cpu": cores}),
        param_space={"mask": tune.grid_search(list(range(len(request["trials"]))))},
        tune_config=tune.TuneConfig(metric=SCORE, mode="max"),
        run_config=tune.RunConfig(storage_path=str(Path(request["folder"]).resolve() / "ray"), verbose=0),
    )
    results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(str(results.errors[0]))


if __name__ == "__main__":
    sys.exit(main())
