"""`fnmask data prepare`: says where a public data set comes from, unpacks its archives, and reads from them."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

_REFUSED, _INTERRUPTED = 2, 130


def add_parser(commands: Any) -> None:
    """Add the parser of the command."""
    parser = commands.add_parser(
        "prepare",
        help="unpack a public data set from its publisher's archives, and verify it",
        description="Unpack a public data set from its publisher's archives and verify it with its own reader. Without "
        "--from: verify what lies in the folder, or say where the set comes from. Exit codes: 0 done, 2 refused, 130 "
        "interrupted.",
    )
    parser.add_argument("name", metavar="NAME", help="option of dataset=, such as voc2012")
    parser.add_argument(
        "--from",
        dest="sources",
        metavar="ARCHIVE|URL",
        action="append",
        default=[],
        help="zip, tar, tar.gz, tar.bz2 or tar.xz, as file or address; again for each further archive",
    )
    parser.add_argument(
        "--sha256", metavar="HEX", action="append", default=[], help="checksum of the archive, once for each --from"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder for the set, or where it lies (default: datasets/NAME)"
    )
    parser.add_argument("--all", action="store_true", help="read every pair, not some of each split")
    parser.add_argument(
        "--most-gib",
        type=int,
        default=200,
        metavar="N",
        help="refuse archives that unpack to more (default: %(default)s)",
    )
    parser.set_defaults(command=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        return _prepare(arguments)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        print(f"fnmask: {error}", file=sys.stderr)
        return _REFUSED
    except KeyboardInterrupt:
        print("\nfnmask: interrupted. What was downloaded stays; nothing else is left.", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        print(f"fnmask: {arguments.output or arguments.name} cannot be made: {error}.", file=sys.stderr)
        return _REFUSED


def _prepare(arguments: argparse.Namespace) -> int:
    from fnmask.prepare.preparing import prepare, verify
    from fnmask.prepare.unpacking import Limits

    reader = _reader_of(arguments.name)
    output = arguments.output or Path("datasets") / arguments.name
    if not arguments.sources and not output.is_dir():
        print(_told(reader.facts, arguments.name))
        return 0
    with _Bar() as display:
        if arguments.sources:
            limits = Limits(total_bytes=arguments.most_gib * 2**30)
            own = {"checksums": arguments.sha256, "limits": limits, "read_all": arguments.all, "display": display}
            verified = prepare(reader, arguments.sources, output, **own)
        else:
            verified = verify(reader, output, read_all=arguments.all, display=display)
    counts = ", ".join(f"{count} {split}" for split, count in verified.images.items())
    print(f"{reader.facts.title} in {output}: {counts}. {verified.read} pairs of image and mask were read.")
    if verified.files != verified.published:
        print(f"It has {verified.files} images with labels, its publisher {verified.published}: is it complete?")
    print(f"Licence: {reader.facts.licence}.\nCite: {reader.facts.citation}.")
    names = reader.facts.classes.names
    target = [] if "road" in names else [f"loss.target={next(name for name in names if name != 'background')}"]
    words = [f"dataset={arguments.name}", f"dataset.root={output}", *target]
    print(f"Train on it: python train.py {shlex.join(words)}")
    return 0


def _reader_of(name: str) -> Any:
    """The class that an option of `dataset=` names.

    Raises:
        ValueError: no option of a public data set.
    """
    import importlib

    import yaml

    from fnmask.presets import conf_dir

    found = {}
    for path in sorted((conf_dir() / "dataset").glob("*.yaml")):
        module, _, own = yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"].rpartition(".")
        if module.startswith("fnmask.data.named."):
            found[path.stem] = (module, own)
    if name not in found:
        raise ValueError(f"{name!r} is no public data set. Allowed: {', '.join(found)}.")
    module, own = found[name]
    return getattr(importlib.import_module(module), own)


def _told(facts: Any, name: str) -> str:
    """Where the set comes from, and what to type then."""
    return (
        f"{facts.title}, {len(facts.classes.names)} classes, {sum(facts.official.values())} images with labels\n"
        f"  {facts.homepage}\n"
        f"  Licence: {facts.licence}.\n"
        f"  Cite: {facts.citation}.\n"
        f"  Splits: {facts.splits}.\n"
        f"  {facts.get}\n"
        f"  Then: fnmask data prepare {name} --from ARCHIVE [--from ARCHIVE ...]\n"
        f"  or lay it out by hand: {facts.layout}"
    )


class _Bar:
    """A bar for each thing that takes time; nothing where nobody looks."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *left: object) -> None:
        self._progress.stop()

    def update(self, what: str, done: int, total: int | None) -> None:
        """See `Display`."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, told="")
        told = f"{done} of {total}" if what == "reading" else f"{done / 2**20:.0f} MiB"
        self._progress.update(self._tasks[what], completed=done, total=total, told=told)
