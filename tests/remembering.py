"""Hydra's loader for tests: it reads each file once, and composes the same words once."""

import copy

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path

from fnmask.presets import conf_dir


class KeptFiles:
    """A repository whose files are read once, not once for each composition: that is a third of its time."""

    def __init__(self, repository, kept=None):
        self._repository, self._kept = repository, {} if kept is None else kept

    def load_config(self, config_path):
        """A copy of its own for every caller: composing changes it."""
        if config_path not in self._kept:
            self._kept[config_path] = self._repository.load_config(config_path)
        return copy.deepcopy(self._kept[config_path])

    def initialize_sources(self, config_search_path):
        """With `hydra.searchpath` the same paths may be other files."""
        self._repository, self._kept = copy.deepcopy(self._repository), {}
        self._repository.initialize_sources(config_search_path)

    def __deepcopy__(self, memo):
        # Hydra copies the repository for each composition.
        return KeptFiles(self._repository, self._kept)

    def __getattr__(self, name):
        return getattr(self._repository, name)


class RememberingLoader(ConfigLoaderImpl):
    """Composes as Hydra does, in a twentieth of the time where the words have been composed before."""

    def __init__(self):
        super().__init__(create_config_search_path(str(conf_dir())))
        self.repository = KeptFiles(self.repository)
        self._composed = {}

    def load_configuration(self, config_name, overrides, run_mode, *more, **named):
        """A copy of its own for every caller."""
        asked = (config_name, tuple(overrides), run_mode, more, *named.items())
        if asked not in self._composed:
            self._composed[asked] = super().load_configuration(config_name, overrides, run_mode, *more, **named)
        return copy.deepcopy(self._composed[asked])
