"""A contestant of `benchmarks.throughput`: KerasTuner's grid search, with MLflow's autologging."""

import sys
from typing import Any

import keras_tuner
import mlflow

from benchmarks.throughput_trial import SCORE, arguments, build, callbacks, read_request, start_logging


def main() -> None:
    """Search over the masks that are given."""
    request = read_request()
    start_logging(request)
    masks = request["trials"]

    class Masked(keras_tuner.HyperModel):  # type: ignore[misc,unused-ignore]
        def build(self, hp: Any) -> Any:
            model, self.loss = build(request, **masks[hp.Choice("mask", list(range(len(masks))))])
            return model

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["callbacks"] = [*kwargs.get("callbacks", ()), *callbacks(request, self.loss)]
            with mlflow.start_run():
                mlflow.log_params(masks[hp.get("mask")])
                return model.fit(*args, **kwargs)

    tuner = keras_tuner.GridSearch(
        Masked(),
        objective=keras_tuner.Objective(SCORE, direction="max"),
        max_trials=len(masks),
        directory=request["folder"],
        project_name="tuner",
    )
    tuner.search(**arguments(request))


if __name__ == "__main__":
    sys.exit(main())
