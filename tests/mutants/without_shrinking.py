"""A pytest plugin: Hypothesis stops at the first failing example, where it would look minutes for the smallest one."""

from typing import Any


def pytest_configure(config: Any) -> None:
    from hypothesis import Phase, settings

    settings.register_profile("without shrinking", phases=(Phase.explicit, Phase.generate))
    settings.load_profile("without shrinking")
