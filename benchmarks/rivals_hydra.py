"""A contestant of `benchmarks.sweep_rivals`: Hydra's own Optuna sweeper, in an environment of its own."""

import sys
from importlib.metadata import version
from pathlib import Path

import hydra
import mlflow
from omegaconf import DictConfig
from rivals_common import ALPHA, RATE, TPE, log_known, read_request, run_epochs, score_of, write_about

# By `mlflow.start_run`: user, source, its type, name.
_OWN_TAGS = 4
PACKAGES = ("hydra-core", "hydra-optuna-sweeper", "hydra-joblib-launcher", "optuna", "mlflow")


@hydra.main(version_base=None, config_path=None, config_name="config")
def task(cfg: DictConfig) -> float:
    """A trial."""
    request = read_request()
    mlflow.set_tracking_uri(f"sqlite:///{request['folder']}/mlflow.db")
    alpha, rate = float(cfg.loss.alpha), float(cfg.optimizer.learning_rate)
    with mlflow.start_run(experiment_id="1"):
        log_known(request, mlflow, alpha=alpha, rate=rate, but=_OWN_TAGS)
        run_epochs(request, score_of(alpha), lambda epoch, metrics: mlflow.log_metrics(dict(metrics), step=epoch))
    return score_of(alpha)


def main() -> None:
    """The command line of a sweep."""
    request = read_request()
    folder, n_workers = Path(request["folder"]), request["n_workers"]
    (folder / "config.yaml").write_text(request["payload"]["config"])
    write_about(request, versions={package: version(package) for package in PACKAGES}, search="TPE")
    # Before workers start, for each would make the tables.
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("hydra", artifact_location=str(folder / "artifacts"))
    sampler = [f"hydra.sweeper.sampler.{key}={str(value).lower()}" for key, value in TPE.items()]
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={n_workers}"] if n_workers > 1 else []
    sys.argv[1:] = [
        *("--multirun", f"--config-dir={folder}", "hydra/sweeper=optuna", "hydra/sweeper/sampler=tpe", *sampler),
        *("hydra.sweeper.sampler.seed=0", "hydra.sweeper.study_name=hydra", "hydra.sweeper.direction=maximize"),
        f"hydra.sweeper.storage='sqlite:///{folder / 'optuna.db'}'",
        *(f"hydra.sweeper.n_trials={request['n_trials']}", f"hydra.sweeper.n_jobs={n_workers}", *launcher),
        *(f"hydra.sweep.dir={folder / 'hydra'}", f"{ALPHA}=interval(0.0,1.0)", f"{RATE}=tag(log,interval(1e-4,1e-2))"),
    ]
    task()


if __name__ == "__main__":
    main()
