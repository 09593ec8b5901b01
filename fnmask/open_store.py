"""The tracking store that a config asks for, without TensorFlow."""

from fnmask.binding import ConfigError
from fnmask.config import TrialConfig
from fnmask.tracking.mlflow_store import MlflowStore


def open_store(config: TrialConfig) -> MlflowStore | None:
    """The store of the config, or None where nothing is kept.

    Raises:
        ConfigError: the experiment cannot be used.
    """
    if config.tracking.kind == "none":
        return None
    try:
        return MlflowStore(config.root, config.tracking.experiment)
    except ValueError as error:
        raise ConfigError([f"tracking.experiment: {error}"]) from None
