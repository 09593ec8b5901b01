"""Reads the finished trials of a sweep and says what each loss variant costs and buys."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fnmask.compare.comparison import Comparison, write_comparison

__all__ = ["Comparison", "write_comparison"]


def __getattr__(name: str) -> Any:
    # Loaded when first used, so that `fnmask compare --help` answers at once.
    if name in __all__:
        from fnmask.compare import comparison

        return getattr(comparison, name)
    raise AttributeError(f"module 'fnmask.compare' has no attribute {name!r}")
