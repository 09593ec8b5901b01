"""`fnmask data check`: read everything, say what is to be known of it, and write that as table, JSON and page."""

import argparse
import sys
from pathlib import Path
from typing import Any

_REFUSED = 2


def add_parser(commands: Any) -> None:
    """Add the parser of the command."""
    check = commands.add_parser(
        "check",
        help="read every image and mask: what is broken, doubtful, or unlike between splits",
        description="Read every image and mask of a data set and report what is broken, doubtful, or unlike between "
        "splits. Exit codes: 0 no errors (warnings are allowed), 1 errors, which a training would refuse, 2 refused.",
    )
    check.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="as of train.py: dataset=camvid dataset.root=PATH"
    )
    check.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder for the files (default: mlruns/data/<dataset>)"
    )
    check.add_argument("--workers", type=int, metavar="N", help="processes that read images (default: one per core)")
    check.set_defaults(command=_check)


def _check(arguments: argparse.Namespace) -> int:
    # Imported here: --help should not wait for Hydra and NumPy.
    from fnmask.binding import ConfigError
    from fnmask.check.gathering import WorkerDiedError
    from fnmask.train import compose_words

    try:
        if arguments.workers is not None and arguments.workers < 1:
            raise ConfigError([f"--workers: got {arguments.workers}. Give 1 or more."])
        cfg, choices = compose_words(arguments.overrides)
        return _run(cfg, choices, arguments)
    except (ConfigError, WorkerDiedError, OSError) as error:
        print(f"Nothing was checked.\n{error}", file=sys.stderr)
        return _REFUSED


def _run(cfg: Any, choices: Any, arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from fnmask.binding import ConfigError
    from fnmask.check.checking import report_refused
    from fnmask.check.contact_sheet import draw_sheet
    from fnmask.check.page import build_page
    from fnmask.check.report import to_json
    from fnmask.check.terminal import print_report
    from fnmask.config import read_source

    name = choices["dataset"]
    cells: Any = ()
    try:
        source = read_source(cfg)
    except ConfigError as error:
        report = report_refused(error.__cause__, name=name)
        if report is None:
            raise
    else:
        report = _read(source, name, arguments.workers)
        cells = draw_sheet(source, report)
    console = Console()
    print_report(report, console if console.is_terminal else Console(width=100))
    output = arguments.output or Path(cfg.root) / "mlruns" / "data" / name
    paths = {suffix: output / f"check.{suffix}" for suffix in ("html", "json", "txt")}
    try:
        output.mkdir(parents=True, exist_ok=True)
        paths["html"].write_text(build_page(report, cells), encoding="utf-8")
        paths["json"].write_text(to_json(report), encoding="utf-8")
        with paths["txt"].open("w", encoding="utf-8") as file:
            print_report(report, Console(file=file, width=100))
    except OSError as error:
        print(f"The report cannot be written: {error}. Give another folder with -o DIR.", file=sys.stderr)
        return _REFUSED
    print(f"page: {paths['html']}\nnumbers: {paths['json']}")
    return 1 if report.of("error") else 0


def _read(source: Any, name: str, n_workers: int | None) -> Any:
    """The report, with a bar while images are read."""
    from rich.console import Console
    from rich.progress import Progress

    from fnmask.check.checking import check_source
    from fnmask.check.gathering import all_tasks

    try:
        digest = source.digest()
    except (OSError, ValueError):  # of a file that cannot be read or is refused, which the check will name
        digest = ""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading", total=len(all_tasks(source)))
        return check_source(
            source, name=name, digest=digest, n_workers=n_workers, on_image=lambda: progress.advance(bar)
        )
