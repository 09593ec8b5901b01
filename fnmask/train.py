"""The Hydra entry: compose, check, run one trial; with --multirun, hand over to the sweeper.

python train.py loss=ignore_fn loss.target=road weighting=median_frequency
python train.py --multirun +sweeps=quickstart
"""

import math
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from fnmask.backend import load_backend
from fnmask.binding import ConfigError
from fnmask.config import TrialConfig, check
from fnmask.hydra_errors import HYDRA_ERRORS, explain, is_complaint
from fnmask.presets import conf_dir, project_root
from fnmask.sweep.plugin import register

# Exit code for a config that cannot be run; nothing was trained.
REFUSED = 2


def main() -> None:
    """Run; leave with 0, or with 2 and one clear message when the config is at fault."""
    # TensorFlow and MLflow greet their users at length; warnings still come through.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Hydra prints and exits by itself unless told to raise: fnmask's words and exit codes come from here.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register_resolvers()
    register()
    try:
        _compose_and_run()
    except (*HYDRA_ERRORS, ValueError) as error:
        if not is_complaint(error):
            raise
        overrides = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
        _refuse(explain(error, _compose, overrides))


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def _compose_and_run(cfg: DictConfig) -> None:
    try:
        sys.exit(_run_one(check(cfg, HydraConfig.get().runtime.choices)))
    except ConfigError as error:
        _refuse(error)


def register_resolvers() -> None:
    """What `conf/` interpolates beside its own keys."""
    OmegaConf.register_new_resolver("fnmask.project_root", lambda: str(project_root()), replace=True)
    OmegaConf.register_new_resolver("fnmask.share", _share, replace=True)


def _run_one(config: TrialConfig) -> int:
    """Run one trial with a progress display; 0, or 1 when it failed."""
    # TensorFlow is loaded only once the config is known to be right.
    print(load_backend())
    from fnmask.open_store import open_store
    from fnmask.progress import RunProgress
    from fnmask.recording import Labels, find_control, run_recorded, variant_label
    from fnmask.trial import run_trial
    from fnmask.workbench import Workbench

    console = Console()
    store = open_store(config)
    control = "plain" if config.is_plain else ""
    with RunProgress(variant_label(config, {}), config.trainer.epochs, console=console) as progress:
        record = run_recorded(
            config,
            Labels("run", control=control),
            store=store,
            run=run_trial,
            workbench=Workbench(),
            control=lambda: "itself" if control else find_control(store, config.reference),
            on_epoch=lambda epoch, metrics, _: progress.end_epoch(epoch, metrics["val/miou"]),
        )
        record.close()
    console.print(progress.describe_end(record.outcome, record.reason), markup=False, highlight=False, soft_wrap=True)
    if record.result is None:
        return 130 if record.outcome == "interrupted" else 1
    told = [key for key in record.result.metrics if key.startswith(("val/iou/", "val/miou", "tradeoff/"))]
    for key in told:
        console.print(f"  {key:32} {record.result.metrics[key]:8.3f}", highlight=False)
    if not any(key.startswith("tradeoff/") for key in told):
        console.print(
            "No trade-off: run the plain control first, with the same settings and loss=plain.", highlight=False
        )
    return 0


def _share(share: float, whole: object) -> float:
    """A part of a duration; 0 of one that is no duration, which the check reports under its own key."""
    return share * whole if isinstance(whole, int | float) and 0 < whole < math.inf else 0.0


def _refuse(error: ConfigError) -> NoReturn:
    print(f"Nothing was trained.\n{error}", file=sys.stderr)
    sys.exit(REFUSED)


def _compose(overrides: Sequence[str]) -> DictConfig:
    """A config beside the one at fault, to say which keys exist."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


if __name__ == "__main__":
    main()
