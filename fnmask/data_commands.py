"""`fnmask data`: its subcommands, each with a module of its own that loads nothing heavy before it runs."""

import importlib
from typing import Any

# Each has a function `add_parser(commands)`.
_MODULES = ("fnmask.prepare_command", "fnmask.check_command", "fnmask.show_command")


def add_data_commands(commands: Any) -> None:
    """Add the group and the parsers of its subcommands."""
    group = commands.add_parser(
        "data",
        help="prepare a public data set, check one, or look at it as a training sees it",
        description="Work on the data set alone, without training.",
    )
    subcommands = group.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _MODULES:
        importlib.import_module(module).add_parser(subcommands)
