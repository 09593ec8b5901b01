"""A contestant of `benchmarks.throughput`: Hydra's multirun with a process for each job, and MLflow's autologging.

Started with `--multirun mask=0,1,2...`; the launcher is submitit's for one machine, one job at a time.
"""

import hydra
import mlflow
from omegaconf import DictConfig

from benchmarks.throughput_trial import SCORE, arguments, build, callbacks, read_request, start_logging


@hydra.main(version_base="1.3", config_path=None)
def main(config: DictConfig) -> float:
    """One trial."""
    request = read_request()
    start_logging(request)
    mask = request["trials"][config.mask]
    model, loss = build(request, **mask)
    with mlflow.start_run():
        mlflow.log_params(mask)
        history = model.fit(**arguments(request), callbacks=callbacks(request, loss))
    return float(history.history[SCORE][-1])


if __name__ == "__main__":
    main()
