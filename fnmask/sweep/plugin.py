"""The Hydra plugin, a thin shim: Hydra may import it twice, so nothing lives here.

Hydra 1.3.8 instantiates plugins only under the `hydra_plugins.` prefix; `register` gives this module such a name
without a `hydra_plugins` folder of our own, which another package's might shadow.
"""

import sys
from importlib import import_module
from types import ModuleType

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

PLUGIN_MODULE = "hydra_plugins.fnmask"


class FnmaskSweeper(Sweeper):
    """Pulls trials from an Optuna study; configured by the group `study`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over; nothing is loaded yet."""
        self.hydra_context = hydra_context
        self.config = config

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep and leave with its exit code."""
        from fnmask.sweep.sweeper import sweep

        assert self.hydra_context is not None
        assert self.config is not None
        sys.exit(sweep(self.hydra_context, self.config, arguments))


def register() -> None:
    """Make `hydra/sweeper: fnmask` known to Hydra."""
    if "hydra_plugins" not in sys.modules:
        try:
            import_module("hydra_plugins")  # a namespace package, there when any other plugin is installed
        except ImportError:
            empty = ModuleType("hydra_plugins")
            empty.__path__ = []
            sys.modules["hydra_plugins"] = empty
    sys.modules[PLUGIN_MODULE] = sys.modules[__name__]
    FnmaskSweeper.__module__ = PLUGIN_MODULE
    Plugins.instance().register(FnmaskSweeper)
