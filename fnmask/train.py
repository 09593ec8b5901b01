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
    except Exception as error:
        from fnmask.hydra_errors import explain, is_complaint

        if not is_complaint(error):
            raise
        overrides = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
        _refuse(explain(error, _compose, overrides))


@hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
def _compose_and_run(cfg: DictConfig) -> None:
    # Only now, so that `--cfg` and `--help` answer at once.
    from fnmask.binding import ConfigError
    from fnmask.config import SINGLE_RUN, check
    from fnmask.single import run_repeated, run_single

    composed = HydraConfig.get()
    try:
        if SINGLE_RUN[0] in cfg:
            sys.exit(run_repeated(cfg, composed.overrides.task, composed.runtime.choices))
        sys.exit(run_single(check(cfg, composed.runtime.choices)))
    except ConfigError as error:
        _refuse(error)


def register_resolvers() -> None:
    """What `conf/` interpolates beside its own keys."""
    OmegaConf.register_new_resolver("fnmask.project_root", lambda: str(project_root()), replace=True)
    OmegaConf.register_new_resolver("fnmask.share", _share, replace=True)


def _share(share: float, whole: object) -> float:
    """A part of a duration; 0 of one that is no duration, which the check reports under its own key."""
    return share * whole if isinstance(whole, int | float) and 0 < whole < math.inf else 0.0


def compose_words(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str]]:
    """The config of a command line, for commands that train nothing.

    Args:
        overrides: as `train.py` takes them.

    Returns:
        The config without Hydra's own node, and config group -> option chosen.

    Raises:
        ConfigError: an override that does not fit.
    """
    from hydra import compose, initialize_config_dir

    from fnmask.hydra_errors import explain, is_complaint

    register_resolvers()
    register()
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            cfg = compose("config", overrides=list(overrides), return_hydra_config=True)
    except Exception as error:
        if not is_complaint(error):
            raise
        raise explain(error, _compose, overrides) from None
    choices = {str(group): str(option) for group, option in cfg.hydra.runtime.choices.items()}
    OmegaConf.set_struct(cfg, False)
    del cfg["hydra"]
    return cfg, choices


def _refuse(error: Exception) -> NoReturn:
    print(f"Nothing was trained.\n{error}", file=sys.stderr)
    sys.exit(REFUSED)


def _compose(overrides: Sequence[str]) -> DictConfig:
    """A config beside the one at fault, to say which keys exist."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=list(overrides))


if __name__ == "__main__":
    main()
