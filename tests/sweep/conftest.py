"""Plans made of the real `conf/` and `sweeps/`, as the sweeper does it, without training."""

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.utils import create_config_search_path
from hydra.types import RunMode

from fnmask.binding import ConfigError
from fnmask.presets import conf_dir
from fnmask.sweep.composer import Composer
from fnmask.sweep.plan import make_plan
from fnmask.sweep.plugin import register
from fnmask.train import register_resolvers


@pytest.fixture(scope="session")
def loader():
    register_resolvers()
    register()
    loader = ConfigLoaderImpl(create_config_search_path(str(conf_dir())))
    # Reading the same files for every composition is most of its time.
    loader.repository = CachingConfigRepository(loader.repository)
    return loader


@pytest.fixture(scope="session")
def plan(loader):
    """A function from the words of a command line to its plan."""

    def from_words(*words):
        master = loader.load_configuration("config", list(words), RunMode.MULTIRUN)
        return make_plan(Composer(loader, master), words)

    return from_words


@pytest.fixture(scope="session")
def faults(plan):
    def from_words(*words):
        with pytest.raises(ConfigError) as caught:
            plan(*words)
        return caught.value.faults

    return from_words
